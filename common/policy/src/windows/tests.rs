use picket_model::action::Reason;
use picket_model::{Action, ActionId, ActionKind, BundleVersion, Principal, VerdictKind};

use super::*;
use crate::{Authority, Bundle, Grounds, Judgement, Target, keys, verify};

fn windows(text: &str) -> Result<Vec<Window>, String> {
    let settings = format!("name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n{text}");
    let bundle = Bundle::from_texts(&settings, "@id(\"a\")\npermit (principal, action, resource);\n");
    let bundle = bundle.and_then(|bundle| bundle.check().map(|()| bundle));
    bundle.map(|bundle| bundle.windows).map_err(|error| error.to_string())
}

fn one(rest: &str) -> Result<Vec<Window>, String> {
    windows(&format!("[[windows]]\nname = \"w\"\nkind = \"freeze\"\n{rest}"))
}

const HOUR_MS: u64 = 3_600_000;
/// 2026-11-29, a Sunday, 00:00 UTC.
const SUNDAY: Timestamp = Timestamp(1_795_910_400_000_000_000);

#[test]
fn a_window_in_the_calendar_is_on_from_its_first_instant_to_its_last() {
    let from = "from = 2026-11-29T02:00:00+02:00\nuntil = 2026-11-29T03:30:00Z\n";
    let window = &one(from).unwrap()[0];
    assert_eq!(window.when, When::Once { from: SUNDAY, until: SUNDAY.plus_millis(3 * HOUR_MS + HOUR_MS / 2) });
    let left = |ms: u64| window.left_ms(SUNDAY.plus_millis(ms));
    assert_eq!(window.left_ms(Timestamp(SUNDAY.0 - 1)), 0);
    assert_eq!((left(0), left(HOUR_MS)), (3 * HOUR_MS + HOUR_MS / 2, 2 * HOUR_MS + HOUR_MS / 2));
    assert_eq!((left(3 * HOUR_MS + HOUR_MS / 2), left(90 * HOUR_MS)), (0, 0));
    assert_eq!(
        one("from = 1970-01-01T00:00:00Z\nuntil = 1970-03-01T00:00:01Z\n").unwrap()[0].left_ms(Timestamp(0)),
        5_097_601_000
    );
    assert_eq!(
        one("from = 2024-02-28T00:00:00Z\nuntil = 2024-03-01T00:00:00Z\n").unwrap()[0]
            .left_ms(Timestamp::from_millis(1_709_078_400_000)),
        48 * HOUR_MS
    );
}

#[test]
fn a_weekly_window_comes_again_and_may_go_over_the_end_of_the_week() {
    let window = &one("weekly = { day = \"sun\", at = \"22:30\", minutes = 180 }\n").unwrap()[0];
    for week in [0, 1, 60] {
        let left = |hours: u64| window.left_ms(SUNDAY.plus_millis(week * 7 * 24 * HOUR_MS + hours * HOUR_MS / 2));
        assert_eq!((left(44), left(45), left(46)), (0, 3 * HOUR_MS, 2 * HOUR_MS + HOUR_MS / 2));
        // Monday at 01:00 and at 01:30.
        assert_eq!((left(50), left(51)), (HOUR_MS / 2, 0));
    }
}

#[test]
fn a_window_is_for_the_hosts_it_names() {
    let id = HostId::from_bytes([7; 16]);
    let rest = "weekly = { day = \"mon\", at = \"00:00\", minutes = 1 }\n";
    assert!(one(rest).unwrap()[0].concerns("whatever", id));
    let named = &one(&format!("hosts = [\"db-*\"]\n{rest}")).unwrap()[0];
    assert!(named.concerns("db-1", id) && !named.concerns("web-1", id));
}

