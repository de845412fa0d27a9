use std::fs;

use super::{CONFIGURATION, MODPROBE, denies, deny, named, refused};

#[test]
fn a_module_has_one_name() {
    assert_eq!(named("nft-evil").unwrap(), "nft_evil");
    assert_eq!(named("8021q").unwrap(), "8021q");
    let long = "x".repeat(56);
    for module in ["", "-r", "a b", "a/b", "../x", "x.ko", "a\nb", "é", &long] {
        assert!(named(module).is_err(), "{module:?}");
    }
}

#[test]
fn only_a_refusal_denies() {
    for line in ["install /bin/false", "install /bin/false numdummies=0 x=a,b"] {
        assert!(denies(line), "{line}");
    }
    for line in [
        "",
        "insmod /lib/modules/x.ko",
        "install /bin/falsehood",
        "install /bin/false; insmod /tmp/x.ko",
        "install /bin/false || insmod /tmp/x.ko",
        "install /bin/false x=$(insmod /tmp/x.ko)",
        "install /bin/false x=1\n",
    ] {
        assert!(!denies(line), "{line}");
    }
}

/// Modprobe itself says what it would do.
#[test]
fn a_denial_counts_unless_something_is_ordered_before_it() {
    if !std::path::Path::new(MODPROBE).exists() {
        println!("skipped: there is no {MODPROBE}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    assert!(refused(root, "evil").unwrap().is_err(), "nothing denies it yet");
    deny(root, "evil").unwrap();
    assert_eq!(refused(root, "evil").unwrap(), Ok(()));
    for folder in CONFIGURATION {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("50-other.conf"), "options evil x=0\ninstall evil /bin/true\n").unwrap();
        assert_eq!(refused(root, "evil").unwrap(), Ok(()), "ours comes first");
    }
    for name in ["00-first.conf", "00-picket-evil.conf"] {
        let other = root.join("etc/modprobe.d").join(name);
        fs::write(&other, "install evil /bin/true\n").unwrap();
        assert_eq!(refused(root, "evil").unwrap(), Err("install /bin/true x=0".to_owned()), "{name}");
        fs::remove_file(other).unwrap();
    }
}
