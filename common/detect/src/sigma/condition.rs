//! Owns: Sigma's condition language, text to tree.
//! Never: what a selection holds; it sees their names only.

use crate::error::Place;

/// Deeper nesting than any reader follows; the parser recurses.
const DEPTH_MAX: usize = 32;

/// A condition over selections, which are numbered in the order of the rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    Selection(usize),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

impl Condition {
    /// Parses `text`, which begins at `place`. `names` are the rule's selections.
    pub fn parse(text: &str, names: &[&str], place: Place) -> Result<Self, (Place, String)> {
        let mut parser = Parser { tokens: tokens(text, place), at: 0, names, end: place };
        if let Some(token) = parser.tokens.last() {
            parser.end = token.place;
        }
        let condition = parser.any(0)?;
        match parser.next() {
            None => Ok(condition),
            Some(token) if token.text == "|" => Err((
                token.place,
                "aggregations in a condition are the old form; write a `correlation` document instead".to_owned(),
            )),
            Some(token) => Err((token.place, format!("`{}` is not expected here", token.text))),
        }
    }

    /// Marks the selections that decide anything.
    pub fn mark_used(&self, used: &mut [bool]) {
        match self {
            Self::Selection(index) => used[*index] = true,
            Self::And(all) | Self::Or(all) => all.iter().for_each(|each| each.mark_used(used)),
            Self::Not(inner) => inner.mark_used(used),
        }
    }
}

struct Token<'t> {
    text: &'t str,
    place: Place,
}

fn tokens(text: &str, start: Place) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut begin: Option<usize> = None;
    // A condition over several lines was folded: its columns are only known on the first.
    let at = |index: usize| Place { line: start.line, column: start.column + text[..index].chars().count() };
    for (index, char) in text.char_indices().chain([(text.len(), ' ')]) {
        let single = matches!(char, '(' | ')' | '|');
        if !single && !char.is_whitespace() {
            begin = begin.or(Some(index));
            continue;
        }
        if let Some(from) = begin.take() {
            found.push(Token { text: &text[from..index], place: at(from) });
        }
        if single {
            found.push(Token { text: &text[index..=index], place: at(index) });
        }
    }
    found
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    names: &'t [&'t str],
    end: Place,
}

type Parsed = Result<Condition, (Place, String)>;

impl<'t> Parser<'t> {
    fn next(&mut self) -> Option<&Token<'t>> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    fn take(&mut self, word: &str) -> bool {
        let is_it = self.tokens.get(self.at).is_some_and(|token| token.text.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Parsed {
        let mut parts = vec![self.all(depth)?];
        while self.take("or") {
            parts.push(self.all(depth)?);
        }
        Ok(joined(parts, Condition::Or))
    }

    fn all(&mut self, depth: usize) -> Parsed {
        let mut parts = vec![self.one(depth)?];
        while self.take("and") {
            parts.push(self.one(depth)?);
        }
        Ok(joined(parts, Condition::And))
    }

    fn one(&mut self, depth: usize) -> Parsed {
        if depth > DEPTH_MAX {
            return Err((self.end, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err((self.end, "a `)` is missing".to_owned())) };
        }
        let end = self.end;
        let following_of = self.tokens.get(self.at + 1).is_some_and(|token| token.text.eq_ignore_ascii_case("of"));
        let Some(&Token { text, place }) = self.next() else {
            return Err((end, "the condition ends where a selection is expected".to_owned()));
        };
        if following_of {
            self.at += 1;
            return self.quantified(text, place);
        }
        if matches!(text, ")" | "|") || ["and", "or", "of"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Err((place, format!("a selection is expected here, not `{text}`")));
        }
        match self.names.iter().position(|name| *name == text) {
            Some(index) => Ok(Condition::Selection(index)),
            None if text.contains('*') => Err((place, format!("write `1 of {text}` or `all of {text}`"))),
            None => Err((place, format!("there is no selection `{text}`; there are {}", self.names.join(", ")))),
        }
    }

    fn quantified(&mut self, quantity: &str, place: Place) -> Parsed {
        let end = self.end;
        let Some(&Token { text: pattern, place: pattern_place }) = self.next() else {
            return Err((end, format!("`{quantity} of` lacks its selections")));
        };
        let selected: Vec<Condition> = self
            .names
            .iter()
            .enumerate()
            .filter(|(_, name)| chosen(pattern, name))
            .map(|(index, _)| Condition::Selection(index))
            .collect();
        if selected.is_empty() {
            return Err((pattern_place, format!("no selection is named like `{pattern}`")));
        }
        match quantity.to_ascii_lowercase().as_str() {
            "1" | "any" => Ok(joined(selected, Condition::Or)),
            "all" => Ok(joined(selected, Condition::And)),
            _ => Err((place, format!("`{quantity} of` is not Sigma; there are `1 of` and `all of`"))),
        }
    }
}

fn joined(mut parts: Vec<Condition>, join: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

/// Selections whose name begins with an underscore are chosen by that underscore alone.
fn chosen(pattern: &str, name: &str) -> bool {
    if name.starts_with('_') && !pattern.starts_with('_') {
        return false;
    }
    pattern.eq_ignore_ascii_case("them") || super::glob::Glob::new(super::glob::Pieces::parse(pattern)).matches(name)
}