#[test]
fn windows_that_are_none_are_refused() {
    for (rest, words) in [
        ("", "needs either from and until"),
        ("from = 2026-11-29T00:00:00Z\n", "needs either from and until"),
        ("from = 2026-11-29T00:00:00\nuntil = 2026-11-30T00:00:00\n", "needs either from and until"),
        ("from = 2026-11-29\nuntil = 2026-11-30\n", "needs either from and until"),
        ("from = 2026-11-29T00:00:00Z\nuntil = 2026-11-29T00:00:00Z\n", "ends before it begins"),
        ("from = 2026-11-29T00:00:00Z\nuntil = 2028-11-29T00:00:00Z\n", "more than a year"),
        ("weekly = { day = \"sunday\", at = \"22:30\", minutes = 180 }\n", "needs either from and until"),
        ("weekly = { day = \"sun\", at = \"24:00\", minutes = 180 }\n", "needs either from and until"),
        ("weekly = { day = \"sun\", at = \"2230\", minutes = 180 }\n", "needs either from and until"),
        ("weekly = { day = \"sun\", at = \"22:30\", minutes = 0 }\n", "no part of a week"),
        ("weekly = { day = \"sun\", at = \"22:30\", minutes = 10081 }\n", "no part of a week"),
        ("hosts = [\"\"]\nweekly = { day = \"sun\", at = \"22:30\", minutes = 1 }\n", "names no host"),
    ] {
        let refused = one(rest).unwrap_err();
        assert!(refused.contains(words), "{rest}: {refused}");
    }
    let many =
        "[[windows]]\nname = \"w\"\nkind = \"maintenance\"\nweekly = { day = \"sun\", at = \"22:30\", minutes = 1 }\n";
    assert!(windows(&many.repeat(65)).unwrap_err().contains("windows: 65"));
}

/// What becomes of a quarantine on web-1 at this time.
fn judged(authority: &mut Authority, principal: Principal, now: Timestamp) -> Grounds {
    let reason = Reason {
        principal,
        detection: None,
        rule: None,
        severity: 5,
        incident: None,
        families: 2,
        drill: false,
        note: String::new(),
    };
    let kind = ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: None };
    let (id, host) = (ActionId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    let action = Action { id, host, kind, reason, requested: now, lease_ms: 0 };
    match authority.judge(action, &Target { host: "web-1".into(), ..Target::default() }, now) {
        Judgement::ActNow(_, grounds) | Judgement::Ask(_, grounds) | Judgement::OutOfScope(_, grounds) => grounds,
    }
}

#[test]
fn while_a_window_is_on_picket_asks_and_people_go_on() {
    for kind in ["freeze", "maintenance"] {
        let text = format!(
            "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n[[windows]]\nname = \"night\"\nkind = \"{kind}\"\n\
             hosts = [\"web-*\"]\nfrom = 2026-11-29T01:00:00Z\nuntil = 2026-11-29T02:00:00Z\n"
        );
        let bundle = Bundle::from_texts(&text, "@id(\"all\")\npermit (principal, action, resource);").unwrap();
        let bundle = Bundle { version: BundleVersion(1), issued: SUNDAY, ..bundle };
        // The same without Picket's guards: Rust lowers the verdict by itself.
        let bare = Bundle { policies: "@id(\"all\")\npermit (principal, action, resource);".into(), ..bundle.clone() };
        for (bundle, by) in [(bundle, format!("guard.{kind}")), (bare, "all".to_owned())] {
            let key = keys::generate([1; 32]);
            let mut authority = Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap();
            let at = |ms: u64| SUNDAY.plus_millis(ms);
            assert_eq!(judged(&mut authority, Principal::Agent, at(HOUR_MS - 1)).verdict, VerdictKind::ActNow);
            let asked = judged(&mut authority, Principal::Agent, at(HOUR_MS));
            let told = format!("{kind}: night until {}", at(2 * HOUR_MS));
            assert_eq!((asked.verdict, asked.decided_by), (VerdictKind::Ask, vec![by, told]));
            let anna = Principal::Analyst { name: "anna".into() };
            assert_eq!(judged(&mut authority, anna, at(HOUR_MS)).verdict, VerdictKind::ActNow);
            assert_eq!(judged(&mut authority, Principal::Agent, at(2 * HOUR_MS)).verdict, VerdictKind::ActNow);
        }
    }
}
