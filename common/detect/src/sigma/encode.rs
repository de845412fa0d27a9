//! Owns: the value modifiers that rewrite a text into others: base64, base64offset, UTF-16, windash.
//! Never: matching.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Sigma's dashes: hyphen, slash, en dash, em dash, horizontal bar.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// Each dash multiplies the variants by five; 625 is the most that one value becomes.
const DASHES_MAX: usize = 4;

#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            if index <= chunk.len() {
                let six = (bits >> (18 - 6 * index)) & 0x3f;
                text.push(char::from(ALPHABET[six as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The three forms that `bytes` takes inside a longer base64 text, without the characters its neighbours decide.
#[must_use]
pub fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    const START: [usize; 3] = [0, 2, 3];
    const DROPPED: [usize; 3] = [0, 3, 2];
    let each = |offset: usize| {
        let shifted: Vec<u8> = std::iter::repeat_n(b' ', offset).chain(bytes.iter().copied()).collect();
        let text = base64(&shifted);
        let end = text.len().saturating_sub(DROPPED[shifted.len() % 3]);
        text.get(START[offset]..end).unwrap_or_default().to_owned()
    };
    (0..3).map(each).filter(|text| !text.is_empty()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Utf16 {
    Little,
    Big,
    /// Little endian behind a byte order mark.
    Marked,
}

#[must_use]
pub fn utf16(text: &str, form: Utf16) -> Vec<u8> {
    let mark: &[u8] = if form == Utf16::Marked { &[0xff, 0xfe] } else { &[] };
    let unit = |unit: u16| if form == Utf16::Big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    mark.iter().copied().chain(text.encode_utf16().flat_map(unit)).collect()
}

/// Every way to write the option dashes of `text`; `Err` holds how many there are when they are too many.
pub fn windash(text: &str) -> Result<Vec<String>, usize> {
    let chars: Vec<char> = text.chars().collect();
    let is_word = |char: Option<&char>| char.is_some_and(|char| char.is_alphanumeric() || *char == '_');
    let opens = |index: usize| {
        matches!(chars[index], '-' | '/')
            && !index.checked_sub(1).is_some_and(|before| is_word(chars.get(before)))
            && is_word(chars.get(index + 1))
    };
    let places: Vec<usize> = (0..chars.len()).filter(|index| opens(*index)).collect();
    if places.len() > DASHES_MAX {
        return Err(places.len());
    }
    let mut variants = vec![chars];
    for place in places {
        let with = |variant: &Vec<char>, dash: char| {
            let mut variant = variant.clone();
            variant[place] = dash;
            variant
        };
        variants = variants.iter().flat_map(|variant| DASHES.map(|dash| with(variant, dash))).collect();
    }
    Ok(variants.into_iter().map(|variant| variant.into_iter().collect()).collect())
}
