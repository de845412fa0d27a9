//! Owns: D-Bus messages to values and back: the little of the protocol that listening takes.
//! Never: sockets, or trusting a length.

#[cfg(test)]
mod tests;

/// Larger messages are let pass unread; the reply that lists 10,000 units is half as large.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// What the protocol itself allows; beyond it the stream is no D-Bus.
pub const STREAM_BYTES_MAX: usize = 128 << 20;
/// Values of one message; the same reply has 100,000.
const VALUES_MAX: usize = 400_000;
/// As the protocol has it: 32 arrays in 32 structs, with the variants.
const DEPTH_MAX: u32 = 64;
/// A fixed header and the length of its fields.
pub const HEAD_BYTES: usize = 16;

pub const CALL: u8 = 1;
pub const RETURN: u8 = 2;
pub const ERROR: u8 = 3;
pub const SIGNAL: u8 = 4;

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Number(u64),
    Text(String),
    /// Of an array of bytes only the length is kept.
    Bytes(usize),
    /// An array, a struct or an entry of a dictionary.
    List(Vec<Value>),
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Message {
    pub kind: u8,
    pub serial: u32,
    pub reply_serial: u32,
    pub path: String,
    pub interface: String,
    pub member: String,
    pub destination: String,
    pub sender: String,
    signature: String,
    big_endian: bool,
    body: Vec<u8>,
}

/// How long the message is that begins with `head`; `None` where it is no message.
pub fn length(head: &[u8; HEAD_BYTES]) -> Option<usize> {
    let big_endian = endian(head[0])?;
    let mut reader = Reader { bytes: head, at: 4, big_endian, values: 0 };
    let body = usize::try_from(reader.u32()?).ok()?;
    reader.u32()?;
    let fields = usize::try_from(reader.u32()?).ok()?;
    let whole = HEAD_BYTES.checked_add(fields)?.checked_next_multiple_of(8)?.checked_add(body)?;
    (head[3] == 1 && whole <= STREAM_BYTES_MAX).then_some(whole)
}

fn endian(byte: u8) -> Option<bool> {
    match byte {
        b'l' => Some(false),
        b'B' => Some(true),
        _ => None,
    }
}

impl Message {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let big_endian = endian(*bytes.first()?)?;
        let mut reader = Reader { bytes, at: 8, big_endian, values: 0 };
        let mut message = Self { kind: *bytes.get(1)?, serial: reader.u32()?, big_endian, ..Self::default() };
        let fields = reader.value(&mut "a(yv)".bytes().peekable(), 0)?;
        for field in fields.list() {
            let [code, value] = field.list() else { return None };
            match (code.number()?, value) {
                (1, Value::Text(text)) => message.path.clone_from(text),
                (2, Value::Text(text)) => message.interface.clone_from(text),
                (3, Value::Text(text)) => message.member.clone_from(text),
                (5, Value::Number(serial)) => message.reply_serial = u32::try_from(*serial).ok()?,
                (6, Value::Text(text)) => message.destination.clone_from(text),
                (7, Value::Text(text)) => message.sender.clone_from(text),
                (8, Value::Text(text)) => message.signature.clone_from(text),
                _ => {}
            }
        }
        reader.align(8)?;
        message.body = bytes.get(reader.at..)?.to_vec();
        Some(message)
    }

    /// The arguments; `None` where they are not what the signature says, or too many.
    pub fn arguments(&self) -> Option<Vec<Value>> {
        let mut reader = Reader { bytes: &self.body, at: 0, big_endian: self.big_endian, values: 0 };
        let mut signature = self.signature.bytes().peekable();
        let mut found = Vec::new();
        while signature.peek().is_some() {
            found.push(reader.value(&mut signature, 0)?);
        }
        Some(found)
    }
}

