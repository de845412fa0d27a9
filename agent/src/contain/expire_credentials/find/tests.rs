use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Account, Place, all, setting};

const ANN: Account<'_> = Account { user: "ann", uid: 1000, home: "/home/ann" };

#[test]
fn a_pattern_of_sshd_leads_to_one_account_s_keys() {
    let below = |path: &str| Ok(Place::Below(path.into()));
    let at = |path: &str| Ok(Place::At(path.into()));
    for (pattern, place) in [
        (".ssh/authorized_keys", below(".ssh/authorized_keys")),
        ("%h/.ssh/keys", below(".ssh/keys")),
        ("keys.%u", below("keys.ann")),
        ("/etc/ssh/keys/%u", at("etc/ssh/keys/ann")),
        ("/etc/ssh/keys/%U%%", at("etc/ssh/keys/1000%")),
        ("/srv%h/keys", at("srv/home/ann/keys")),
        ("/etc/ssh/keys", Err("serves all accounts")),
        ("/etc/ssh/100%%", Err("serves all accounts")),
        ("/etc/ssh/%q", Err("has a sign that is not known here")),
        ("/etc/ssh/%", Err("has a sign that is not known here")),
    ] {
        assert_eq!(ANN.place(pattern), place, "{pattern}");
    }
    let odd = Account { user: "../root", ..ANN };
    assert!(odd.place("/etc/ssh/keys/%u").is_err());
}

#[test]
fn a_setting_is_a_word_and_what_follows_it() {
    let read = |line: &str| {
        let (word, values) = setting(line);
        format!("{word}: {}", values.join("|"))
    };
    assert_eq!(read("AuthorizedKeysFile .ssh/a  .ssh/b # why"), "authorizedkeysfile: .ssh/a|.ssh/b");
    assert_eq!(read("\tauthorizedkeysfile=\"/etc/a b/%u\""), "authorizedkeysfile: /etc/a b/%u");
    assert_eq!(read("Include = x.conf"), "include: x.conf");
    assert_eq!(read("# AuthorizedKeysFile x"), "#: AuthorizedKeysFile|x");
    assert_eq!(read(""), ": ");
}

proptest! {
    #[test]
    fn whatever_a_setting_says_is_survived(line in ".{0,80}", pattern in ".{0,40}") {
        let _ = setting(&line);
        if let Ok(Place::At(path)) = ANN.place(&pattern) {
            prop_assert!(path.is_relative());
        }
    }
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn the_settings_and_the_places_of_tickets_are_read() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().canonicalize().unwrap();
    put(&root, "home/ann/x", "");
    put(&root, "etc/ssh/sshd_config", "Include sshd_config.d/*.conf\nInclude /etc/ssh/sshd_config\n");
    put(&root, "etc/ssh/sshd_config.d/10.conf", "AuthorizedKeysFile none /etc/ssh/keys/%u /etc/ssh/all\n");
    put(&root, "etc/ssh/sshd_config.d/20.conf", "Match User x\n  AuthorizedKeysCommand /usr/bin/ask %u\n");
    put(&root, "etc/ssh/sshd_config.d/20.off", "AuthorizedKeysFile /never/%u\n");
    for name in ["krb5cc_1000", "krb5cc_1000_a1", "krb5cc_10001", "krb5cc_999", "other"] {
        put(&root, &format!("tmp/{name}"), "");
    }
    put(&root, "run/user/1000/krb5cc/primary", "");
    put(&root, "run/user/1000/krb5cc/tkt", "");
    put(&root, "run/user/1000/bus", "");
    let found = all(&root, "ann", 1000, "/home/ann").unwrap();
    let names = [
        "etc/ssh/keys/ann",
        "home/ann/.ssh/authorized_keys",
        "home/ann/.ssh/authorized_keys2",
        "run/user/1000/krb5cc/primary",
        "run/user/1000/krb5cc/tkt",
        "tmp/krb5cc_1000",
        "tmp/krb5cc_1000_a1",
    ];
    let expected: BTreeSet<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    assert_eq!(found.files, expected);
    let left: BTreeSet<String> = found.left.into_iter().collect();
    let words =
        ["AuthorizedKeysFile \"/etc/ssh/all\" serves all accounts", "keys by authorizedkeyscommand /usr/bin/ask"];
    assert_eq!(left, words.map(str::to_owned).into());

    let homeless = all(&root, "bob", 1001, "/nowhere").unwrap();
    assert_eq!(homeless.files, BTreeSet::from([root.join("etc/ssh/keys/bob")]));
}
