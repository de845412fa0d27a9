//! Owns: tests of sign-ins as PAM, sshd, su, sudo and login send them.
//! Never: a kernel.

use picket_model::AuthActivity;
use picket_model::raw::RawKind;
use proptest::prelude::*;

use super::SignIns;
use crate::sensor::audit::record::open;

type Told = (AuthActivity, String, String, String, bool);

fn hear(signs: &mut SignIns, kind: u16, said: &str) -> Option<Told> {
    let text = format!("audit(1700000000.500:9): pid=77 uid=0 auid=0 ses=1 msg='{said}'");
    let (stamp, fields) = open(text.as_bytes()).expect("a record");
    let record = signs.hear(kind, stamp, fields)?;
    assert_eq!(record.actor.map(|actor| actor.pid), Some(77));
    let RawKind::Authentication { activity, user, service, source, success } = record.kind else { return None };
    Some((activity, user, service, source.map(|ip| ip.to_string()).unwrap_or_default(), success))
}

fn pam(op: &str, acct: &str, exe: &str, addr: &str, res: &str) -> String {
    format!(
        "op=PAM:{op} grantors=pam_unix acct={acct} exe=\"{exe}\" hostname={addr} addr={addr} terminal=ssh res={res}"
    )
}

fn is(activity: AuthActivity, user: &str, service: &str, source: &str, success: bool) -> Option<Told> {
    Some((activity, user.into(), service.into(), source.into(), success))
}

#[test]
fn a_session_of_sshd_is_one_logon_and_one_logoff() {
    let mut signs = SignIns::default();
    let sshd = "/usr/sbin/sshd";
    let said = |op: &str| pam(op, "\"anna\"", sshd, "192.0.2.7", "success");
    let told: Vec<_> = [(1100, "authentication"), (1101, "accounting"), (1103, "setcred"), (1105, "session_open")]
        .into_iter()
        .filter_map(|(kind, op)| hear(&mut signs, kind, &said(op)))
        .collect();
    assert_eq!(told, Vec::from_iter(is(AuthActivity::Logon, "anna", "sshd", "192.0.2.7", true)));
    let own =
        "op=login id=1000 exe=\"/usr/sbin/sshd\" hostname=192.0.2.7 addr=192.0.2.7 terminal=/dev/pts/1 res=success";
    assert_eq!(hear(&mut signs, 1112, own), None);
    let off = hear(&mut signs, 1106, &said("session_close"));
    assert_eq!(off, is(AuthActivity::Logoff, "anna", "sshd", "192.0.2.7", true));
}

#[test]
fn a_wrong_password_is_told_once_whoever_repeats_it() {
    let mut signs = SignIns::default();
    let failed = pam("authentication", "\"root\"", "/usr/lib/openssh/sshd-session", "2001:db8::1", "failed");
    assert_eq!(hear(&mut signs, 1100, &failed), is(AuthActivity::Logon, "root", "sshd", "2001:db8::1", false));
    let again = "op=password acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=ssh res=failed";
    assert_eq!(hear(&mut signs, 1100, again), None);
    let none = "op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=sshd res=failed";
    assert_eq!(hear(&mut signs, 1112, none), None);
    let key = "op=pubkey acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=ssh res=failed";
    assert!(hear(&mut signs, 1100, key).is_some());
}

#[test]
fn su_sudo_and_login_are_told_and_the_service_manager_is_not() {
    let mut signs = SignIns::default();
    for name in ["su", "sudo", "login", "cron"] {
        let open = pam("session_open", "726F6F74", &format!("/usr/bin/{name}"), "?", "success");
        assert_eq!(hear(&mut signs, 1105, &open), is(AuthActivity::Logon, "root", name, "", true));
    }
    let own = "op=login acct=\"root\" exe=\"/usr/bin/login\" hostname=? addr=? terminal=/dev/tty1 res=success";
    assert_eq!(hear(&mut signs, 1112, own), None, "PAM has told it");
    let own = own.replace("success", "failed");
    assert!(hear(&mut signs, 1112, &own).is_some(), "PAM has not told this one");
    let manager = pam("session_open", "\"root\"", "/usr/lib/systemd/systemd", "?", "success");
    assert_eq!(hear(&mut signs, 1105, &manager), None);
}

proptest! {
    #[test]
    fn hostile_messages_never_panic(kind in 1099u16..1115, said in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = [&b"audit(1.1:1): pid=1 msg='op=PAM:x res=failed exe=\"/a\" acct="[..], &said, b"'"].concat();
        if let Some((stamp, fields)) = open(&text) {
            let _ = SignIns::default().hear(kind, stamp, fields);
        }
    }
}
