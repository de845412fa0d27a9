use super::*;
use crate::limits::{BUNDLE_BYTES_MAX, INDICATORS_MAX, RULES_MAX};
use crate::{RuleText, shipped};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn key() -> SigningKey {
    keys::generate([3; 32])
}

fn trusted() -> [VerifyingKey; 1] {
    [key().verifying_key()]
}

fn bundle(version: u64) -> Bundle {
    Bundle { version: BundleVersion(version), issued: NOW, ..shipped("standard").unwrap() }
}

#[test]
fn a_signed_bundle_comes_back_whole() {
    let mut bundle = bundle(7);
    bundle.rules.push(RuleText { file: "a.yml".into(), text: "title: \"ü\"\n".into() });
    let bytes = bundle.sign(&key());
    let verified = accept(&bytes, &trusted(), Some(BundleVersion(6)), NOW).unwrap();
    assert_eq!(verified.bundle, bundle);
    assert_eq!(verified.bytes, bytes);
    assert_eq!(verified.key_id, keys::key_id(&key().verifying_key()));
}

#[test]
fn an_older_or_equal_version_is_refused() {
    for have in [7, 8] {
        let refused = accept(&bundle(7).sign(&key()), &trusted(), Some(BundleVersion(have)), NOW).unwrap_err();
        assert_eq!(refused, BundleError::Older { have: BundleVersion(have), offered: BundleVersion(7) });
    }
}

#[test]
fn an_expired_lease_is_refused() {
    let bundle = bundle(1);
    let expired = bundle.lease_expires();
    let bytes = bundle.sign(&key());
    assert!(accept(&bytes, &trusted(), None, Timestamp(expired.0 - 1)).is_ok());
    assert_eq!(accept(&bytes, &trusted(), None, expired).unwrap_err(), BundleError::LeaseExpired { expired });
}

#[test]
fn another_key_is_refused_by_its_id() {
    let other = keys::generate([4; 32]);
    let refused = verify(&bundle(1).sign(&other), &trusted()).unwrap_err();
    assert_eq!(refused, BundleError::UnknownKey { key_id: keys::key_id(&other.verifying_key()) });
    assert!(verify(&bundle(1).sign(&key()), &[]).is_err(), "nobody is trusted");
}

#[test]
fn a_changed_body_is_refused_before_it_is_read() {
    let mut envelope: serde_json::Value = serde_json::from_slice(&bundle(1).sign(&key())).unwrap();
    for body in [bundle(2), bundle(1)].map(|bundle| serde_json::to_string(&bundle).unwrap() + " ") {
        envelope["body"] = body.into();
        let refused = verify(&serde_json::to_vec(&envelope).unwrap(), &trusted()).unwrap_err();
        assert!(matches!(refused, BundleError::Signature { .. }), "{refused}");
    }
    envelope["body"] = "not even JSON".into();
    let refused = verify(&serde_json::to_vec(&envelope).unwrap(), &trusted()).unwrap_err();
    assert!(matches!(refused, BundleError::Signature { .. }), "{refused}");
}

#[test]
fn a_signed_body_that_does_not_read_says_where() {
    let body = "{\n  \"nam\": 1}";
    let envelope = serde_json::json!({
        "picket_bundle": 1,
        "key": keys::public_to_hex(&key().verifying_key()),
        "signature": STANDARD.encode(key().sign(body.as_bytes()).to_bytes()),
        "body": body,
    });
    let refused = verify(&serde_json::to_vec(&envelope).unwrap(), &trusted()).unwrap_err();
    assert!(matches!(refused, BundleError::Malformed { line: 2, .. }), "{refused}");
}

