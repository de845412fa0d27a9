//! Owns: the filter in the kernel against real work: what the rules look at comes through, a build's files mostly do
//! not, and every file that was held back is counted to the session that made it.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::facts::boot_prefix;
use picket_agent::normalize::Normalizer;
use picket_agent::procfs;
use picket_agent::sensor::{InterestSetter, SensorOptions, Source, open};
use picket_detect::{Detector, IndicatorSource, pack};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, FileActivity, Interest, Tier};

const DEADLINE: Duration = Duration::from_secs(30);
/// Each is created, written, renamed and deleted.
const NOISE_FILES: u64 = 2_000;
const NOISE: &str = "PICKET_TEST_NOISE";

/// What the file rules of the pack look for, done for real on file systems of its own. `$1` is told to others when done.
const ATTACK: &str = r#"
set -e
umask 022
for place in /etc /var/log /var/spool /root /opt /usr/lib/systemd /usr/lib/udev; do
    mkdir -p $place
    mount -t tmpfs none $place
done
mkdir -p /etc/cron.d /etc/init.d /etc/update-motd.d /etc/pam.d /etc/profile.d /etc/ssh/sshd_config.d /etc/sudoers.d \
    /etc/systemd/system /etc/udev/rules.d /var/spool/cron/crontabs /var/log/journal/x /root/.ssh /root/.aws \
    /root/.config/systemd/user /opt/lib/security /usr/lib/systemd/system /usr/lib/udev/rules.d
echo x > /etc/passwd
echo x > /opt/shadow && mv /opt/shadow /etc/shadow
echo x > /root/.ssh/authorized_keys
ln -s /opt/keys /root/.ssh/authorized_keys2
echo x > /etc/rc.local
echo x > /etc/init.d/x
echo x > /etc/cron.d/x
echo x > /etc/crontab
echo x > /var/spool/cron/crontabs/root
echo x > /opt/hook && mv /opt/hook /etc/ld.so.preload
echo x > /var/log/auth.log
rm /var/log/auth.log
echo x > /var/log/journal/x/system.journal
rm /var/log/journal/x/system.journal
echo x > /etc/pam.d/sshd
echo x > /opt/lib/security/pam_x.so
echo x > /opt/run
chmod 4755 /opt/run
chmod 6755 /opt/run
cat /etc/shadow > /opt/plain
echo x > /root/.aws/credentials
cat /root/.aws/credentials > /opt/plain
echo x > /etc/profile
echo x > /etc/profile.d/x.sh
echo x > /etc/ssh/sshd_config
echo x > /etc/ssh/sshd_config.d/x.conf
echo x > /etc/sudoers
echo x > /etc/sudoers.d/x
echo x > /etc/systemd/system/x.service
echo x > /opt/unit && mv /opt/unit /usr/lib/systemd/system/y.timer
ln -s /opt/z.service /root/.config/systemd/user/z.service
echo x > /etc/udev/rules.d/99-x.rules
echo x > /usr/lib/udev/rules.d/99-y.rules
"#;

fn source() -> Option<(Box<dyn Source>, Box<dyn InterestSetter>)> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: BPF needs root");
        return None;
    }
    let tier = if std::env::var_os("PICKET_TEST_FULL").is_some() { Tier::Full } else { Tier::Tracing };
    // A ring that holds the whole noise: what is missing then was held back and not lost.
    let options = SensorOptions { force: Some(tier), file_ring_bytes: 32 << 20, ..SensorOptions::default() };
    let mut source = open(&options).unwrap_or_else(|e| panic!("{e}"));
    let setter = source.interest_setter().expect("a tier that can hold back");
    Some((source, setter))
}

fn detector() -> Detector {
    Detector::compile(&pack(), &IndicatorSource::default()).expect("the pack")
}

/// Not a test by itself: in a child, it makes files like a build does. The child's own records are wanted, not the test's.
#[test]
fn noise_of_a_build() {
    let Some(folder) = std::env::var_os(NOISE).map(PathBuf::from) else { return };
    for number in 0..NOISE_FILES {
        let (new, done) = (folder.join(format!("cc{number}.s")), folder.join(format!("unit{number}.o")));
        fs::write(&new, "x").unwrap();
        fs::rename(&new, &done).unwrap();
        fs::remove_file(&done).unwrap();
    }
}

