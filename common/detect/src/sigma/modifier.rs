//! Owns: the part of a key behind `|`: which modifiers there are and which go together.
//! Never: values.

use super::encode::Utf16;

/// What a rule may write; the list that an error shows.
const KNOWN: &str = "contains, startswith, endswith, all, neq, cased, exists, re, i, m, s, cidr, lt, lte, gt, gte, fieldref, \
                     windash, base64, base64offset, wide, utf16, utf16le, utf16be";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Whole,
    Contains,
    Starts,
    Ends,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    Regex { ignore_case: bool, multi_line: bool, dot_all: bool },
    Cidr,
    Compare(Order),
    Exists,
    FieldRef,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transform {
    Windash,
    Base64,
    Base64Offset,
    Wide(Utf16),
}

/// The modifiers of one key, checked against each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Modifiers {
    pub kind: Kind,
    pub part: Part,
    pub transforms: Vec<Transform>,
    pub all: bool,
    pub negated: bool,
    pub cased: bool,
}

impl Modifiers {
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut modifiers = Self {
            kind: Kind::Text,
            part: Part::Whole,
            transforms: Vec::new(),
            all: false,
            negated: false,
            cased: false,
        };
        for word in words {
            modifiers.add(word)?;
        }
        modifiers.checked()
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        match word {
            "contains" => self.set_part(Part::Contains, word),
            "startswith" => self.set_part(Part::Starts, word),
            "endswith" => self.set_part(Part::Ends, word),
            "all" => once(&mut self.all, word),
            "neq" => once(&mut self.negated, word),
            "cased" => once(&mut self.cased, word),
            "re" => self.set_kind(Kind::Regex { ignore_case: false, multi_line: false, dot_all: false }, word),
            "i" | "m" | "s" => self.set_flag(word),
            "cidr" => self.set_kind(Kind::Cidr, word),
            "lt" => self.set_kind(Kind::Compare(Order::Less), word),
            "lte" => self.set_kind(Kind::Compare(Order::LessOrEqual), word),
            "gt" => self.set_kind(Kind::Compare(Order::Greater), word),
            "gte" => self.set_kind(Kind::Compare(Order::GreaterOrEqual), word),
            "exists" => self.set_kind(Kind::Exists, word),
            "fieldref" => self.set_kind(Kind::FieldRef, word),
            "windash" => self.push(Transform::Windash),
            "base64" => self.push(Transform::Base64),
            "base64offset" => self.push(Transform::Base64Offset),
            "wide" | "utf16le" => self.push(Transform::Wide(Utf16::Little)),
            "utf16be" => self.push(Transform::Wide(Utf16::Big)),
            "utf16" => self.push(Transform::Wide(Utf16::Marked)),
            "expand" => {
                Err("the modifier `expand` is not supported: a bundle has no placeholders; write the values out"
                    .to_owned())
            }
            "minute" | "hour" | "day" | "week" | "month" | "year" => {
                Err(format!("the modifier `{word}` is not supported: no field of an event holds a date"))
            }
            _ => Err(format!("there is no modifier `{word}`; there are {KNOWN}")),
        }
    }

    fn push(&mut self, transform: Transform) -> Result<(), String> {
        self.transforms.push(transform);
        Ok(())
    }

    fn set_part(&mut self, part: Part, word: &str) -> Result<(), String> {
        if self.part != Part::Whole {
            return Err(format!("`{word}` contradicts the modifier before it"));
        }
        self.part = part;
        Ok(())
    }

    fn set_kind(&mut self, kind: Kind, word: &str) -> Result<(), String> {
        if self.kind != Kind::Text {
            return Err(format!("`{word}` contradicts the modifier before it"));
        }
        self.kind = kind;
        Ok(())
    }

    fn set_flag(&mut self, word: &str) -> Result<(), String> {
        let Kind::Regex { ignore_case, multi_line, dot_all } = &mut self.kind else {
            return Err(format!("`{word}` stands only behind `re`"));
        };
        match word {
            "i" => once(ignore_case, word),
            "m" => once(multi_line, word),
            _ => once(dot_all, word),
        }
    }

    fn checked(self) -> Result<Self, String> {
        let is_text = matches!(self.kind, Kind::Text);
        if !is_text && !self.transforms.is_empty() {
            return Err("encodings apply to text, not to `re`, `cidr`, numbers, `exists` or `fieldref`".to_owned());
        }
        if self.part != Part::Whole && !matches!(self.kind, Kind::Text | Kind::FieldRef) {
            return Err("`contains`, `startswith` and `endswith` apply to text and `fieldref` only".to_owned());
        }
        if self.cased && !matches!(self.kind, Kind::Text | Kind::FieldRef) {
            return Err("`cased` applies to text and `fieldref` only; `re` minds case already".to_owned());
        }
        if matches!(self.kind, Kind::Exists) && (self.all || self.negated) {
            return Err("`exists` stands alone; write `exists: false` for its opposite".to_owned());
        }
        if self.transforms.contains(&Transform::Base64Offset) && self.part != Part::Contains {
            return Err("`base64offset` finds a text within a longer one; write `base64offset|contains`".to_owned());
        }
        self.check_order()?;
        Ok(self)
    }

    /// Text is dashed, then widened, then encoded; and what is widened must be encoded to be text again.
    fn check_order(&self) -> Result<(), String> {
        let rank = |transform: &Transform| match transform {
            Transform::Windash => 0,
            Transform::Wide(_) => 1,
            Transform::Base64 | Transform::Base64Offset => 2,
        };
        let ranks: Vec<u8> = self.transforms.iter().map(rank).collect();
        if !ranks.is_sorted_by(|before, after| before < after) {
            return Err("encodings go in the order windash, utf16 or wide, base64 or base64offset, each at most once"
                .to_owned());
        }
        if ranks.last() == Some(&1) {
            return Err("no field holds UTF-16: put `base64` or `base64offset` behind `wide` or `utf16`".to_owned());
        }
        Ok(())
    }
}

fn once(flag: &mut bool, word: &str) -> Result<(), String> {
    if *flag {
        return Err(format!("`{word}` stands here twice"));
    }
    *flag = true;
    Ok(())
}
