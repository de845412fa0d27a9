//! Owns: a value of a rule, by its modifiers, to what a field is probed for.
//! Never: which field.

use super::audited;
use super::binding::Binding;
use super::class::Class;
use super::encode;
use super::expression::Expression;
use super::field::{Field, Shape};
use super::glob::{Glob, Pieces, Token};
use super::item::{Number, Probe};
use super::modifier::{Kind, Modifiers, Part, Transform};
use super::placeholder;
use super::record::{FieldId, fold};
use super::selection::Made;
use crate::network::Network;
use crate::yaml::{Data, Node};

/// The probes that one value of a rule becomes.
pub fn probes(value: &Node, field: FieldId, modifiers: &Modifiers, binding: &mut Binding<'_>) -> Made<Vec<Probe>> {
    let fail = |reason: String| (value.place, reason);
    if modifiers.is_plain() && matches!(&value.data, Data::Scalar { text, .. } if value.is_null() || text.is_empty()) {
        // The model does not part an empty value from an unknown one.
        let is_null = value.is_null() || binding.class().is_some();
        return Ok(vec![if is_null {
            Probe::Null
        } else {
            Probe::Text { glob: Glob::new(Pieces::default()), cased: false }
        }]);
    }
    let text = value.text().ok_or_else(|| fail(format!("a value is expected here, not {}", value.kind())))?;
    if binding.class() == Some(Class::Audit)
        && modifiers.is_plain()
        && let Some(known) = Field::numbered(field)
        && !audited::can_hold(known, text)
    {
        binding.cannot(value.place, format!("no live event tells audit's `{text}`"));
        return Ok(vec![Probe::Never]);
    }
    if modifiers.expand {
        let expanded = placeholder::expand(text, binding.placeholders).map_err(fail)?;
        let each = expanded.iter().map(|text| of_text(text, field, modifiers, binding).map_err(fail));
        return Ok(each.collect::<Made<Vec<_>>>()?.into_iter().flatten().collect());
    }
    of_text(text, field, modifiers, binding).map_err(fail)
}

fn of_text(text: &str, field: FieldId, modifiers: &Modifiers, binding: &mut Binding<'_>) -> Result<Vec<Probe>, String> {
    let is_plain = modifiers.is_plain();
    let one = |probe| Ok(vec![probe]);
    let shape = binding.shape(field);
    match modifiers.kind {
        Kind::Text if is_plain => one(whole(text, field, modifiers.cased, binding)?),
        Kind::Text => texts(text, modifiers, binding),
        Kind::Regex { ignore_case, multi_line, dot_all } => {
            Expression::new(text, ignore_case, multi_line, dot_all).map(|regex| vec![Probe::Regex(Box::new(regex))])
        }
        Kind::Cidr if !matches!(shape, None | Some(Shape::Address)) => {
            Err(format!("`{}` holds no address", binding.name(field)))
        }
        Kind::Cidr => one(Probe::Network(Network::parse(text)?)),
        Kind::Compare(_) if !matches!(shape, None | Some(Shape::Number)) => {
            Err(format!("`{}` holds no number", binding.name(field)))
        }
        Kind::Compare(order) => match Number::parse(text) {
            Some(bound @ Number::Whole(_)) => one(Probe::Compare(order, bound)),
            Some(bound) if shape.is_none() => one(Probe::Compare(order, bound)),
            _ => Err(format!("`{text}` is not a whole number")),
        },
        Kind::Date(..) if !matches!(shape, None | Some(Shape::Time)) => {
            Err(format!("`{}` holds no date", binding.name(field)))
        }
        Kind::Date(part, order) => match text.parse() {
            Ok(bound) => one(Probe::Date(part, order, bound)),
            Err(_) => Err(format!("`{text}` is not a whole number")),
        },
        Kind::Exists => match fold(text).as_str() {
            "true" | "yes" => one(Probe::Present),
            "false" | "no" => one(Probe::Absent),
            _ => Err("`exists` takes true or false".to_owned()),
        },
        Kind::FieldRef => {
            let other = binding.field(text)?;
            one(Probe::Same { other, part: modifiers.part, cased: modifiers.cased })
        }
    }
}