#[test]
fn a_refused_bundle_is_named_by_its_version_where_a_trusted_key_says_it() {
    let of = |bytes: &[u8]| signed_version(bytes, &trusted());
    assert_eq!(of(&bundle(7).sign(&key())), Some(BundleVersion(7)));
    let broken = Bundle { policies: "permit".into(), ..bundle(8) }.sign(&key());
    assert!(verify(&broken, &trusted()).is_err());
    assert_eq!(of(&broken), Some(BundleVersion(8)));
    // Of a later build, with words that this one does not know.
    let body = r#"{"version": 9, "name": 3, "later": {"on": true}}"#;
    let mut envelope = serde_json::json!({
        "picket_bundle": 1,
        "key": keys::public_to_hex(&key().verifying_key()),
        "signature": STANDARD.encode(key().sign(body.as_bytes()).to_bytes()),
        "body": body,
    });
    assert_eq!(of(&serde_json::to_vec(&envelope).unwrap()), Some(BundleVersion(9)));
    envelope["body"] = body.replace('9', "6").into();
    assert_eq!(of(&serde_json::to_vec(&envelope).unwrap()), None, "nobody signed that");
    assert_eq!(of(&bundle(7).sign(&keys::generate([4; 32]))), None, "nobody who is trusted");
    assert_eq!((of(b"{"), of(&[])), (None, None));
}

#[test]
fn limits_name_what_broke_them() {
    let refused = |bundle: Bundle| verify(&bundle.sign(&key()), &trusted()).unwrap_err().to_string();
    let rule = RuleText { file: "a.yml".into(), text: String::new() };
    assert!(refused(Bundle { rules: vec![rule; RULES_MAX + 1], ..bundle(1) }).contains("rules: 2001"));
    let mut many = bundle(1);
    many.indicators.domains = vec!["a.example".into(); INDICATORS_MAX + 1];
    assert!(refused(many).contains("indicators: 50001"));
    let rule = RuleText { file: "big.yml".into(), text: "x".repeat(70_000) };
    assert!(refused(Bundle { rules: vec![rule], ..bundle(1) }).contains("big.yml"));
    assert!(refused(Bundle { name: "a b".into(), ..bundle(1) }).contains("name"));
    assert!(refused(Bundle { lease_ms: 1, ..bundle(1) }).contains("lease_ms"));
    let mut budgets = bundle(1);
    budgets.budgets.insert("kill_three".into(), 1);
    assert!(refused(budgets).contains("kill_three"));
    let mut paths = bundle(1);
    paths.protected.paths.push("/usr/../tmp".into());
    assert!(refused(paths).contains("protected.paths"));
    for (text, why) in [("10.0.0.0/7", "most of the internet"), ("::/3", "most of the internet"), ("soc", "no address")]
    {
        let mut isolation = bundle(1);
        isolation.isolation.allow = vec![text.into()];
        let why_not = refused(isolation);
        assert!(why_not.contains("isolation.allow") && why_not.contains(why), "{why_not}");
    }
    let large = vec![b' '; BUNDLE_BYTES_MAX + 1];
    assert!(matches!(verify(&large, &trusted()), Err(BundleError::Limit { .. })));
}

#[test]
fn policies_that_do_not_compile_are_refused_with_their_place() {
    let policies = "@id(\"a\")\npermit (principal, action, resource) when { context.severty >= 4 };".to_owned();
    let refused = verify(&Bundle { policies, ..bundle(1) }.sign(&key()), &trusted()).unwrap_err();
    assert!(refused.to_string().contains("policies:2:45: "), "{refused}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        proptest::prop_assert!(verify(&bytes, &trusted()).is_err());
    }

    #[test]
    fn no_changed_byte_passes(at in 0usize..4096, bit in 0u8..8) {
        let bytes = bundle(1).sign(&key());
        let mut changed = bytes.clone();
        let at = at % bytes.len();
        changed[at] ^= 1 << bit;
        // Base64 and hexadecimal have letters that read alike; what passes must be the very same bundle.
        if let Ok(verified) = verify(&changed, &trusted()) {
            proptest::prop_assert_eq!(verified.bundle, bundle(1));
        }
    }
}
