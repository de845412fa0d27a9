//! Owns: placeholders, `%name%`, and the values that stand for them.
//! Never: where those values come from.

use super::binding::Placeholders;

/// A list of hosts may be long; a product of lists is a mistake.
const VALUES_MAX: usize = 10_000;

/// Every text that `text` stands for. `\%` is a percent sign; a placeholder that nobody configured is an error, since
/// the specification lets nobody guess it.
pub fn expand(text: &str, placeholders: &Placeholders) -> Result<Vec<String>, String> {
    let mut done = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, from) = rest.split_at(at);
        let mut values: Option<&[String]> = None;
        let (literal, after) = match (from.strip_prefix("\\%"), name(from)) {
            (Some(after), _) => ("%", after),
            (None, Some(name)) => {
                let known = placeholders.get(name).filter(|values| !values.is_empty());
                values =
                    Some(known.ok_or_else(|| format!("the placeholder `%{name}%` has no value in the configuration"))?);
                ("", from.get(name.len() + 2..).unwrap_or_default())
            }
            (None, None) => from.split_at_checked(1).unwrap_or((from, "")),
        };
        done.iter_mut().for_each(|text| {
            text.push_str(before);
            text.push_str(literal);
        });
        if let Some(values) = values {
            if done.len() * values.len() > VALUES_MAX {
                return Err(format!("`{text}` stands for more than {VALUES_MAX} values"));
            }
            done = done.iter().flat_map(|text| values.iter().map(move |value| format!("{text}{value}"))).collect();
        }
        rest = after;
    }
    done.iter_mut().for_each(|text| text.push_str(rest));
    Ok(done)
}

/// The name of the placeholder that begins here.
fn name(from: &str) -> Option<&str> {
    let (name, _) = from.strip_prefix('%')?.split_once('%')?;
    let is_name =
        !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.'));
    is_name.then_some(name)
}
