//! Owns: tests of the reading of sshd's lines.
//! Never: a running sshd.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{Attempt, Attempts};

fn hear(message: &str) -> Option<Attempt> {
    Attempts::default().hear(message)
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

fn check(message: &str, user: &str, source: Option<IpAddr>, success: bool) {
    let wanted = Attempt { user: user.into(), source, success, times: 1 };
    assert_eq!(hear(message), Some(wanted), "{message}");
}

#[test]
fn sign_ins_and_failures_are_told() {
    let at = ip("192.0.2.7");
    check("Accepted password for ann from 192.0.2.7 port 5022 ssh2", "ann", at, true);
    check("Accepted publickey for ann from 192.0.2.7 port 5022 ssh2: ED25519 SHA256:AbC/+9", "ann", at, true);
    check(
        "Accepted publickey for ann from 192.0.2.7 port 22 ssh2: ED25519-CERT SHA256:x ID ann@host (serial 3) CA RSA SHA256:y",
        "ann",
        at,
        true,
    );
    check("Failed password for root from 192.0.2.7 port 1 ssh2", "root", at, false);
    check("Failed password for invalid user bob from ::ffff:192.0.2.7 port 1 ssh2", "bob", at, false);
    check("Failed publickey for root from fe80::1%eth0 port 1 ssh2: RSA SHA256:x", "root", ip("fe80::1"), false);
    check("Failed keyboard-interactive/pam for root from 192.0.2.7 port 1 ssh2", "root", at, false);
    check("Invalid user bob from 192.0.2.7 port 1", "bob", at, false);
    check("Invalid user  from 192.0.2.7 port 1", "", at, false);
}

#[test]
fn what_is_no_attempt_is_not_told() {
    for message in [
        "Failed none for invalid user bob from 192.0.2.7 port 1 ssh2",
        "Connection closed by authenticating user root 192.0.2.7 port 1 [preauth]",
        "Server listening on 0.0.0.0 port 22.",
        "Accepted password for ann from nowhere port 5022 ssh2",
        "Accepted password for ann",
        "pam_unix(sshd:auth): Accepted password for ann from 192.0.2.7 port 5 ssh2",
        "",
    ] {
        assert_eq!(hear(message), None, "{message}");
    }
}

#[test]
fn one_attempt_in_two_lines_is_told_once() {
    let mut attempts = Attempts::default();
    assert!(attempts.hear("Invalid user bob from 192.0.2.7 port 9").is_some());
    assert!(attempts.hear("Failed none for invalid user bob from 192.0.2.7 port 9 ssh2").is_none());
    assert!(attempts.hear("Failed password for invalid user bob from 192.0.2.7 port 9 ssh2").is_none());
    assert!(
        attempts.hear("Failed password for invalid user bob from 192.0.2.7 port 9 ssh2").is_some(),
        "a second guess"
    );
}

#[test]
fn folded_lines_are_counted() {
    let times =
        |n: &str| hear(&format!("message repeated {n} times: [ Failed password for root from 192.0.2.7 port 1 ssh2]"));
    assert_eq!(times("3").map(|attempt| attempt.times), Some(3));
    assert_eq!(times("4000000000").map(|attempt| attempt.times), Some(32));
}

#[test]
fn a_certificate_made_to_lie_names_no_source() {
    let name = "x (serial 0) from 198.51.100.1 port 5 ssh2: RSA-CERT SHA256:z ID y";
    let line = format!(
        "Failed publickey for root from 192.0.2.7 port 1 ssh2: RSA-CERT SHA256:x ID {name} (serial 0) CA RSA SHA256:y"
    );
    check(&line, "", None, false);
}

/// Names made of the very words by which a line is read.
fn hostile() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just(" from 198.51.100.1 port 5 ssh2".to_owned()),
        Just(" from 198.51.100.1 port 5".to_owned()),
        Just(" ssh2: RSA SHA256:x".to_owned()),
        Just(" ssh2: RSA-CERT SHA256:x ID y".to_owned()),
        Just(" for ".to_owned()),
        Just("invalid user ".to_owned()),
        Just("]".to_owned()),
        "[ -~]{0,12}",
    ];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_user_name_changes_the_source(user in hostile(), octet in 0u8..255, port in any::<u16>()) {
        let source = format!("192.0.2.{octet}");
        for line in [
            format!("Invalid user {user} from {source} port {port}"),
            format!("Failed password for invalid user {user} from {source} port {port} ssh2"),
            format!("Failed password for {user} from {source} port {port} ssh2"),
            format!("Failed publickey for {user} from {source} port {port} ssh2: ED25519 SHA256:abc"),
            format!("Accepted publickey for {user} from {source} port {port} ssh2: ED25519 SHA256:abc"),
        ] {
            let told = hear(&line).expect("an attempt");
            prop_assert_eq!(told.source, ip(&source), "{}", line);
            prop_assert_eq!(told.success, line.starts_with("Accepted"));
            prop_assert!(told.user.len() <= 400);
        }
        let line = format!("Failed publickey for {user} from {source} port {port} ssh2: RSA-CERT SHA256:x ID k (serial 0) CA RSA SHA256:y");
        let told = hear(&line).expect("an attempt");
        prop_assert!(told.source.is_none() || told.source == ip(&source), "{}", line);
    }

    #[test]
    fn no_line_panics(line in "\\PC{0,200}") {
        let _ = hear(&line);
        let _ = hear(&format!("Failed password for {line}"));
    }
}