type Signature<'a> = std::iter::Peekable<std::str::Bytes<'a>>;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
    values: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn integer(&mut self, width: usize) -> Option<u64> {
        self.align(width)?;
        let big_endian = self.big_endian;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let bytes = self.take(width)?;
        Some(if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.integer(4)?).ok()
    }

    fn text(&mut self, width: usize) -> Option<String> {
        let length = usize::try_from(self.integer(width)?).ok()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }

    fn value(&mut self, signature: &mut Signature<'_>, depth: u32) -> Option<Value> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return None;
        }
        Some(match signature.next()? {
            b'y' => Value::Number(self.integer(1)?),
            b'n' | b'q' => Value::Number(self.integer(2)?),
            b'b' | b'i' | b'u' | b'h' => Value::Number(self.integer(4)?),
            b'x' | b't' | b'd' => Value::Number(self.integer(8)?),
            b's' | b'o' => Value::Text(self.text(4)?),
            b'g' => Value::Text(self.text(1)?),
            b'v' => {
                let inner = self.text(1)?;
                self.value(&mut inner.bytes().peekable(), depth + 1)?
            }
            b'a' => self.array(signature, depth)?,
            open @ (b'(' | b'{') => {
                let close = if open == b'(' { b')' } else { b'}' };
                self.align(8)?;
                let mut list = Vec::new();
                while *signature.peek()? != close {
                    list.push(self.value(signature, depth + 1)?);
                }
                signature.next();
                Value::List(list)
            }
            _ => return None,
        })
    }

    fn array(&mut self, signature: &mut Signature<'_>, depth: u32) -> Option<Value> {
        let length = usize::try_from(self.integer(4)?).ok()?;
        let element = *signature.peek()?;
        if element == b'y' {
            signature.next();
            self.take(length)?;
            return Some(Value::Bytes(length));
        }
        if matches!(element, b'x' | b't' | b'd' | b'(' | b'{') {
            self.align(8)?;
        }
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut list = Vec::new();
        while self.at < end {
            let before = self.at;
            list.push(self.value(&mut signature.clone(), depth + 1)?);
            // Nothing is as small as nothing: an element without bytes would never end.
            if self.at == before {
                return None;
            }
        }
        skip(signature, 0)?;
        (self.at == end).then_some(Value::List(list))
    }
}

/// Past one whole type.
fn skip(signature: &mut Signature<'_>, depth: u32) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    match signature.next()? {
        b'a' => skip(signature, depth + 1),
        open @ (b'(' | b'{') => {
            let close = if open == b'(' { b')' } else { b'}' };
            while *signature.peek()? != close {
                skip(signature, depth + 1)?;
            }
            signature.next();
            Some(())
        }
        _ => Some(()),
    }
}

/// An argument of a call.
pub enum Argument<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Number(u32),
}

/// A method call, little-endian.
pub struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub arguments: &'a [Argument<'a>],
}

impl Call<'_> {
    pub fn bytes(&self, serial: u32) -> Vec<u8> {
        let (mut body, mut signature) = (Vec::new(), String::new());
        for argument in self.arguments {
            match argument {
                Argument::Text(text) => {
                    signature.push('s');
                    put_text(&mut body, text);
                }
                Argument::Number(number) => {
                    signature.push('u');
                    put_number(&mut body, *number);
                }
                Argument::Texts(texts) => {
                    signature.push_str("as");
                    put_number(&mut body, 0);
                    let start = body.len();
                    texts.iter().for_each(|text| put_text(&mut body, text));
                    let length = count(body.len() - start).to_le_bytes();
                    body.splice(start - 4..start, length);
                }
            }
        }
        let mut head = vec![b'l', CALL, 0, 1];
        put_number(&mut head, count(body.len()));
        put_number(&mut head, serial);
        put_number(&mut head, 0);
        for (code, kind, text) in
            [(1, b'o', self.path), (2, b's', self.interface), (3, b's', self.member), (6, b's', self.destination)]
        {
            pad(&mut head, 8);
            head.extend([code, 1, kind, 0]);
            put_text(&mut head, text);
        }
        if !signature.is_empty() {
            pad(&mut head, 8);
            head.extend([8, 1, b'g', 0, u8::try_from(signature.len()).unwrap_or(u8::MAX)]);
            head.extend(signature.bytes().chain([0]));
        }
        let fields = count(head.len() - HEAD_BYTES).to_le_bytes();
        head.splice(HEAD_BYTES - 4..HEAD_BYTES, fields);
        pad(&mut head, 8);
        head.extend(body);
        head
    }
}

fn put_number(bytes: &mut Vec<u8>, number: u32) {
    pad(bytes, 4);
    bytes.extend(number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, count(text.len()));
    bytes.extend(text.bytes().chain([0]));
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// What is sent from here is always small.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
