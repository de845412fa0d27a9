//! Owns: the part of a key behind `|`: which modifiers there are and which go together.
//! Never: values.

use super::date;
use super::encode::Utf16;

/// What a rule may write; the list that an error shows.
const KNOWN: &str = "contains, startswith, endswith, all, neq, cased, exists, re, i, m, s, cidr, lt, lte, gt, gte, fieldref, \
                     windash, base64, base64offset, wide, utf16, utf16le, utf16be, expand, minute, hour, day, week, month, year";

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
    Regex {
        ignore_case: bool,
        multi_line: bool,
        dot_all: bool,
    },
    Cidr,
    Compare(Order),
    /// A part of a date, which must be the value, or be in this order to it.
    Date(date::Part, Option<Order>),
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
    /// `%name%` in values stands for what the configuration has under that name.
    pub expand: bool,
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
            expand: false,
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
            "lt" => self.set_order(Order::Less, word),
            "lte" => self.set_order(Order::LessOrEqual, word),
            "gt" => self.set_order(Order::Greater, word),
            "gte" => self.set_order(Order::GreaterOrEqual, word),
            "exists" => self.set_kind(Kind::Exists, word),
            "fieldref" => self.set_kind(Kind::FieldRef, word),
            "windash" => self.push(Transform::Windash),
            "base64" => self.push(Transform::Base64),
            "base64offset" => self.push(Transform::Base64Offset),
            "wide" | "utf16le" => self.push(Transform::Wide(Utf16::Little)),
            "utf16be" => self.push(Transform::Wide(Utf16::Big)),
            "utf16" => self.push(Transform::Wide(Utf16::Marked)),
            "expand" => once(&mut self.expand, word),
            "minute" => self.set_kind(Kind::Date(date::Part::Minute, None), word),
            "hour" => self.set_kind(Kind::Date(date::Part::Hour, None), word),
            "day" => self.set_kind(Kind::Date(date::Part::Day, None), word),
            "week" => self.set_kind(Kind::Date(date::Part::Week, None), word),
            "month" => self.set_kind(Kind::Date(date::Part::Month, None), word),
            "year" => self.set_kind(Kind::Date(date::Part::Year, None), word),
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

    /// `hour|gte` puts the part of a date in order, `gte` the whole value.
    fn set_order(&mut self, order: Order, word: &str) -> Result<(), String> {
        match &mut self.kind {
            Kind::Date(_, before @ None) => {
                *before = Some(order);
                Ok(())
            }
            _ => self.set_kind(Kind::Compare(order), word),
        }
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

    /// The value is the whole text as it stands, or nothing.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.kind == Kind::Text && self.part == Part::Whole && self.transforms.is_empty()
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
        self.check_order()?;
        Ok(self)
    }

    /// What Picket's own events can honour of these modifiers; logs of others may hold anything.
    pub fn check_native(&self) -> Result<(), String> {
        if self.transforms.contains(&Transform::Base64Offset) && self.part != Part::Contains {
            return Err("`base64offset` finds a text within a longer one; write `base64offset|contains`".to_owned());
        }
        if matches!(self.transforms.last(), Some(Transform::Wide(_))) {
            return Err("no field holds UTF-16: put `base64` or `base64offset` behind `wide` or `utf16`".to_owned());
        }
        Ok(())
    }

    /// Text is dashed, then widened, then encoded.
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
