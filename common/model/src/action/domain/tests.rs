//! Owns: that a domain is read in any form in which it is written, and nothing else is.
//! Never: a name server.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::Domain;

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

#[test]
fn case_and_the_last_dot_make_no_difference() {
    for text in ["evil.example", "EVIL.Example", "evil.example.", "Evil.EXAMPLE."] {
        assert_eq!(domain(text).as_str(), "evil.example");
    }
    assert_eq!(domain("_dmarc.xn--mnchen-3ya.example").to_string(), "_dmarc.xn--mnchen-3ya.example");
    assert_eq!(domain("com").labels().count(), 1);
}

#[test]
fn what_is_no_domain_is_refused_and_the_message_says_why() {
    let long = format!("{}.example", "a".repeat(64));
    let longest = ["a".repeat(63).as_str(); 4].join(".");
    for (text, why) in [
        ("", "no name"),
        (".", "no name"),
        ("..", "between two dots"),
        ("a..example", "between two dots"),
        (".example", "between two dots"),
        (&long, "between two dots"),
        (&longest, "longer than 253"),
        ("münchen.example", "beyond ASCII"),
        ("evil.example/x", "other signs"),
        ("*.example", "other signs"),
        ("evil example", "other signs"),
        ("203.0.113.7", "block_address"),
        ("2001:db8::1", "block_address"),
    ] {
        let said = text.parse::<Domain>().unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_domain_holds_itself_and_what_is_below_it() {
    let evil = domain("evil.example");
    assert!(evil.holds(&evil) && evil.holds(&domain("a.b.evil.example")));
    assert!(!evil.holds(&domain("notevil.example")) && !evil.holds(&domain("example")));
    assert!(domain("example").holds(&evil));
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_is_shown_whatever_its_case(text in "[a-zA-Z0-9_-]{1,63}(\\.[a-zA-Z_-][a-zA-Z0-9_-]{0,20}){0,8}\\.?") {
        let one = text.parse::<Domain>().unwrap();
        prop_assert_eq!(one.as_str(), text.trim_end_matches('.').to_lowercase());
        prop_assert_eq!(one.to_string().parse::<Domain>().unwrap(), one.clone());
        prop_assert_eq!(text.to_uppercase().parse::<Domain>().unwrap(), one.clone());
        let below = format!("x.{one}").parse::<Domain>().unwrap();
        prop_assert!(one.holds(&below) && !below.holds(&one));
        let beside = format!("x{one}").parse::<Domain>();
        prop_assert!(beside.map_or(true, |beside| !one.holds(&beside)));
    }

    #[test]
    fn nothing_that_is_written_harms_whoever_reads_it(text in "\\PC{0,300}") {
        if let Ok(one) = text.parse::<Domain>() {
            prop_assert!(one.as_str().len() <= 253 && one.labels().all(|label| (1..=63).contains(&label.len())));
        }
    }
}
