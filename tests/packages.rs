//! Owns: packages as an administrator meets them: built, installed, upgraded, removed and purged in a minimal Debian.
//! Never: this machine's own packages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::path::Path;
use std::process::Command;

use picket_tests::is_root;

#[test]
fn packages_install_upgrade_and_go_without_a_trace() {
    if !is_root() {
        return println!("skipped: a minimal root file system needs root");
    }
    if std::env::var_os("PICKET_BIN").is_none() {
        return println!("skipped: PICKET_BIN is not set; packaging/test.sh builds what is shipped and sets it");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    for (script, argument) in [("build-packages.sh", Some("--out")), ("check-packages.sh", None)] {
        let output =
            Command::new(root.join("packaging").join(script)).args(argument).arg(folder.path()).output().unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
