//! Owns: how domains, URLs and file names are written alike, so that a listed one and a met one compare equal.
//! Never: whether one is listed.

use std::borrow::Cow;
use std::net::IpAddr;

use super::idn;

/// As DNS limits it.
pub const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// A URL with more signs that may end it is a text.
const CUTS_MAX: usize = 8;
const SCHEMES: &[(&str, &str)] = &[("http://", ":80"), ("https://", ":443"), ("ftp://", ":21")];

/// `Evil.Example.` and `evil.example` are one; letters beyond ASCII are written as DNS carries them.
pub fn domain(text: &str) -> Result<String, String> {
    let name = host(text);
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A whole top-level domain would be an accident, and a bare address belongs to the other list.
    let is_address = name.parse::<IpAddr>().is_ok();
    if name.len() > DOMAIN_BYTES_MAX || is_address || !name.contains('.') || !name.split('.').all(label) {
        return Err(format!("`{text}` is not a domain like example.org"));
    }
    Ok(name)
}

/// A listed URL: scheme and host in lower case, without the scheme's own port, a fragment or slashes at the end.
pub fn url(text: &str) -> Result<String, String> {
    let fault = || format!("`{text}` is not a URL like http://example.org/path");
    let is_odd = |text: &str| text.chars().any(|char| char.is_whitespace() || char.is_control());
    // Some letters are folded to a space and another.
    let url = normal_url(text).filter(|url| !is_odd(text) && !is_odd(url)).ok_or_else(fault)?;
    let host = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    // One that is written in yet another way the second time has no host that could be asked for.
    let is_settled = normal_url(&url).is_some_and(|again| again == url);
    if host.is_empty() || host.starts_with(['/', '?', ':']) || !is_settled { Err(fault()) } else { Ok(url.into()) }
}

/// A file by its whole path, or by its name in whatever folder.
pub fn file_name(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.ends_with('/');
    if text.is_empty() || text.contains('\0') || (text.contains('/') && !is_path) {
        return Err(format!("`{text}` is neither a file name nor a path like /tmp/.x"));
    }
    Ok(text.to_owned())
}

fn normal_url(text: &str) -> Option<Cow<'_, str>> {
    if is_normal(text) { Some(Cow::Borrowed(text)) } else { rewritten(text).map(Cow::Owned) }
}

fn rewritten(text: &str) -> Option<String> {
    // Only the part that can be a scheme is folded: texts may be long.
    let (scheme, port) = SCHEMES
        .iter()
        .find(|(scheme, _)| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = text.get(scheme.len()..)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (named, path) = rest.split_at(end);
    let name = named.rsplit('@').next().unwrap_or_default();
    let name = host(name.strip_suffix(port).unwrap_or(name));
    // Some letters are folded to a sign that ends a host: it is none.
    if name.contains(['/', '?', '#', '@']) {
        return None;
    }
    Some(format!("{scheme}{name}{}", path.trim_end_matches('/')))
}

/// Whether a URL is written as listed ones are. Most are, and need no copy; it may say no of one that is.
fn is_normal(text: &str) -> bool {
    let rest = SCHEMES.iter().find_map(|(scheme, _)| text.strip_prefix(scheme));
    let Some(rest) = rest.map(str::as_bytes) else { return false };
    let is_of_host = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let end = rest.iter().position(|byte| !is_of_host(byte)).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let is_whole = path.first().is_none_or(|byte| matches!(byte, b'/' | b'?'));
    !host.is_empty() && !host.ends_with(b".") && is_whole && !path.ends_with(b"/") && !path.contains(&b'#')
}

/// In lower case, without the dot at its end, and as DNS carries it.
fn host(text: &str) -> String {
    let text = text.trim_end_matches('.');
    if text.is_ascii() { text.to_ascii_lowercase() } else { idn::to_ascii(text) }
}

/// The URLs that stand in a text, written as listed ones are; at most `limit` places are looked at.
pub fn urls_in(text: &str, limit: usize) -> impl Iterator<Item = Cow<'_, str>> {
    let is_scheme = |(at, _): &(usize, &str)| text.as_bytes().get(*at..).is_some_and(|rest| rest.starts_with(b"://"));
    let begins = text.match_indices(':').filter(is_scheme).take(limit).filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let word = before.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
        text.get(at - word..)?.split(ends).next()
    });
    begins.flat_map(cuts).filter_map(normal_url)
}

/// What may be a URL without its scheme in an argument, as each that it would be with one.
pub fn bare_urls_in(argument: &str, limit: usize) -> impl Iterator<Item = String> {
    let is_bare = |word: &&str| {
        let end = word.find(['/', '?']).unwrap_or(0);
        word.get(..end).is_some_and(|host| host.find('.').is_some_and(|dot| dot > 0))
    };
    let words = argument.split(ends).filter(is_bare).take(limit).flat_map(cuts);
    let with =
        move |(scheme, _): &(&str, &str), word: &str| normal_url(&format!("{scheme}{word}")).map(Cow::into_owned);
    words.flat_map(move |word| SCHEMES.iter().filter_map(move |scheme| with(scheme, word)))
}

/// A URL that stands in a text ends here.
fn ends(char: char) -> bool {
    matches!(char, '"' | '\'' | '`' | '<' | '>') || char.is_whitespace()
}

/// It may end here too, or go on: the whole, and what stands before each such place.
fn cuts(word: &str) -> impl Iterator<Item = &str> {
    let places = word.match_indices(['|', ';', ')', '}', '\\', ',']).take(CUTS_MAX);
    std::iter::once(word).chain(places.filter_map(|(at, _)| word.get(..at)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_normal, rewritten};

    proptest! {
        #[test]
        fn what_is_taken_as_it_stands_would_not_be_written_otherwise(
            text in "(http|https|ftp|HTTP|x)://[a-zA-Z0-9.@:é-]{0,12}(:80)?[/?#]?[a-z/.?#-]{0,8}"
        ) {
            prop_assert!(!is_normal(&text) || rewritten(&text) == Some(text.clone()), "{}", text);
        }
    }

    #[test]
    fn most_urls_are_taken_as_they_stand() {
        assert!(is_normal("http://host-1.example.org/a/b.sh") && is_normal("https://x?q") && is_normal("ftp://x"));
    }
}