fn whole(text: &str, field: FieldId, cased: bool, binding: &Binding<'_>) -> Result<Probe, String> {
    let pieces = Pieces::parse(text);
    if let Some(plain) = pieces.plain() {
        check(plain, field, binding)?;
    }
    let pieces = match (binding.shape(field), pieces.plain().map(str::parse::<std::net::IpAddr>)) {
        (Some(Shape::Address), Some(Ok(ip))) => Pieces::literal(&ip.to_canonical().to_string()),
        _ if cased => pieces,
        _ => pieces.map(fold),
    };
    Ok(Probe::Text { glob: Glob::new(pieces), cased })
}

/// A value that its field can never have is a mistake, and would be silent.
fn check(plain: &str, field: FieldId, binding: &Binding<'_>) -> Result<(), String> {
    let Some(shape) = binding.shape(field) else { return Ok(()) };
    let name = binding.name(field);
    let activities = binding.class().map_or(&[][..], Class::activities);
    match shape {
        Shape::Number if plain.parse::<i128>().is_err() => Err(format!("`{name}` is a number, `{plain}` is not")),
        Shape::Address if plain.parse::<std::net::IpAddr>().is_err() => {
            Err(format!("`{name}` is an address, `{plain}` is not; write `{name}|cidr` for a range"))
        }
        Shape::Flag if !matches!(fold(plain).as_str(), "true" | "false") => {
            Err(format!("`{name}` is true or false, not `{plain}`"))
        }
        Shape::Text if field == Field::Activity.id() && !activities.contains(&plain) => {
            Err(format!("`{name}` is one of {}, not `{plain}`", activities.join(", ")))
        }
        _ => Ok(()),
    }
}

/// A text on its way through the encodings.
enum Draft {
    Written(String),
    Bytes(Vec<u8>),
    Encoded(String),
}

fn texts(text: &str, modifiers: &Modifiers, binding: &Binding<'_>) -> Result<Vec<Probe>, String> {
    if text.is_empty() && binding.class().is_some() {
        return Err("the empty text is part of every value".to_owned());
    }
    let mut drafts = vec![Draft::Written(text.to_owned())];
    for transform in &modifiers.transforms {
        let mut next = Vec::new();
        for draft in drafts {
            next.extend(transformed(draft, *transform)?);
        }
        drafts = next;
    }
    let probe = |draft| {
        let pieces = match draft {
            Draft::Written(text) => Pieces::parse(&text),
            Draft::Encoded(text) => Pieces::literal(&text),
            // What is no text in UTF-8 stands in no field that is text.
            Draft::Bytes(bytes) => Pieces::literal(&String::from_utf8_lossy(&bytes)),
        };
        let pieces = if modifiers.cased { pieces } else { pieces.map(fold) };
        let pieces = match modifiers.part {
            Part::Whole => pieces,
            Part::Contains => pieces.open_start().open_end(),
            Part::Starts => pieces.open_end(),
            Part::Ends => pieces.open_start(),
        };
        Probe::Text { glob: Glob::new(pieces), cased: modifiers.cased }
    };
    Ok(drafts.into_iter().map(probe).collect())
}

fn transformed(draft: Draft, transform: Transform) -> Result<Vec<Draft>, String> {
    if let (Draft::Written(text), Transform::Windash) = (&draft, transform) {
        let many = |count| format!("{count} dashes in one value become too many variants; split it");
        return Ok(encode::windash(text).map_err(many)?.into_iter().map(Draft::Written).collect());
    }
    let bytes = match draft {
        Draft::Written(text) => {
            let pieces = Pieces::parse(&text);
            let has_wildcard = pieces.0.iter().any(|token| !matches!(token, Token::Literal(_)));
            let plain = pieces.plain().filter(|_| !has_wildcard);
            let plain = plain.ok_or_else(|| "a wildcard cannot be encoded; escape it or drop it".to_owned())?;
            match transform {
                Transform::Wide(form) => return Ok(vec![Draft::Bytes(encode::utf16(plain, form))]),
                _ => plain.as_bytes().to_vec(),
            }
        }
        Draft::Bytes(bytes) => bytes,
        Draft::Encoded(text) => text.into_bytes(),
    };
    Ok(match transform {
        Transform::Base64Offset => encode::base64_offsets(&bytes).into_iter().map(Draft::Encoded).collect(),
        _ => vec![Draft::Encoded(encode::base64(&bytes))],
    })
}
