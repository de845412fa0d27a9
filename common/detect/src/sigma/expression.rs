//! Owns: regular expressions as rules write them: compiled, and what they match.
//! Never: which field.

use regex::bytes::{Regex, RegexBuilder};

/// A compiled expression of a rule in public use takes some kilobytes.
const BYTES_MAX: usize = 4 << 20;
/// What one expression may remember of the texts that it has met, twice: forwards and backwards. Public rules need a tenth
/// of it; who feeds an agent ever stranger texts makes it slower, and not larger.
const CACHE_BYTES_MAX: usize = 256 << 10;

/// As PCRE does it without UTF: `\d`, `\s`, `\w`, `\b` mean ASCII, and `.` is a byte. By characters of Unicode an expression
/// takes ten times the memory, and one with `\b` is slow on every text that is not all ASCII. One that speaks of other
/// characters than ASCII is matched by characters.
#[derive(Clone, Debug)]
pub struct Expression(Regex);

impl Expression {
    pub fn new(text: &str, ignore_case: bool, multi_line: bool, dot_all: bool) -> Result<Self, String> {
        let flags: String = [(ignore_case, 'i'), (multi_line, 'm'), (dot_all, 's')]
            .iter()
            .filter_map(|(set, flag)| set.then_some(*flag))
            .collect();
        // The flags stand in the pattern, so that whoever reads it later reads it as it is matched.
        let pattern = if flags.is_empty() { text.to_owned() } else { format!("(?{flags}){text}") };
        let build = |unicode| {
            RegexBuilder::new(&pattern).unicode(unicode).size_limit(BYTES_MAX).dfa_size_limit(CACHE_BYTES_MAX).build()
        };
        let built = if is_ascii(text) { build(false).or_else(|_| build(true)) } else { build(true) };
        built
            .map(Self)
            .map_err(|error| format!("not an expression that can be honoured: {}", last_line(&error.to_string())))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// Whether it names characters of ASCII only. An escape that may be of another counts as one.
fn is_ascii(text: &str) -> bool {
    let escapes = text.as_bytes().windows(3).filter(|escape| escape[0] == b'\\');
    let beyond = |escape: &[u8]| match escape[1] {
        b'x' => !(b'0'..=b'7').contains(&escape[2]),
        other => matches!(other, b'u' | b'U' | b'p' | b'P'),
    };
    text.is_ascii() && !escapes.into_iter().any(beyond)
}

/// The regex crate draws the place in several lines; the last one says what is wrong.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Expression::new(pattern, false, false, false).unwrap().is_match(text)
    }

    #[test]
    fn classes_are_of_ascii_unless_the_expression_speaks_of_more() {
        assert!(matches(r"^\w+\s\d$", "count 7"));
        assert!(!matches(r"^\w$", "é"));
        assert!(!matches(r"\s", "\u{a0}"));
        assert!(!matches(r"^\d$", "\u{663}"));
        assert!(matches(r"^\p{L}$", "é"));
        assert!(matches(r"^\xe9$", "é"));
        assert!(matches(r"^[à-ü]{2}$", "éé"));
        assert!(matches(r"^\x41\x27$", "A'"));
    }

    #[test]
    fn every_text_around_a_word_in_ascii_is_no_word() {
        assert!(matches(r"\bnc\b", "énc é"));
        assert!(matches(r"a[^/]+b", "aéèb"));
        assert!(matches(r"^a.*b$", "a→b"));
    }

    #[test]
    fn what_is_too_large_is_refused_with_a_reason() {
        let reason = Expression::new(r"\p{L}{4000}", false, false, false).unwrap_err();
        assert!(reason.contains("size limit"), "{reason}");
    }
}
