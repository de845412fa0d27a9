//! Owns: a selection of a rule, YAML to compiled lines.
//! Never: the condition that joins selections.

use regex::RegexBuilder;

use super::binding::Binding;
use super::class::Class;
use super::encode;
use super::field::{Field, Shape};
use super::glob::{Glob, Pieces, Token};
use super::item::{Item, Probe};
use super::modifier::{Kind, Modifiers, Part, Transform};
use super::record::{FieldId, fold};
use crate::error::{Complaints, Place};
use crate::network::Network;
use crate::yaml::{Data, Key, Node};

/// A compiled expression of a rule in public use takes some kilobytes.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// Groups of lines: one group must match, and in it every line.
#[derive(Clone, Debug)]
pub struct Selection {
    pub groups: Vec<Vec<Item>>,
}

type Made<T> = Result<T, (Place, String)>;

impl Selection {
    /// Compiles what it can; `None` where something in it was complained of.
    pub fn parse(name: &str, node: &Node, binding: &mut Binding<'_>, complaints: &mut Complaints<'_>) -> Option<Self> {
        let before = complaints.count();
        let nodes = match &node.data {
            Data::List(nodes) if !nodes.is_empty() => nodes.as_slice(),
            Data::Map(_) => std::slice::from_ref(node),
            _ => {
                complaints.add(
                    node.place,
                    format!("selection `{name}` must be a map or a list, here stands {}", node.kind()),
                );
                return None;
            }
        };
        let groups = nodes.iter().map(|node| group(node, binding, complaints)).collect();
        (complaints.count() == before).then_some(Self { groups })
    }
}

fn group(node: &Node, binding: &mut Binding<'_>, complaints: &mut Complaints<'_>) -> Vec<Item> {
    let mut take = |made: Made<Item>| match made {
        Ok(item) => Some(item),
        Err((place, reason)) => {
            complaints.add(place, reason);
            None
        }
    };
    match &node.data {
        Data::Map(entries) if !entries.is_empty() => {
            entries.iter().filter_map(|(key, value)| take(item(key, value, binding))).collect()
        }
        Data::Scalar { .. } if !node.is_null() => {
            take(keywords(std::slice::from_ref(node), false, binding)).into_iter().collect()
        }
        _ => {
            complaints.add(node.place, format!("a map of fields or a keyword is expected here, not {}", node.kind()));
            Vec::new()
        }
    }
}

fn item(key: &Key, value: &Node, binding: &mut Binding<'_>) -> Made<Item> {
    let at_key = |reason| (key.place, reason);
    let mut words = key.text.split('|');
    let name = words.next().unwrap_or_default();
    let modifiers = Modifiers::parse(words).map_err(at_key)?;
    let values = match &value.data {
        Data::List(values) => values.as_slice(),
        Data::Scalar { .. } => std::slice::from_ref(value),
        Data::Map(_) => {
            return Err((value.place, "a value or a list of values is expected here, not a map".to_owned()));
        }
    };
    if values.is_empty() {
        return Err((value.place, "an empty list matches nothing; remove the line".to_owned()));
    }
    if name.is_empty() {
        let only_all =
            Modifiers { all: false, ..modifiers.clone() } == Modifiers::parse(std::iter::empty()).map_err(at_key)?;
        if !only_all {
            return Err((key.place, "keywords take the modifier `all` only".to_owned()));
        }
        return keywords(values, modifiers.all, binding);
    }
    let field = binding.field(name).map_err(at_key)?;
    if modifiers.all && values.len() < 2 && !matches!(value.data, Data::List(_)) {
        return Err((key.place, "`all` needs a list of values".to_owned()));
    }
    let values = values.iter().map(|value| probes_of(value, field, &modifiers, binding)).collect::<Made<_>>()?;
    Ok(Item { fields: vec![field], values, all: modifiers.all, negated: modifiers.negated })
}

