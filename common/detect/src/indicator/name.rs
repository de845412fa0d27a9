//! Owns: how domains, URLs and file names are written alike, so that a listed one and a met one compare equal.
//! Never: whether one is listed.

use std::net::IpAddr;

const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
const SCHEMES: &[(&str, &str)] = &[("http://", ":80"), ("https://", ":443"), ("ftp://", ":21")];

/// `Evil.Example.` and `evil.example` are one.
pub fn domain(text: &str) -> Result<String, String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
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

/// A listed URL: scheme and host in lower case, without the scheme's own port, a fragment or a slash at the end.
pub fn url(text: &str) -> Result<String, String> {
    let fault = || format!("`{text}` is not a URL like http://example.org/path");
    if text.chars().any(char::is_whitespace) {
        return Err(fault());
    }
    let url = normal_url(text).ok_or_else(fault)?;
    let host = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    if host.is_empty() || host.starts_with(['/', '?', ':']) { Err(fault()) } else { Ok(url) }
}

/// A file by its whole path, or by its name in whatever folder.
pub fn file_name(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && !text.ends_with('/');
    if text.is_empty() || text.contains('\0') || (text.contains('/') && !is_path) {
        return Err(format!("`{text}` is neither a file name nor a path like /tmp/.x"));
    }
    Ok(text.to_owned())
}

fn normal_url(text: &str) -> Option<String> {
    // Only the part that can be a scheme is folded: texts may be long.
    let (scheme, port) = SCHEMES
        .iter()
        .find(|(scheme, _)| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = text.get(scheme.len()..)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let host = host.strip_suffix(port).unwrap_or(&host);
    Some(format!("{scheme}{host}{}", path.strip_suffix('/').unwrap_or(path)))
}

/// The URLs that stand in a text, written as listed ones are; at most `limit` of them.
pub fn urls_in(text: &str, limit: usize) -> impl Iterator<Item = String> {
    text.match_indices("://").take(limit).filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let word = before.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
        let url = text.get(at - word..)?;
        let end = url.find(|char: char| char.is_whitespace() || "\"'`<>|;)}\\,".contains(char));
        normal_url(&url[..end.unwrap_or(url.len())])
    })
}
