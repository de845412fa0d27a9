//! Owns: the way from a line of JSON to an event: which value has which name.
//! Never: what rules make of it.

use std::sync::Arc;

use picket_model::Timestamp;

use super::event::Event;
use super::fields::Fields;
use super::names::{IDENTITY, Name, Names, TIMES};
use super::scan::{Scan, Span};
use super::{DEPTH_MAX, Error, LINE_BYTES_MAX, VALUES_MAX, clock};
use crate::sigma::record::Text;
use crate::sigma::schema::Schema;

/// Attributes of an element, as converters of XML call them; its own text stands beside them.
const ATTRIBUTES: &[u8] = b"#attributes";
const TEXT: &[u8] = b"#text";

/// Reads one event after the other, and keeps what is of use for the next.
#[derive(Debug)]
pub struct Reader {
    schema: Arc<Schema>,
    names: Names,
    fields: Fields,
    /// Strings whose escapes were resolved.
    arena: Vec<u8>,
    arena_text: String,
    /// The line, where it is no UTF-8.
    repaired: String,
    path: Vec<u8>,
    times: Vec<(u8, Span)>,
    /// Of the event before, for one that tells none.
    time: Timestamp,
}

impl Reader {
    /// For the fields that the rules in force look at.
    #[must_use]
    pub fn new(schema: &Arc<Schema>) -> Self {
        Self {
            names: Names::new(schema),
            fields: Fields::new(schema.len()),
            schema: schema.clone(),
            arena: Vec::new(),
            arena_text: String::new(),
            repaired: String::new(),
            path: Vec::new(),
            times: Vec::new(),
            time: Timestamp::default(),
        }
    }

    /// One event: a JSON object and nothing else. Bytes that are no UTF-8 are read as the replacement character. An
    /// event that tells no time has that of the one before.
    pub fn read<'r>(&'r mut self, line: &'r [u8]) -> Result<Event<'r>, Error> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Error::TooLong { bytes: line.len() });
        }
        let line = match std::str::from_utf8(line) {
            Ok(line) => line,
            Err(_) => {
                self.repaired = String::from_utf8_lossy(line).into_owned();
                &self.repaired
            }
        };
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        self.fields.begin();
        self.arena.clear();
        self.path.clear();
        self.times.clear();
        let mut walk = Walk {
            scan: Scan::new(line.as_bytes()),
            line: line.as_bytes(),
            names: &self.names,
            fields: &mut self.fields,
            arena: &mut self.arena,
            path: &mut self.path,
            times: &mut self.times,
            identity: [None; IDENTITY.len()],
            is_attribute: false,
        };
        walk.event()?;
        let identity = walk.identity;
        self.fields.finish();
        // Resolved escapes are UTF-8, since the line is. The two buffers change places from event to event.
        let spare = std::mem::take(&mut self.arena_text).into_bytes();
        self.arena_text = String::from_utf8(std::mem::replace(&mut self.arena, spare)).unwrap_or_default();
        let text = |span: Span| span.text(line, &self.arena_text);
        self.times.sort_by_key(|(rank, _)| *rank);
        let own = self.times.iter().find_map(|(_, span)| clock::parse(text(*span)));
        self.time = own.unwrap_or(self.time);
        let identity = match (identity, own) {
            ([Some(number), Some(channel), Some(computer)], Some(time)) => {
                Some(([text(number), text(channel), text(computer)], time))
            }
            _ => None,
        };
        let texts = self.fields.values().map(|span| Text::new(text(span))).collect();
        Ok(Event { texts, fields: &self.fields, schema: &self.schema, time: self.time, identity })
    }
}

struct Walk<'w> {
    scan: Scan<'w>,
    line: &'w [u8],
    names: &'w Names,
    fields: &'w mut Fields,
    arena: &'w mut Vec<u8>,
    /// The name of the value at hand, dotted.
    path: &'w mut Vec<u8>,
    times: &'w mut Vec<(u8, Span)>,
    identity: [Option<Span>; IDENTITY.len()],
    /// The object at hand holds the attributes of an element.
    is_attribute: bool,
}