fn keywords(values: &[Node], all: bool, binding: &mut Binding<'_>) -> Made<Item> {
    let Some(first) = values.first() else { return Err((Place { line: 1, column: 1 }, "no keyword".to_owned())) };
    let fields = binding.keywords().map_err(|reason| (first.place, reason))?;
    let text_of = |node: &Node| match node.text() {
        Some(text) if !text.is_empty() => {
            let pieces = Pieces::parse(text).map(fold).open_start().open_end();
            Ok(vec![Probe::Text { glob: Glob::new(pieces), cased: false }])
        }
        _ => Err((node.place, format!("a keyword is expected here, not {}", node.kind()))),
    };
    let values = values.iter().map(text_of).collect::<Made<_>>()?;
    Ok(Item { fields, values, all, negated: false })
}

fn probes_of(value: &Node, field: FieldId, modifiers: &Modifiers, binding: &mut Binding<'_>) -> Made<Vec<Probe>> {
    let fail = |reason: String| (value.place, reason);
    let is_plain = modifiers.kind == Kind::Text && modifiers.part == Part::Whole && modifiers.transforms.is_empty();
    if is_plain && matches!(&value.data, Data::Scalar { text, .. } if value.is_null() || text.is_empty()) {
        // The model does not part an empty value from an unknown one.
        let is_null = value.is_null() || binding.class().is_some();
        return Ok(vec![if is_null {
            Probe::Null
        } else {
            Probe::Text { glob: Glob::new(Pieces::default()), cased: false }
        }]);
    }
    let text = value.text().ok_or_else(|| fail(format!("a value is expected here, not {}", value.kind())))?;
    let one = |probe| Ok(vec![probe]);
    let shape = binding.shape(field);
    match modifiers.kind {
        Kind::Text if is_plain => one(whole(text, field, modifiers.cased, binding).map_err(fail)?),
        Kind::Text => texts(text, modifiers).map_err(fail),
        // The flags stand in the pattern, so that whoever reads it later reads it as it is matched.
        Kind::Regex { ignore_case, multi_line, dot_all } => {
            RegexBuilder::new(&flagged(text, ignore_case, multi_line, dot_all))
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .map(|regex| vec![Probe::Regex(Box::new(regex))])
                .map_err(|error| {
                    fail(format!("not an expression that can be honoured: {}", last_line(&error.to_string())))
                })
        }
        Kind::Cidr if !matches!(shape, None | Some(Shape::Address)) => {
            Err(fail(format!("`{}` holds no address", binding.name(field))))
        }
        Kind::Cidr => one(Probe::Network(Network::parse(text).map_err(fail)?)),
        Kind::Compare(_) if !matches!(shape, None | Some(Shape::Number)) => {
            Err(fail(format!("`{}` holds no number", binding.name(field))))
        }
        Kind::Compare(order) => match text.parse() {
            Ok(bound) => one(Probe::Compare(order, bound)),
            Err(_) => Err(fail(format!("`{text}` is not a whole number"))),
        },
        Kind::Exists => match text {
            "true" => one(Probe::Present),
            "false" => one(Probe::Absent),
            _ => Err(fail("`exists` takes true or false".to_owned())),
        },
        Kind::FieldRef => {
            let other = binding.field(text).map_err(fail)?;
            one(Probe::Same { other, part: modifiers.part, cased: modifiers.cased })
        }
    }
}

fn flagged(text: &str, ignore_case: bool, multi_line: bool, dot_all: bool) -> String {
    let flags: String = [(ignore_case, 'i'), (multi_line, 'm'), (dot_all, 's')]
        .iter()
        .filter_map(|(set, flag)| set.then_some(*flag))
        .collect();
    if flags.is_empty() { text.to_owned() } else { format!("(?{flags}){text}") }
}

/// The regex crate draws the place in several lines; the last one says what is wrong.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn whole(text: &str, field: FieldId, cased: bool, binding: &Binding<'_>) -> Result<Probe, String> {
    let pieces = Pieces::parse(text);
    if let Some(plain) = pieces.plain() {
        check(plain, field, binding)?;
    }
    let pieces = match (binding.shape(field), pieces.plain().map(str::parse::<std::net::IpAddr>)) {
        (Some(Shape::Address), Some(Ok(ip))) => Pieces::literal(&ip.to_canonical().to_string()),
        _ if cased => pieces,
        _ => pieces.map(fold),
    };
    Ok(Probe::Text { glob: Glob::new(pieces), cased })
}

