//! Owns: YAML text to a tree in which every node knows its line and column.
//! Never: what the tree means.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::error::{Complaints, Place};

/// One file of rules; the largest in public use are below 100 KiB.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Sigma needs six levels; a deeper tree is an attack on whoever walks it.
const DEPTH_MAX: usize = 24;
/// Nodes of one file: far above any rule, far below what would hurt.
const NODES_MAX: usize = 200_000;

#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    pub place: Place,
    pub data: Data,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `plain` means unquoted, so that `null` and `5` may be more than text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Key {
    pub place: Place,
    pub text: String,
}

impl Node {
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        match &self.data {
            Data::List(items) => Some(items),
            _ => None,
        }
    }

    #[must_use]
    pub fn map(&self) -> Option<&[(Key, Self)]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map()?.iter().find(|(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// For people: what stands here.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Scalar { .. } if self.is_null() => "nothing",
            Data::Scalar { .. } => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }
}

fn place(marker: Marker) -> Place {
    // The parser counts columns from 0 and lines from 1.
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

/// The documents of a text; empty ones are left out. Whatever it cannot take goes to `complaints`.
#[must_use]
pub fn documents(text: &str, complaints: &mut Complaints<'_>) -> Vec<Node> {
    let start = Place { line: 1, column: 1 };
    if text.len() > TEXT_BYTES_MAX {
        complaints.add(start, format!("{} bytes of rules in one file; at most {TEXT_BYTES_MAX} are taken", text.len()));
        return Vec::new();
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, place(span.start)),
            Err(error) => Err((place(*error.marker()), format!("not YAML: {}", error.info()))),
        };
        if let Err((place, reason)) = step {
            complaints.add(place, reason);
            break;
        }
    }
    builder.documents
}

type Step = Result<(), (Place, String)>;

/// A collection that is still open; `key` waits for its value.
struct Open {
    node: Node,
    key: Option<Key>,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Step {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    return Err((place, format!("the tag `{tag}` is not supported; quote the value if it is text")));
                }
                no_anchor(anchor, place)?;
                let plain = style == ScalarStyle::Plain;
                self.add(Node { place, data: Data::Scalar { text: text.into_owned(), plain } })
            }
            Event::SequenceStart(anchor, _) => self.begin(Node { place, data: Data::List(Vec::new()) }, anchor),
            Event::MappingStart(anchor, _) => self.begin(Node { place, data: Data::Map(Vec::new()) }, anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.add(open.node),
                None => Ok(()),
            },
            Event::Alias(_) => Err((place, "aliases are not supported; write the value out".to_owned())),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Step {
        no_anchor(anchor, node.place)?;
        if self.open.len() >= DEPTH_MAX {
            return Err((node.place, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn add(&mut self, node: Node) -> Step {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err((node.place, format!("more than {NODES_MAX} values in one file")));
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match (&mut open.node.data, open.key.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Map(entries), Some(key)) => entries.push((key, node)),
            (Data::Map(entries), None) => open.key = Some(fresh_key(entries, &node)?),
            (Data::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

/// YAML forbids a key twice, and the second would silently replace the first.
fn fresh_key(entries: &[(Key, Node)], node: &Node) -> Result<Key, (Place, String)> {
    let Data::Scalar { text, .. } = &node.data else {
        return Err((node.place, format!("a key must be text, here stands {}", node.kind())));
    };
    match entries.iter().find(|(key, _)| key.text == *text) {
        Some((first, _)) => {
            Err((node.place, format!("`{text}` stands here again; it is first on line {}", first.place.line)))
        }
        None => Ok(Key { place: node.place, text: text.clone() }),
    }
}

fn no_anchor(anchor: usize, place: Place) -> Step {
    if anchor == 0 { Ok(()) } else { Err((place, "anchors are not supported; write the value out".to_owned())) }
}
