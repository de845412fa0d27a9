//! Owns: an error with all that caused it, in one text.
//! Never: what is done about it.

/// The causes from the outermost to the innermost: of what the kernel refuses, the reason stands at the end.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