impl Walk<'_> {
    fn event(&mut self) -> Result<(), Error> {
        self.scan.expect(b'{', "an object")?;
        self.object(DEPTH_MAX)?;
        match self.scan.peek() {
            None => Ok(()),
            Some(_) => self.scan.wants("the end of the line"),
        }
    }

    /// Behind the brace. `depth` is how many levels may follow.
    fn object(&mut self, depth: usize) -> Result<(), Error> {
        if self.scan.takes(b'}') {
            return Ok(());
        }
        let above = self.path.len();
        let joint: &[u8] = match std::mem::take(&mut self.is_attribute) {
            true => b"_",
            false if above > 0 => b".",
            false => b"",
        };
        loop {
            let key = self.scan.string(self.arena)?;
            self.scan.expect(b':', "a colon")?;
            self.named(key, joint);
            let name = self.names.get(self.path);
            self.value(name, depth)?;
            self.path.truncate(above);
            self.is_attribute = false;
            if !self.scan.takes(b',') {
                return self.scan.expect(b'}', "a comma or the end of an object");
            }
        }
    }

    /// Puts the name of a part behind that of the whole. Beyond the longest that stands for anything it only grows by a
    /// byte, so that it is still none.
    fn named(&mut self, key: Span, joint: &[u8]) {
        let key = key.of(self.line, self.arena);
        if !joint.is_empty() && key == TEXT {
            return;
        }
        if !joint.is_empty() && key == ATTRIBUTES {
            self.is_attribute = true;
            return;
        }
        if self.path.len() + joint.len() + key.len() > self.names.bytes_max() {
            self.path.resize(self.names.bytes_max() + 1, b' ');
            return;
        }
        self.path.extend_from_slice(joint);
        self.path.extend_from_slice(key);
    }

    fn value(&mut self, name: Name, depth: usize) -> Result<(), Error> {
        match self.scan.peek() {
            Some(b'"') => {
                let value = self.scan.string(self.arena)?;
                self.add(name, value)
            }
            Some(b'-' | b'0'..=b'9') => {
                let value = self.scan.number()?;
                self.add(name, value)
            }
            Some(b't') => {
                let value = self.scan.word("true")?;
                self.add(name, value)
            }
            Some(b'f') => {
                let value = self.scan.word("false")?;
                self.add(name, value)
            }
            Some(b'n') => {
                self.scan.word("null")?;
                self.fields.touch(name.field);
                Ok(())
            }
            Some(open @ (b'{' | b'[')) => {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(Error::TooDeep { column: self.scan.column() });
                };
                self.scan.takes(open);
                if open == b'[' {
                    return self.list(name, depth);
                }
                self.fields.touch_object(name.field);
                self.object(depth)
            }
            _ => self.scan.wants("a value"),
        }
    }

    fn list(&mut self, name: Name, depth: usize) -> Result<(), Error> {
        self.fields.touch(name.field);
        if self.scan.takes(b']') {
            return Ok(());
        }
        loop {
            self.value(name, depth)?;
            if !self.scan.takes(b',') {
                return self.scan.expect(b']', "a comma or the end of a list");
            }
        }
    }

    fn add(&mut self, name: Name, value: Span) -> Result<(), Error> {
        if self.fields.count() >= VALUES_MAX {
            return Err(Error::TooMany { column: self.scan.column() });
        }
        self.fields.add(name.field, value);
        if let Some(rank) = name.time
            && self.times.len() < TIMES.len()
        {
            self.times.push((rank, value));
        }
        if let Some(part) = name.identity.and_then(|part| self.identity.get_mut(usize::from(part))) {
            part.get_or_insert(value);
        }
        Ok(())
    }
}
