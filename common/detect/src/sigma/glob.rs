//! Owns: Sigma's text patterns: `*`, `?`, their escapes, and how they match.
//! Never: regular expressions.

/// One piece of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    Literal(String),
    /// `*`: any run of characters.
    Any,
    /// `?`: one character.
    One,
}

/// A value as written in a rule, its escapes resolved.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pieces(pub Vec<Token>);

impl Pieces {
    /// A backslash escapes `*`, `?` and itself; before anything else it is a backslash.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pieces = Self::default();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '\\' => match chars.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                    Some(escaped) => pieces.push_char(escaped),
                    None => pieces.push_char('\\'),
                },
                '*' => pieces.push(Token::Any),
                '?' => pieces.push(Token::One),
                other => pieces.push_char(other),
            }
        }
        pieces
    }

    #[must_use]
    pub fn literal(text: &str) -> Self {
        if text.is_empty() { Self::default() } else { Self(vec![Token::Literal(text.to_owned())]) }
    }

    fn push_char(&mut self, char: char) {
        if let Some(Token::Literal(text)) = self.0.last_mut() {
            text.push(char);
        } else {
            self.0.push(Token::Literal(char.to_string()));
        }
    }

    fn push(&mut self, token: Token) {
        if token != Token::Any || self.0.last() != Some(&Token::Any) {
            self.0.push(token);
        }
    }

    /// The text, where the pattern holds no wildcard.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Token::Literal(text)] => Some(text),
            _ => None,
        }
    }

    #[must_use]
    pub fn open_start(mut self) -> Self {
        if self.0.first() != Some(&Token::Any) {
            self.0.insert(0, Token::Any);
        }
        self
    }

    #[must_use]
    pub fn open_end(mut self) -> Self {
        self.push(Token::Any);
        self
    }

    #[must_use]
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        let each = |token| match token {
            Token::Literal(text) => Token::Literal(change(&text)),
            other => other,
        };
        Self(self.0.into_iter().map(each).collect())
    }
}

/// A compiled pattern; the forms that rules use most have their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Glob {
    Everything,
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Pieces(Vec<Token>),
}

impl Glob {
    #[must_use]
    pub fn new(pieces: Pieces) -> Self {
        match pieces.0.as_slice() {
            [] => Self::Exact(String::new()),
            [Token::Any] => Self::Everything,
            [Token::Literal(text)] => Self::Exact(text.clone()),
            [Token::Literal(text), Token::Any] => Self::Prefix(text.clone()),
            [Token::Any, Token::Literal(text)] => Self::Suffix(text.clone()),
            [Token::Any, Token::Literal(text), Token::Any] => Self::Contains(text.clone()),
            _ => Self::Pieces(pieces.0),
        }
    }

    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Exact(wanted) => text == wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::Contains(wanted) => text.contains(wanted.as_str()),
            Self::Pieces(tokens) => walk(tokens, text),
        }
    }
}

/// Tokens against text, going back to the last `*` only: linear in the text for each piece, never exponential.
fn walk(tokens: &[Token], text: &str) -> bool {
    let (mut token, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let advanced = match tokens.get(token) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Token::Any) => {
                let Some(from) = from_next(tokens.get(token + 1), rest) else { return false };
                retry = Some((token + 1, from));
                Some(from)
            }
            Some(Token::One) => skip_char(rest),
            Some(Token::Literal(wanted)) => rest.strip_prefix(wanted.as_str()),
        };
        if let Some(left) = advanced {
            rest = left;
            token += 1;
            continue;
        }
        let Some((after, from)) = retry else { return false };
        let Some(next) = skip_char(from).and_then(|next| from_next(tokens.get(after), next)) else { return false };
        retry = Some((after, next));
        (token, rest) = (after, next);
    }
}

/// Where behind a `*` the next token can stand at the soonest.
fn from_next<'t>(token: Option<&Token>, text: &'t str) -> Option<&'t str> {
    match token {
        Some(Token::Literal(wanted)) => text.find(wanted.as_str()).and_then(|at| text.get(at..)),
        _ => Some(text),
    }
}

fn skip_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}
