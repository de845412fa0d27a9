//! Owns: what commands about one action have in common: finding it, giving the word, saying how it stands.
//! Never: which word.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// `word` as the API has it, `done` as people read it.
pub fn give(context: &Context, action: &str, word: &str, note: &str, done: &str) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::action(&api, action)?;
    let answer = api.post(&format!("/v1/actions/{id}/{word}"), &serde_json::json!({"note": note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let detail = value::find(&answer, "/detail").map(|detail| format!(": {}", value::plain(detail)));
    context.output.line(&format!(
        "{done} {}{}",
        id.get(..value::SHORT_ID).unwrap_or(&id),
        crate::table::printable(&detail.unwrap_or_default())
    ))
}