/// A value that its field can never have is a mistake, and would be silent.
fn check(plain: &str, field: FieldId, binding: &Binding<'_>) -> Result<(), String> {
    let Some(shape) = binding.shape(field) else { return Ok(()) };
    let name = binding.name(field);
    let activities = binding.class().map_or(&[][..], Class::activities);
    match shape {
        Shape::Number if plain.parse::<i128>().is_err() => Err(format!("`{name}` is a number, `{plain}` is not")),
        Shape::Address if plain.parse::<std::net::IpAddr>().is_err() => {
            Err(format!("`{name}` is an address, `{plain}` is not; write `{name}|cidr` for a range"))
        }
        Shape::Flag if !matches!(fold(plain).as_str(), "true" | "false") => {
            Err(format!("`{name}` is true or false, not `{plain}`"))
        }
        Shape::Text if field == Field::Activity.id() && !activities.contains(&plain) => {
            Err(format!("`{name}` is one of {}, not `{plain}`", activities.join(", ")))
        }
        _ => Ok(()),
    }
}

/// A text on its way through the encodings.
enum Draft {
    Written(String),
    Bytes(Vec<u8>),
    Encoded(String),
}

fn texts(text: &str, modifiers: &Modifiers) -> Result<Vec<Probe>, String> {
    if text.is_empty() {
        return Err("the empty text is part of every value".to_owned());
    }
    let mut drafts = vec![Draft::Written(text.to_owned())];
    for transform in &modifiers.transforms {
        let mut next = Vec::new();
        for draft in drafts {
            next.extend(transformed(draft, *transform)?);
        }
        drafts = next;
    }
    let probe = |draft| {
        let pieces = match draft {
            Draft::Written(text) => Pieces::parse(&text),
            Draft::Encoded(text) => Pieces::literal(&text),
            // `Modifiers` lets nothing end as bytes.
            Draft::Bytes(bytes) => Pieces::literal(&String::from_utf8_lossy(&bytes)),
        };
        let pieces = if modifiers.cased { pieces } else { pieces.map(fold) };
        let pieces = match modifiers.part {
            Part::Whole => pieces,
            Part::Contains => pieces.open_start().open_end(),
            Part::Starts => pieces.open_end(),
            Part::Ends => pieces.open_start(),
        };
        Probe::Text { glob: Glob::new(pieces), cased: modifiers.cased }
    };
    Ok(drafts.into_iter().map(probe).collect())
}

fn transformed(draft: Draft, transform: Transform) -> Result<Vec<Draft>, String> {
    if let (Draft::Written(text), Transform::Windash) = (&draft, transform) {
        let many = |count| format!("{count} dashes in one value become too many variants; split it");
        return Ok(encode::windash(text).map_err(many)?.into_iter().map(Draft::Written).collect());
    }
    let bytes = match draft {
        Draft::Written(text) => {
            let pieces = Pieces::parse(&text);
            let has_wildcard = pieces.0.iter().any(|token| !matches!(token, Token::Literal(_)));
            let plain = pieces.plain().filter(|_| !has_wildcard);
            let plain = plain.ok_or_else(|| "a wildcard cannot be encoded; escape it or drop it".to_owned())?;
            match transform {
                Transform::Wide(form) => return Ok(vec![Draft::Bytes(encode::utf16(plain, form))]),
                _ => plain.as_bytes().to_vec(),
            }
        }
        Draft::Bytes(bytes) => bytes,
        Draft::Encoded(text) => text.into_bytes(),
    };
    Ok(match transform {
        Transform::Base64Offset => encode::base64_offsets(&bytes).into_iter().map(Draft::Encoded).collect(),
        _ => vec![Draft::Encoded(encode::base64(&bytes))],
    })
}
