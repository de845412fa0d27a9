//! Owns: what a change of the account files is told as, and that no bytes in them harm.
//! Never: this machine's own accounts.

use picket_model::AccountActivity::{Created, Deleted, Modified};
use proptest::prelude::*;

use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\nann:$y$salt$hash:19000:0:99999:7:::\n";

fn told(passwd: &str, shadow: &str) -> Vec<AccountChange> {
    let (old, _) = accounts(PASSWD.as_bytes(), Some(SHADOW.as_bytes()), b"key");
    let (new, _) = accounts(passwd.as_bytes(), Some(shadow.as_bytes()), b"key");
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| account_change(old.get(name), new.get(name))).collect()
}

#[test]
fn each_change_of_an_account_is_told_by_what_differs() {
    let changes: [(&str, String, String, &[&str]); 7] = [
        ("uid", PASSWD.replace("ann:x:1000", "ann:x:0"), SHADOW.into(), &["uid"]),
        ("home and shell", PASSWD.replace("/home/ann:/bin/sh", "/tmp:/bin/bash"), SHADOW.into(), &["home", "shell"]),
        ("comment", PASSWD.replace(":Ann:", ":Anna:"), SHADOW.into(), &["comment"]),
        ("password", PASSWD.into(), SHADOW.replace("$hash", "$other"), &["password"]),
        ("locked", PASSWD.into(), SHADOW.replace("ann:$", "ann:!$"), &["locked"]),
        ("first password", PASSWD.into(), SHADOW.replace("root:*", "root:$y$a$b"), &["password", "unlocked"]),
        ("expiry", PASSWD.into(), SHADOW.replace("hash:19000:0:99999:7:::", "hash:19000:0:99999:7::1:"), &["expiry"]),
    ];
    for (what, passwd, shadow, expected) in changes {
        let told = told(&passwd, &shadow);
        assert_eq!(told.len(), 1, "{what}: {told:?}");
        assert_eq!((told[0].activity, told[0].changed.as_slice()), (Modified, &expected.map_strings()[..]), "{what}");
    }
    assert_eq!(told(PASSWD, SHADOW), []);
}

trait Strings {
    fn map_strings(&self) -> Vec<String>;
}

impl Strings for &[&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(|word| (*word).to_owned()).collect()
    }
}

#[test]
fn an_account_comes_and_goes_whole() {
    let made = told(&format!("{PASSWD}eve:x:0:0::/:/bin/sh\n"), SHADOW);
    assert_eq!((made.len(), made[0].activity, made[0].name.as_str(), made[0].uid), (1, Created, "eve", 0));
    let gone = told("root:x:0:0:root:/root:/bin/bash\n", SHADOW);
    assert_eq!((gone.len(), gone[0].activity, gone[0].name.as_str()), (1, Deleted, "ann"));
}

#[test]
fn a_shadow_file_that_cannot_be_read_is_no_changed_password() {
    let (old, _) = accounts(PASSWD.as_bytes(), Some(SHADOW.as_bytes()), b"key");
    let (new, _) = accounts(PASSWD.as_bytes(), None, b"key");
    assert_eq!(account_change(old.get("ann"), new.get("ann")), None);
}

#[test]
fn no_hash_is_kept() {
    let (kept, _) = accounts(PASSWD.as_bytes(), Some(SHADOW.as_bytes()), b"key");
    let text = serde_json::to_string(&kept).unwrap_or_default();
    assert!(text.contains("ann") && !text.contains("salt") && !text.contains("hash\""), "{text}");
    let (other, _) = accounts(PASSWD.as_bytes(), Some(SHADOW.as_bytes()), b"another key");
    assert_ne!(kept.get("ann"), other.get("ann"), "two hosts' digests must not be comparable");
}

#[test]
fn groups_tell_who_came_and_who_went() {
    let of = |group: &str, gshadow: &str| groups(group.as_bytes(), Some(gshadow.as_bytes()), b"key").0;
    let change = |old: &BTreeMap<String, Group>, new: &BTreeMap<String, Group>| {
        group_change(old.get("sudo"), new.get("sudo"))
            .map(|change| (change.activity, change.added.join(" "), change.removed.join(" ")))
    };
    let old = of("sudo:x:27:ann,bob\n", "sudo:!::ann,bob\n");
    let told = |group: &str, gshadow: &str| change(&old, &of(group, gshadow));
    assert_eq!(told("sudo:x:27:ann,bob\n", "sudo:!::ann,bob\n"), None);
    assert_eq!(told("sudo:x:27:ann,eve\n", "sudo:!::ann,eve\n"), Some((Modified, "eve".into(), "bob".into())));
    assert_eq!(told("sudo:x:27:ann,bob\n", "sudo:!::ann,bob,eve\n"), Some((Modified, "eve".into(), String::new())));
    assert_eq!(told("sudo:x:0:ann,bob\n", "sudo:!::ann,bob\n"), Some((Modified, String::new(), String::new())));
    assert_eq!(told("sudo:x:27:ann,bob\n", "sudo:$y$x::ann,bob\n"), Some((Modified, String::new(), String::new())));
    assert_eq!(told("", ""), Some((Deleted, String::new(), "ann bob".into())));
    assert_eq!(change(&of("", ""), &old), Some((Created, "ann bob".into(), String::new())));
}

#[test]
fn the_first_line_of_a_name_counts_and_what_is_beyond_the_limit_is_counted() {
    let (kept, _) = accounts(b"a:x:1:1::/:/bin/sh\na:x:0:0::/:/bin/sh\n", None, b"");
    assert_eq!(kept["a"].uid, 1);
    let many: String = (0..ENTRIES_MAX + 5).map(|n| format!("u{n}:x:{n}:1::/:/bin/sh\n")).collect();
    let (kept, beyond) = accounts(many.as_bytes(), None, b"");
    assert_eq!((kept.len(), beyond), (ENTRIES_MAX, 5));
}

proptest! {
    #[test]
    fn no_bytes_harm(one in prop::collection::vec(any::<u8>(), 0..2000), other in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (kept, _) = accounts(&one, Some(&other), b"key");
        for account in kept.values() {
            prop_assert!(account.home.chars().count() <= FIELD_CHARS_MAX);
        }
        groups(&one, Some(&other), b"key");
    }

    #[test]
    fn what_useradd_may_write_is_read_back(name in "[a-z_][a-z0-9_-]{0,31}", uid: u32, gid: u32, home in "/[ -9;-~]{0,40}") {
        let (kept, _) = accounts(format!("{name}:x:{uid}:{gid}::{home}:/bin/sh\n").as_bytes(), None, b"");
        let account = &kept[&name];
        prop_assert_eq!((account.uid, account.gid, &account.home), (uid, gid, &home));
    }
}
