//! Owns: sign-ins told from a real sshd's log, beside a tier.
//! Never: a stand-in for sshd. Needs root and sshd; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::Tier;
use picket_model::raw::{RawKind, RawRecord};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";
const DEADLINE: Duration = Duration::from_secs(30);

/// One sshd of the test's own on a free port of 127.0.0.1, its keys and its log in a directory of its own.
struct Sshd {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key(at: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at);
    assert!(command.status().expect("ssh-keygen").success());
}

impl Sshd {
    fn start() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() || !Path::new(SSHD).exists() {
            println!("skipped: it needs root and {SSHD}");
            return None;
        }
        // Where sshd parts its privileges; empty, and made by the package's own unit otherwise.
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["host", "right", "wrong"] {
            key(&at(name));
        }
        fs::copy(at("right.pub"), at("authorized")).expect("a key");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("it").port();
        let here = directory.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication yes\nLogLevel VERBOSE\n"
        );
        fs::write(at("config"), config).expect("a configuration");
        let mut command = Command::new(SSHD);
        command.args(["-D", "-p", &port.to_string(), "-f"]).arg(at("config")).arg("-E").arg(at("log"));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("sshd");
        let sshd = Self { child, port, directory };
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                Instant::now() < end,
                "sshd does not listen: {}",
                fs::read_to_string(sshd.at("log")).unwrap_or_default()
            );
            std::thread::yield_now();
        }
        Some(sshd)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whether the sign-in of `user` succeeds.
    fn try_key(&self, user: &str, key: &str) -> bool {
        let options = ["BatchMode=yes", "PreferredAuthentications=publickey"];
        self.ssh(user, &options, |ssh| ssh.arg("-i").arg(self.at(key)))
    }

    fn try_password(&self, user: &str) -> bool {
        let askpass = self.at("askpass");
        fs::write(&askpass, "#!/bin/sh\necho no-such-password\n").expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&askpass, mode).expect("a mode");
        let options = ["PreferredAuthentications=password", "NumberOfPasswordPrompts=1", "PubkeyAuthentication=no"];
        self.ssh(user, &options, |ssh| ssh.env("SSH_ASKPASS", &askpass).env("SSH_ASKPASS_REQUIRE", "force"))
    }

    fn ssh<'a>(&self, user: &str, options: &[&str], change: impl FnOnce(&mut Command) -> &mut Command + 'a) -> bool {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string(), "-l", user]);
        for option in
            ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"].iter().chain(options)
        {
            ssh.args(["-o", option]);
        }
        ssh.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        change(&mut ssh);
        ssh.args(["127.0.0.1", "true"]);
        ssh.status().expect("ssh").success()
    }
}

fn signed(records: &[RawRecord], wanted: &str, good: bool) -> usize {
    let from: IpAddr = Ipv4Addr::LOCALHOST.into();
    let hit = |record: &&RawRecord| {
        matches!(&record.kind, RawKind::Authentication { user, success, source, service, .. }
            if user == wanted && *success == good && *source == Some(from) && service == "sshd")
    };
    records.iter().filter(hit).count()
}

fn until(source: &mut dyn Source, log: &Path, seen: impl Fn(&[RawRecord]) -> bool) -> Vec<RawRecord> {
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while !seen(&records) {
        let of_log = || fs::read_to_string(log).unwrap_or_default();
        let told = || {
            records.iter().filter(|r: &&RawRecord| matches!(r.kind, RawKind::Authentication { .. })).collect::<Vec<_>>()
        };
        assert!(Instant::now() < end, "sshd said:\n{}\nand told was {:?}", of_log(), told());
        records.extend(source.next(Duration::from_millis(100)).expect("the tier"));
    }
    records
}

#[test]
fn a_real_sshd_is_understood_beside_any_tier() {
    for tier in [Tier::Bare, Tier::Tracing] {
        let Some(sshd) = Sshd::start() else { return };
        let log = sshd.at("log");
        let options = SensorOptions { force: Some(tier), auth_logs: vec![log.clone()], ..SensorOptions::default() };
        let mut source = open(&options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(source.tier(), tier);
        assert!(!sshd.try_key("root", "wrong"));
        assert!(!sshd.try_password("root"));
        assert!(!sshd.try_password("nobody-here"));
        let hostile = "a from 198.51.100.9 port 5 ssh2";
        assert!(!sshd.try_password(hostile));
        assert!(sshd.try_key("root", "right"), "{}", fs::read_to_string(&log).unwrap_or_default());
        let records = until(&mut *source, &log, |records| {
            // A wrong key and a wrong password.
            signed(records, "root", true) >= 1
                && signed(records, "root", false) >= 2
                && signed(records, "nobody-here", false) >= 1
                && signed(records, hostile, false) >= 1
        });
        assert_eq!(signed(&records, "root", true), 1);
        assert_eq!(signed(&records, "nobody-here", false), 1, "an unknown name and its failure are one attempt");
        assert!(source.blind_spots().iter().any(|spot| spot.contains("feign")), "{:?}", source.blind_spots());
    }
}

#[test]
fn a_host_without_logs_says_so() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: it needs root");
        return;
    }
    let gone = vec![PathBuf::from("/nonexistent/auth.log")];
    let options = SensorOptions { force: Some(Tier::Bare), auth_logs: gone, ..SensorOptions::default() };
    let source = open(&options).unwrap_or_else(|e| panic!("{e}"));
    let spots = source.blind_spots();
    let said = |start: &str| spots.iter().any(|spot| spot.starts_with(start));
    // The kernel's audit may tell of those that PAM lets in.
    assert!(said("Sign-ins are not seen") || said("Sign-ins without PAM are not seen"), "{spots:?}");
}
