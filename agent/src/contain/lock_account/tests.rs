use super::{edited, is_locked, line, lock_fields, unlock_fields};

fn locked(content: &str, user: &str) -> Option<String> {
    edited(content.as_bytes(), user, lock_fields).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn unlocked(old: &str, now: &str, user: &str) -> String {
    let before = line(old.as_bytes(), user).unwrap();
    let bytes = edited(now.as_bytes(), user, |fields| unlock_fields(fields, before)).unwrap();
    String::from_utf8(bytes).unwrap()
}

const SHADOW: &str =
    "root:$y$j9T$r:19000:0:99999:7:::\nann:$y$j9T$a:19000:0:99999:7:::\nannabel:*:19000:0:99999:7:::\n";

#[test]
fn a_lock_is_on_one_account_by_password_and_by_end() {
    let now = locked(SHADOW, "ann").unwrap();
    assert_eq!(now, SHADOW.replace("ann:$y$j9T$a:19000:0:99999:7:::", "ann:!$y$j9T$a:19000:0:99999:7::1:"));
    assert!(is_locked(line(now.as_bytes(), "ann").unwrap()));
    assert_eq!(locked(&now, "ann").as_deref(), Some(now.as_str()), "locked already");
    for user in ["an", "anna", "", "nobody", "annabel:"] {
        assert_eq!(locked(SHADOW, user), None, "{user:?}");
    }
    assert_eq!(locked("ann:x", "ann").unwrap(), "ann:!x::::::1:", "a short line gets its fields");
    assert_eq!(locked("x:1\nann:x:::::::\nx:1", "ann").unwrap(), "x:1\nann:!x::::::1:\nx:1");
    assert_eq!(locked("b:p:::::::\nb:p:::::::\n", "b").unwrap(), "b:!p::::::1:\nb:p:::::::\n", "the one that counts");
}

#[test]
fn an_unlocking_undoes_the_lock_and_nothing_else() {
    let now = locked(SHADOW, "ann").unwrap();
    assert_eq!(unlocked(SHADOW, &now, "ann"), SHADOW);
    // The password was set anew and another account added while it was locked.
    let changed = now.replace("!$y$j9T$a", "$new") + "new:*:::::::\n";
    assert_eq!(unlocked(SHADOW, &changed, "ann"), SHADOW.replace("$y$j9T$a", "$new") + "new:*:::::::\n");
    // Somebody gave it another end.
    let ends = now.replace("::1:", "::21000:");
    assert_eq!(
        unlocked(SHADOW, &ends, "ann"),
        SHADOW.replace("ann:$y$j9T$a:19000:0:99999:7:::", "ann:$y$j9T$a:19000:0:99999:7::21000:")
    );
    // Without a password it was before, and without one it stays.
    let closed = "ann:!:19000:0:99999:7:::\n";
    assert_eq!(unlocked(closed, &locked(closed, "ann").unwrap(), "ann"), closed);
}
