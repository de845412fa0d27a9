//! Owns: names with letters beyond ASCII as DNS carries them: `münchen.example` is `xn--mnchen-3ya.example`.
//! Never: whether a registry would give out such a name.

use unicode_normalization::UnicodeNormalization;

/// RFC 3492, section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;
/// A label in DNS has at most 63 bytes, so none with more letters has a form there; a longer one is left as it is.
const LETTERS_MAX: usize = 63;

/// Folded as UTS #46 does it, but for letters that it forbids or leaves out; these are found in no query.
pub fn to_ascii(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    // Some scripts write the dot in their own way.
    let labels = folded.split(['.', '\u{3002}']).map(|label| match punycode(label) {
        Some(ascii) if !label.is_ascii() => format!("xn--{ascii}"),
        _ => label.to_owned(),
    });
    labels.collect::<Vec<_>>().join(".")
}

fn punycode(label: &str) -> Option<String> {
    let letters: Vec<u32> = label.chars().map(u32::from).collect();
    if letters.len() > LETTERS_MAX {
        return None;
    }
    let mut ascii: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(ascii.len()).ok()?;
    if basic > 0 {
        ascii.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (INITIAL_N, 0_u32, INITIAL_BIAS, basic);
    while (handled as usize) < letters.len() {
        let next = letters.iter().copied().filter(|letter| *letter >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for letter in &letters {
            if *letter < n {
                delta = delta.checked_add(1)?;
            }
            if *letter == n {
                number(delta, bias, &mut ascii);
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        (delta, n) = (delta.checked_add(1)?, n + 1);
    }
    Some(ascii)
}

/// A number of variable length, its least digit first.
fn number(mut rest: u32, bias: u32, ascii: &mut String) {
    for k in (BASE..).step_by(BASE as usize) {
        let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            break;
        }
        ascii.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
    }
    ascii.push(digit(rest));
}

fn digit(value: u32) -> char {
    char::from_digit(value.wrapping_sub(26), 10).unwrap_or_else(|| char::from(b'a' + (value % 26) as u8))
}

fn adapted(delta: u32, letters: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / letters;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::to_ascii;

    /// Names that are in use, as their registries list them, and samples of RFC 3492, section 7.1.
    #[test]
    fn names_are_written_as_dns_carries_them() {
        for (name, ascii) in [
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
            ("mu\u{308}nchen.example", "xn--mnchen-3ya.example"),
            ("a.b.bücher.example", "a.b.xn--bcher-kva.example"),
            ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("ｅxample.org", "example.org"),
            ("faß.example", "xn--fa-hia.example"),
            ("ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
            ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
            ("", ""),
        ] {
            assert_eq!(to_ascii(name), ascii, "{name}");
        }
    }
}
