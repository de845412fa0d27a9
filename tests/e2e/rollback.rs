//! Owns: going back to an earlier bundle over the whole loop: a new version with the old content, on the host too.
//! Never: acting on anything but processes of the test's own.

use std::fs;

use picket_tests::estate::Estate;
use picket_tests::is_root;
use picket_tests::marked::{self, Victim};

use crate::lists::wait_for_version;

fn in_force(estate: &Estate) -> (String, u64) {
    let shown = estate.json(&["policy", "show"]).unwrap();
    (shown["name"].as_str().unwrap().to_owned(), shown["version"].as_u64().unwrap())
}

fn versions(estate: &Estate) -> Vec<u64> {
    let listed = estate.json(&["policy", "rollback", "--list"]).unwrap();
    listed["bundles"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect()
}

#[test]
fn a_rollback_puts_the_earlier_bundle_in_force_under_a_new_version() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-rollback-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    assert!(Victim::start(&marker).unwrap().is_killed(), "{}", estate.logs());
    estate.picket(&["policy", "apply", "watch"]).unwrap();
    wait_for_version(&estate, 3);
    assert_eq!(versions(&estate), [2, 1]);
    let mut spared = Victim::start(&marker).unwrap();

    let refused = |arguments: &[&str], words: &str| {
        let error = estate.picket(&[&["policy", "rollback"], arguments].concat()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(in_force(&estate), ("watch".to_owned(), 3));
    };
    refused(&["--to", "77"], "no bundle of version 77 is kept from before");
    refused(&["--to", "3"], "no bundle of version 3 is kept from before");
    let key = estate.root().join("other.key").display().to_string();
    estate.picket(&["policy", "keygen", "--out", &key]).unwrap();
    refused(&["--key", &key], "version 2 does not count");

    let said = estate.picket(&["policy", "rollback"]).unwrap();
    assert!(said.contains("in force: test version 4, which is what version 2 was"), "{said}");
    wait_for_version(&estate, 4);
    assert!(spared.is_alive(), "nothing was done under the bundle that watches");
    assert!(Victim::start(&marker).unwrap().is_killed(), "{}", estate.logs());

    // What is kept outlasts the coordinator.
    estate.kill_coordinator();
    estate.start_coordinator().unwrap();
    assert_eq!(versions(&estate), [3, 2, 1]);
    estate.picket(&["policy", "rollback", "--to", "1"]).unwrap();
    assert_eq!(in_force(&estate).1, 5);
    wait_for_version(&estate, 5);
}

#[test]
fn the_way_back_has_its_lists_of_indicators() {
    if !is_root() {
        return println!("skipped: the coordinator's folder is root's");
    }
    let estate = Estate::start().unwrap();
    let file = estate.root().join("domains.txt");
    fs::write(&file, "evil.example\n").unwrap();
    let named = format!("domains={}", file.display());
    estate.picket(&["policy", "apply", "watch", "--indicators", &named]).unwrap();
    let before = in_force(&estate).1;
    estate.picket(&["policy", "apply", "careful"]).unwrap();
    let listed = estate.picket(&["policy", "rollback", "--list"]).unwrap();
    assert!(listed.contains("all here") && !listed.contains("missing"), "{listed}");
    // The coordinator refuses a bundle whose lists it has not.
    estate.picket(&["policy", "rollback", "--to", &before.to_string()]).unwrap();
    assert_eq!(in_force(&estate), ("watch".to_owned(), before + 2));
}
