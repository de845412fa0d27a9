//! Owns: the tokens of JSON in a line: strings, numbers, words, and where each stands.
//! Never: what they mean.

use super::Error;

/// A piece of text: of the line as it stands, or of the arena where escapes were resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    start: u32,
    end: u32,
    resolved: bool,
}

impl Span {
    /// Both are no longer than a line, whose length was checked.
    #[allow(clippy::cast_possible_truncation, reason = "LINE_BYTES_MAX is far below")]
    const fn new(start: usize, end: usize, resolved: bool) -> Self {
        Self { start: start as u32, end: end as u32, resolved }
    }

    #[must_use]
    pub fn of<'t>(self, line: &'t [u8], arena: &'t [u8]) -> &'t [u8] {
        let whole = if self.resolved { arena } else { line };
        whole.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    #[must_use]
    pub fn text<'t>(self, line: &'t str, arena: &'t str) -> &'t str {
        let whole = if self.resolved { arena } else { line };
        whole.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

pub struct Scan<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Scan<'l> {
    #[must_use]
    pub const fn new(line: &'l [u8]) -> Self {
        Self { line, at: 0 }
    }

    #[must_use]
    pub const fn column(&self) -> usize {
        self.at + 1
    }

    pub const fn wants<T>(&self, wanted: &'static str) -> Result<T, Error> {
        Err(Error::NotJson { column: self.column(), wanted })
    }

    /// The next byte that is no blank, which stays.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.line.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                other => return Some(*other),
            }
        }
    }

    /// Takes `byte` where it comes next.
    pub fn takes(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    pub fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), Error> {
        if self.takes(byte) { Ok(()) } else { self.wants(wanted) }
    }

    pub fn word(&mut self, word: &'static str) -> Result<Span, Error> {
        let start = self.at;
        if !self.line.get(start..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return self.wants("a value");
        }
        self.at += word.len();
        Ok(Span::new(start, self.at, false))
    }

    pub fn number(&mut self) -> Result<Span, Error> {
        let start = self.at;
        self.at += usize::from(self.line.get(self.at) == Some(&b'-'));
        let whole = self.at;
        self.digits()?;
        if self.at > whole + 1 && self.line.get(whole) == Some(&b'0') {
            self.at = whole;
            return self.wants("a number without a leading zero");
        }
        if self.line.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.line.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.line.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Span::new(start, self.at, false))
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while self.line.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { self.wants("a digit") } else { Ok(()) }
    }

    /// A string, of which the quotation mark comes next. What its escapes stand for is appended to `arena`.
    pub fn string(&mut self, arena: &mut Vec<u8>) -> Result<Span, Error> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        self.run();
        if self.line.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Span::new(start, self.at - 1, false));
        }
        let resolved = arena.len();
        let mut plain = start;
        loop {
            arena.extend_from_slice(self.line.get(plain..self.at).unwrap_or_default());
            match self.line.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape(arena)?,
                _ => return self.wants("the end of a string"),
            }
            plain = self.at;
            self.run();
        }
        self.at += 1;
        Ok(Span::new(resolved, arena.len(), true))
    }

    /// To the next quotation mark or backslash, or the end.
    fn run(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
        // A byte of the difference is zero where the text has the mark.
        let has = |word: u64, mark: u8| {
            let difference = word ^ (ONES * u64::from(mark));
            difference.wrapping_sub(ONES) & !difference & HIGHS
        };
        let rest = self.line.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<8>();
        let mut at = 0;
        for word in words {
            let word = u64::from_le_bytes(*word);
            let found = has(word, b'"') | has(word, b'\\');
            if found != 0 {
                self.at += at + found.trailing_zeros() as usize / 8;
                return;
            }
            at += 8;
        }
        let tail = rest.get(at..).unwrap_or_default();
        self.at += at + tail.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(tail.len());
    }

    fn escape(&mut self, arena: &mut Vec<u8>) -> Result<(), Error> {
        self.at += 1;
        let plain = match self.line.get(self.at) {
            Some(b'u') => return self.unicode(arena),
            Some(same @ (b'"' | b'\\' | b'/')) => *same,
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            _ => return self.wants("an escape"),
        };
        self.at += 1;
        arena.push(plain);
        Ok(())
    }

    /// `\u00e9`, and `\ud83d\ude00` for what lies beyond; half of such a pair alone is no character.
    fn unicode(&mut self, arena: &mut Vec<u8>) -> Result<(), Error> {
        let first = self.unit()?;
        let mut code = u32::from(first);
        if (0xd800..0xdc00).contains(&first) && self.line.get(self.at..self.at + 2) == Some(b"\\u") {
            let back = self.at;
            self.at += 1;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x10000 + ((code - 0xd800) << 10) + (u32::from(second) - 0xdc00);
            } else {
                self.at = back;
            }
        }
        let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        arena.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u16, Error> {
        self.at += 1;
        let digits = self.line.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.filter(is_hex).and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.wants("four hexadecimal digits"),
        }
    }
}