/// In a session of its own, as a build machine's job is.
fn noise(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["noise_of_a_build", "--exact"]).env(NOISE, folder).stdout(Stdio::null());
    in_own_session(command)
}

fn in_own_session(mut command: Command) -> Child {
    let program = command.get_program().to_owned();
    let mut own = Command::new("setsid");
    own.arg("--wait").arg(program).args(command.get_args());
    own.envs(command.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    command = own;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().expect("setsid")
}

/// Everything that is told until `done` is created.
fn records_until(source: &mut dyn Source, done: &Path, act: impl FnOnce()) -> Vec<RawRecord> {
    let until = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    let marked = |record: &RawRecord| matches!(&record.kind, RawKind::File { path, .. } if Path::new(path) == done);
    act();
    while !records.iter().any(marked) {
        assert!(Instant::now() < until, "{} does not come", done.display());
        records.extend(source.next(Duration::from_millis(50)).expect("the rings"));
    }
    // What was held back is told within a second.
    let more = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < more {
        records.extend(source.next(Duration::from_millis(50)).expect("the rings"));
    }
    records
}

fn files_in<'r>(records: &'r [RawRecord], folder: &'r Path) -> impl Iterator<Item = FileActivity> + 'r {
    records.iter().filter_map(move |record| match &record.kind {
        RawKind::File { activity, path, .. } if Path::new(path).starts_with(folder) => Some(*activity),
        _ => None,
    })
}

/// What was held back, of all processes for which `mine` holds.
fn suppressed(records: &[RawRecord], mine: impl Fn(u32) -> bool) -> u64 {
    let counts = records.iter().filter(|record| record.actor.as_ref().is_some_and(|actor| mine(actor.pid)));
    let counts = counts.filter_map(|record| match &record.kind {
        RawKind::Plain(activity) => match activity.as_ref() {
            Activity::Suppressed { counts } => Some(counts.iter().map(|count| count.count).sum::<u64>()),
            _ => None,
        },
        _ => None,
    });
    counts.sum()
}

/// An attack in the middle of a build, and everything that the sensor tells of it.
fn play(source: &mut dyn Source, folder: &Path) -> Vec<RawRecord> {
    let done = folder.join("picket-done");
    let script = folder.join("attack.sh");
    fs::write(&script, ATTACK).unwrap();
    let build = folder.join("build");
    fs::create_dir_all(&build).unwrap();
    records_until(source, &done.clone(), || {
        let mut noise = noise(&build);
        let mut attack = Command::new("unshare");
        attack.args(["--mount", "--propagation", "private", "sh"]).arg(&script);
        let status = attack.status().expect("unshare");
        assert!(status.success(), "{status}");
        assert!(noise.wait().expect("the noise").success());
        // A name that is asked for always: it comes after all that went before.
        let said = Command::new("sh").args(["-c", "echo > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(&done).status();
        assert!(said.expect("sh").success());
    })
}

/// What the pack finds in these records, as rule and file.
fn found(records: &[RawRecord]) -> BTreeSet<(String, String)> {
    let ids = || *uuid::Uuid::new_v4().as_bytes();
    let mut normalizer = Normalizer::new(boot_prefix(), Box::new(ids));
    let mut detector = detector();
    let mut found = BTreeSet::new();
    for record in records {
        for event in normalizer.normalize(record.clone()) {
            let Activity::File { file, .. } = &event.activity else { continue };
            // Another agent on this machine looks at its accounts once a minute, and other tests have such files in folders
            // of their own; no program of ours touches either.
            if file.path == "/etc/gshadow" || Path::new(&file.path).starts_with(env!("CARGO_TARGET_TMPDIR")) {
                continue;
            }
            let hits = detector.observe(&event);
            found.extend(hits.into_iter().map(|hit| (hit.rule.id.to_string(), file.path.clone())));
        }
    }
    found
}

#[test]
fn nothing_that_the_pack_finds_is_held_back_and_a_build_mostly_is() {
    let Some((mut source, mut setter)) = source() else { return };
    let interest = detector().interest();
    let folder = tempfile::tempdir().unwrap();
    let build = folder.path().join("build");

    setter.set(&Interest::default()).unwrap();
    let whole = play(&mut *source, folder.path());
    let all = files_in(&whole, &build).count() as u64;
    assert!(all >= 4 * NOISE_FILES, "unfiltered, {all} of {} are told", 4 * NOISE_FILES);
    let expected = found(&whole);
    let rules: BTreeSet<&str> = expected.iter().map(|(rule, _)| rule.as_str()).collect();
    assert!(rules.len() >= 14 && expected.len() >= 28, "{expected:#?}");

    // The same records through the model of the filter, without any share for sessions.
    let admitted: Vec<RawRecord> = whole.iter().filter(|record| admitted(&interest, record)).cloned().collect();
    assert_eq!(found(&admitted), expected, "recorded");

    fs::remove_file(folder.path().join("picket-done")).unwrap();
    setter.set(&interest).unwrap();
    let filtered = play(&mut *source, folder.path());
    assert_eq!(found(&filtered), expected, "live");
    let told = files_in(&filtered, &build).count() as u64;
    assert!(told * 100 <= all * 6, "{told} of {all} records of the build are told");
    let held = suppressed(&filtered, |_| true);
    assert!(told + held >= all, "{told} told and {held} counted of {all}");
    println!("{} of {all} records of the build were held back; {} detections", all - told, expected.len());
}

fn admitted(interest: &Interest, record: &RawRecord) -> bool {
    match &record.kind {
        RawKind::File { activity, path, old_path, mode, .. } => {
            interest.files.admits(*activity, path, old_path.as_deref(), *mode)
        }
        _ => true,
    }
}

// Whoever panics here ends the whole test process.
#[allow(clippy::zombie_processes)]
/// A shell that waits for a line and then makes files, through a child of its own.
fn shell(folder: &Path, count: u32) -> (Child, u32) {
    let script = "read -r go; sh -c 'i=0; while [ $i -lt $2 ]; do : > $1/t$i.tmp; i=$((i+1)); done' sh \"$1\" \"$2\"; echo > \"$1/done\"; chmod 755 \"$1/done\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder).arg(count.to_string());
    let child = in_own_session(command);
    // setsid forks where it leads a group already; the shell is then its child.
    let until = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < until, "no shell below {}", child.id());
        let below = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        let pid = below.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let is_shell = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sh\n");
        if let Some(pid) = pid.filter(is_shell) {
            return (child, pid);
        }
        std::thread::yield_now();
    }
}

fn let_run(mut child: Child) {
    child.stdin.take().expect("a pipe").write_all(b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_session_has_its_share_and_the_rest_is_counted_to_it_exactly() {
    const COUNT: u32 = 1_500;
    let Some((mut source, mut setter)) = source() else { return };
    setter.set(&detector().interest()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (child, pid) = shell(folder.path(), COUNT);
    let records = records_until(&mut *source, &folder.path().join("done"), || let_run(child));
    let told = files_in(&records, folder.path()).count() as u64;
    // The shell, and the shell below it.
    let family: BTreeSet<u32> = records
        .iter()
        .filter_map(|record| match (&record.kind, &record.actor) {
            (RawKind::Fork { child_pid, .. }, Some(actor)) if actor.pid == pid => Some(*child_pid),
            _ => None,
        })
        .chain([pid])
        .collect();
    let held = suppressed(&records, |pid| family.contains(&pid));
    assert!((200..COUNT.into()).contains(&told), "{told} told: ordinary work must stay searchable");
    // Each file is created and written; so is the last, whose mode changes as well.
    assert_eq!(told + held, u64::from(COUNT) * 2 + 3, "{told} told and {held} counted");
}

#[test]
fn of_a_watched_process_and_its_children_everything_is_told() {
    const COUNT: u32 = 1_000;
    let Some((mut source, mut setter)) = source() else { return };
    setter.set(&detector().interest()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (child, pid) = shell(folder.path(), COUNT);
    setter.watch(pid, procfs::start_ticks(pid).expect("its start")).unwrap();
    let records = records_until(&mut *source, &folder.path().join("done"), || let_run(child));
    let created = files_in(&records, folder.path()).filter(|activity| *activity == FileActivity::Create).count();
    assert_eq!(created, COUNT as usize + 1);
}

#[test]
fn an_interest_that_does_not_fit_holds_nothing_back() {
    let Some((mut source, mut setter)) = source() else { return };
    setter.set(&detector().interest()).unwrap();
    let mut interest = detector().interest();
    interest.files.paths.names.extend((0..5_000).map(|number| format!("name{number}")));
    let refused = setter.set(&interest).unwrap_err().to_string();
    assert!(refused.contains("5") && refused.contains("all files are told"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let (child, _) = shell(folder.path(), 600);
    let records = records_until(&mut *source, &folder.path().join("done"), || let_run(child));
    assert_eq!(files_in(&records, folder.path()).filter(|activity| *activity == FileActivity::Create).count(), 601);
}

/// Names around every edge of the kernel's comparison; those that the model does not admit stand among them.
fn edges() -> Vec<String> {
    let long = |count: usize| "n".repeat(count);
    let mut names: Vec<String> = [
        "wanted",
        "WANTED",
        "Wanted.txt",
        "wanted2",
        "xwanted",
        "x.svc",
        "x.SVC",
        "x.y.svc",
        "svc",
        "xsvc",
        ".svc",
        "x.svc.bak",
        "x.",
        "x.a-longer-ending",
        "x.a-longer-ending2",
        "a-fragment_xyz",
        "FRAGMENT_X",
        "fragment",
        "\u{212a}wanted",
        "é",
        "x y",
        "seven.x",
        "eight.xy",
        "12345678.svc",
        "123456789012.svc",
    ]
    .map(str::to_owned)
    .into();
    names.extend([
        long(31),
        long(32),
        long(30),
        long(200),
        format!("{}.svc", long(200)),
        format!("{}fragment_x", long(40)),
    ]);
    names.push(format!("{}fragment_x", long(100)));
    names
}

#[test]
fn the_kernel_never_holds_back_what_the_model_admits() {
    let Some((mut source, mut setter)) = source() else { return };
    let mut interest = Interest::default();
    interest.files.whole.clear();
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<String>>();
    interest.files.paths.names = set(&["wanted", &"n".repeat(31)]);
    interest.files.paths.endings = set(&["svc", "a-longer-ending"]);
    interest.files.paths.fragments = set(&["fragment_x"]);
    setter.set(&interest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The share is spent first. The names are the caller's text for the deletion, in a form that must be taken apart.
    let script = "cd \"$1\"; i=0; while [ $i -lt 400 ]; do : > t$i; i=$((i+1)); done; mkdir -p a sub b/wanted; shift
        for name; do : > \"a/$name\"; : > \"sub/$name\"; : > \"b/wanted/$name\"; done
        for name; do rm -f \"sub/../sub/./$name\"; done; echo > done; chmod 755 done";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder.path()).args(edges());
    let records = records_until(&mut *source, &folder.path().join("done"), || {
        assert!(in_own_session(command).wait().unwrap().success());
    });
    let told = |path: &Path, wanted: FileActivity| {
        records.iter().any(|record| matches!(&record.kind, RawKind::File { activity, path: at, .. } if *activity == wanted && Path::new(at) == path))
    };
    let (mut admitted, mut slipped, mut held) = (0, 0, 0);
    for name in edges() {
        for (place, deleted) in [("a", false), ("sub", true), ("b/wanted", false)] {
            let path = folder.path().join(place).join(&name);
            let is_admitted = interest.files.admits(FileActivity::Create, path.to_str().unwrap(), None, 0o100_644);
            let is_told = told(&path, FileActivity::Create) && (!deleted || told(&path, FileActivity::Delete));
            assert!(is_told || !is_admitted, "{} is held back", path.display());
            match (is_admitted, is_told) {
                (true, _) => admitted += 1,
                (false, true) => slipped += 1,
                (false, false) => held += 1,
            }
        }
    }
    assert!(
        admitted > edges().len() && held > 10 && slipped < held,
        "{admitted} admitted, {held} held back, {slipped} not"
    );
}
