use super::Accounts;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
toor:x:0:0::/root:/bin/sh\n\
daemon:x:1:1::/:/usr/sbin/nologin\n\
ann:x:1000:1000:Ann:/home/ann:/bin/bash\n\
bob:x:1001:27::/home/bob:/bin/zsh\n\
eve:x:1002:1002::/home/eve:/bin/bash\n\
robot:x:1003:1003::/:/usr/sbin/nologin\n\
broken\n";
const GROUP: &str = "root:x:0:\nsudo:x:27:ann,robot,nobody-of-that-name\nusers:x:100:eve\n";
const NOW_S: u64 = 20_000 * 24 * 3600;

fn guard(name: &str, shadow: &str) -> Option<&'static str> {
    Accounts::parse(PASSWD, GROUP, shadow).guard(name, NOW_S)
}

#[test]
fn root_by_whatever_name_and_accounts_of_elsewhere_are_not_locked() {
    for name in ["root", "toor"] {
        assert_eq!(guard(name, ""), Some("it is root's account"));
    }
    for name in ["nobody-of-that-name", "broken", "", "ann:x"] {
        assert_eq!(guard(name, ""), Some("the host has no such account of its own"), "{name}");
    }
    for name in ["ann", "bob", "eve", "daemon", "robot"] {
        assert_eq!(guard(name, ""), None, "{name}");
    }
}

#[test]
fn the_last_who_may_administer_is_not_locked() {
    // By the primary group as well as by the list of members; one that has ended, or has no shell, is none.
    let ended = "bob:*:19000::::::\nann:*:19000:0:99999:7::1:\nbob2:*:1::::::\n";
    assert_eq!(guard("bob", ended), Some("it is the last account that may administer the host"));
    assert_eq!(guard("ann", ended), None, "it may not any more");
    assert_eq!(guard("eve", ended), None);
    let later = "ann:*:19000:0:99999:7::20001:\n";
    assert_eq!(guard("bob", later), None, "the other one ends tomorrow");
}
