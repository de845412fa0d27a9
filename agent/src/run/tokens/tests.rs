//! Owns: that no maintenance token counts twice.
//! Never: signatures; `picket_policy` checks those.

use picket_model::{HostId, Timestamp};

use super::*;

fn token(note: &str) -> Maintenance {
    let host = HostId::from_bytes([2; 16]);
    Maintenance { host, issued: Timestamp(1), until: Timestamp(2), note: note.into() }
}

#[test]
fn a_token_is_taken_once_whoever_asks_after_whatever_restart() {
    let state = tempfile::tempdir().unwrap();
    Tokens::new(state.path()).take(&token("upgrade"), 7, 100).unwrap();
    let again = Tokens::new(state.path());
    let refused = again.take(&token("upgrade"), 7, 100).unwrap_err().to_string();
    assert!(refused.contains("was used on this host before"), "{refused}");
    again.take(&token("another upgrade"), 7, 200).unwrap();
    assert!(again.take(&token("upgrade"), 8, 300).is_err(), "nor after the next boot");
}

#[test]
fn maintenance_lasts_over_a_restart_of_the_agent_and_not_of_the_host() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(Tokens::new(state.path()).lasting(7, 0), None);
    Tokens::new(state.path()).take(&token("upgrade"), 7, 100).unwrap();
    let next = Tokens::new(state.path());
    assert_eq!([next.lasting(7, 99), next.lasting(7, 100), next.lasting(8, 5)], [Some(100), None, None]);
}

#[test]
fn where_nobody_knows_what_was_used_nothing_is_taken() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("tokens"), "{\"used\":[").unwrap();
    let tokens = Tokens::new(state.path());
    assert!(matches!(tokens.take(&token("upgrade"), 7, 100), Err(TokenError::Unreadable { .. })));
    assert_eq!(tokens.lasting(7, 0), None);
    let nowhere = Tokens::new(&state.path().join("no folder"));
    assert!(matches!(nowhere.take(&token("upgrade"), 7, 100), Err(TokenError::Unwritable { .. })));
}

#[test]
fn the_list_has_an_end() {
    let state = tempfile::tempdir().unwrap();
    let full: Vec<String> = (0..TOKENS_MAX).map(|number| number.to_string()).collect();
    let kept = Kept { used: full, boot: 1, until_ns: 1 };
    std::fs::write(state.path().join("tokens"), serde_json::to_vec(&kept).unwrap()).unwrap();
    let tokens = Tokens::new(state.path());
    tokens.take(&token("upgrade"), 7, 100).unwrap();
    assert!(tokens.take(&token("upgrade"), 7, 100).is_err());
    assert_eq!(tokens.read().unwrap().used.len(), TOKENS_MAX);
}
