//! Owns: how unit files are read.
//! Never: this machine's own units.

use proptest::prelude::*;

use super::*;

#[test]
fn a_service_says_what_it_starts() {
    let text = b"[Unit]\nDescription=x=y\n[Service]\n# ExecStart=/no\nExecStart=/bin/old\nExecStart=\nExecStart=-/bin/a \\\n; a comment\n  --b c\nExecStart = /bin/d\nUser=eve\n";
    let unit = UnitText::parse(text);
    assert_eq!(unit.command("a.service"), "-/bin/a  --b c; /bin/d");
    assert_eq!(unit.user().as_deref(), Some("eve"));
}

#[test]
fn a_timer_says_when_and_what() {
    let unit = UnitText::parse(b"[Timer]\nOnCalendar=daily\nOnBootSec=5min\nPersistent=true\n");
    assert_eq!(unit.schedule(), "OnCalendar=daily; OnBootSec=5min");
    assert_eq!(unit.starts("x.timer"), "x.service");
    let unit = UnitText::parse(b"[Timer]\nOnCalendar=daily\nOnCalendar=\nOnCalendar=*:0/5\nUnit=other.service");
    assert_eq!((unit.schedule(), unit.starts("x.timer")), ("OnCalendar=*:0/5".into(), "other.service".into()));
}

#[test]
fn sockets_and_paths_say_what_wakes_them() {
    assert_eq!(UnitText::parse(b"[Socket]\nListenStream=22\n").command("a.socket"), "ListenStream=22");
    assert_eq!(UnitText::parse(b"[Path]\nPathExists=/x\n").command("a.path"), "PathExists=/x");
}

#[test]
fn an_instance_is_made_from_its_template() {
    assert_eq!(template("getty@tty1.service").as_deref(), Some("getty@.service"));
    assert_eq!(template("getty@.service"), None);
    assert_eq!(template("ssh.service"), None);
}

proptest! {
    #[test]
    fn no_bytes_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000), name in "\\PC{0,16}") {
        let unit = UnitText::parse(&bytes);
        unit.command(&name);
        unit.schedule();
        unit.starts(&name);
        template(&name);
    }

    #[test]
    fn hostile_lines_never_hide_the_last_command(noise in "(\\PC|\n|\\\\){0,200}", command in "/[a-z/]{1,20}") {
        let unit = UnitText::parse(format!("{noise}\n\nExecStart=\nExecStart={command}\n").as_bytes());
        prop_assert_eq!(unit.command("a.service"), command);
    }
}
