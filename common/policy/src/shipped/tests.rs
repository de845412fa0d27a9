use super::*;
use crate::{keys, limits, verify};

#[test]
fn every_shipped_bundle_verifies() {
    let key = keys::generate([9; 32]);
    for name in SHIPPED {
        let bundle = shipped(name).unwrap_or_else(|| panic!("{name} does not parse"));
        assert_eq!(bundle.name, name);
        assert!(bundle.protected.executables.iter().any(|exe| exe == "/usr/sbin/sshd"));
        assert!(bundle.protected.paths.len() < limits::PATHS_MAX);
        verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(shipped("lenient").is_none());
}

#[test]
fn every_policy_is_named_after_its_bundle() {
    for name in SHIPPED {
        let ids = crate::cedar::Policies::compile(&shipped(name).unwrap().policies).unwrap().ids();
        let own = format!("{name}.");
        assert!(ids.iter().any(|id| id.starts_with(&own)), "{ids:?}");
        let beneath = |id: &String| id.starts_with("guard.") || id.starts_with("autonomy.");
        assert!(ids.iter().all(|id| id.starts_with(&own) || beneath(id)), "{ids:?}");
    }
}

#[test]
fn a_fault_in_the_settings_has_its_place() {
    let text = "name = \"x\"\nlease_ms = 60_000\nconservative = \"ask\"\nbudget = {}\n";
    let error = Bundle::from_texts(text, "").unwrap_err();
    assert!(matches!(error, BundleError::Malformed { line: 4, column: 1, .. }), "{error}");
    assert!(error.to_string().contains("budget"), "{error}");
}
