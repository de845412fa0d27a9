//! Owns: what a host is remembered by, over restarts, and what looks at real files tell.
//! Never: this machine's own files.

use std::os::unix::fs::symlink;

use super::*;

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().expect("a directory"));
        for folder in
            ["etc/cron.d", "etc/systemd/system/multi-user.target.wants", "var/spool/cron/crontabs", "state", "opt"]
        {
            fs::create_dir_all(host.at(folder)).expect("a folder");
        }
        host.put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        host.put("etc/group", "root:x:0:\n");
        host.put("etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).expect("a file");
    }

    fn open(&self) -> (Known, Vec<String>) {
        let (known, told) = Known::open(self.0.path(), Some(&self.at("state"))).expect("random bytes");
        (known, told.iter().map(say).collect())
    }
}

fn say(activity: &Activity) -> String {
    match activity {
        Activity::Account { change } => format!("account {} {}", change.activity.word(), change.name),
        Activity::Group { change } => format!("group {} {}", change.activity.word(), change.name),
        Activity::ScheduledJob { job } => {
            let words = [job.activity.word(), job.kind.word(), &job.user, &job.schedule, &job.command];
            format!("job {}", words.join(" "))
        }
        Activity::Service { change } => {
            format!("service {} {} {}", change.activity.word(), change.name, change.command)
        }
        other => format!("{other:?}"),
    }
}

fn rescan(known: &mut Known) -> Vec<String> {
    known.stale().iter().flat_map(|subject| known.renew(subject)).map(|activity| say(&activity)).collect()
}

#[test]
fn the_first_look_tells_nothing_and_the_next_start_tells_what_changed_meanwhile() {
    let host = Host::new();
    let (mut known, told) = host.open();
    assert_eq!(told, Vec::<String>::new());
    known.save().expect("saved");
    drop(known);
    host.put("etc/passwd", "root:x:0:0::/root:/bin/sh\neve:x:0:0::/:/bin/sh\n");
    host.put("var/spool/cron/crontabs/root", "@reboot /tmp/x\n");
    fs::remove_file(host.at("etc/systemd/system/a.service")).expect("a file");
    let (mut known, told) = host.open();
    assert_eq!(
        told,
        ["account created eve", "service deleted a.service /bin/a", "job created cron root @reboot /tmp/x"]
    );
    known.save().expect("saved");
    assert_eq!(host.open().1, Vec::<String>::new());
}

#[test]
fn a_state_that_is_garbage_is_a_first_start() {
    let host = Host::new();
    host.put("state/host-state.json", "{\"version\":1,\"key\":[],");
    assert_eq!(host.open().1, Vec::<String>::new());
}

#[test]
fn units_timers_links_and_drop_ins() {
    let host = Host::new();
    let (mut known, _) = host.open();
    let wants = "etc/systemd/system/multi-user.target.wants/a.service";
    symlink("/etc/systemd/system/a.service", host.at(wants)).expect("a link");
    assert_eq!(rescan(&mut known), ["service enabled a.service /bin/a"]);
    fs::remove_file(host.at(wants)).expect("a link");
    assert_eq!(rescan(&mut known), ["service disabled a.service /bin/a"]);

    host.put("etc/systemd/system/a.timer", "[Timer]\nOnCalendar=daily\n");
    assert_eq!(rescan(&mut known), ["job created timer root OnCalendar=daily /bin/a"]);
    host.put("etc/systemd/system/a.timer", "[Timer]\nOnCalendar=hourly\n");
    assert_eq!(rescan(&mut known), ["job modified timer root OnCalendar=hourly /bin/a"]);
    host.put("etc/systemd/system/a.service", "[Service]\nExecStart=/bin/b\n");
    assert_eq!(rescan(&mut known), ["service modified a.service /bin/b"]);

    fs::create_dir(host.at("etc/systemd/system/a.service.d")).expect("a folder");
    host.put("etc/systemd/system/a.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/evil\n");
    assert_eq!(rescan(&mut known), ["service modified a.service /bin/evil"]);

    symlink("/dev/null", host.at("etc/systemd/system/b.service")).expect("a link");
    assert_eq!(rescan(&mut known), ["service disabled b.service "]);
    symlink("/etc/systemd/system/a.service", host.at("etc/systemd/system/alias.service")).expect("a link");
    assert_eq!(rescan(&mut known), ["service enabled a.service /bin/b"]);
    host.put("opt/c.service", "[Service]\nExecStart=/opt/c\n");
    symlink(host.at("opt/c.service"), host.at("etc/systemd/system/c.service")).expect("a link");
    assert_eq!(rescan(&mut known), ["service created c.service /opt/c"]);
}

#[test]
fn an_account_file_that_is_away_is_not_everybody_deleted() {
    let host = Host::new();
    let (mut known, _) = host.open();
    fs::remove_file(host.at("etc/passwd")).expect("a file");
    assert_eq!(rescan(&mut known), Vec::<String>::new());
    host.put("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1:1::/:/bin/sh\n");
    assert_eq!(rescan(&mut known), ["account created ann"]);
}

#[test]
fn pipes_devices_and_folders_in_their_place_hold_nobody_up() {
    let host = Host::new();
    let (mut known, _) = host.open();
    let units = host.at("etc/systemd/system");
    nix::unistd::mkfifo(&units.join("p.service"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::create_dir(units.join("d.service")).expect("a folder");
    symlink("loop.service", units.join("loop.service")).expect("a link");
    symlink("/dev/zero", host.at("etc/cron.d/zero")).expect("a link");
    rescan(&mut known);
    host.put("etc/cron.d/real", "* * * * * root x\n");
    assert_eq!(rescan(&mut known), ["job created cron root * * * * * x"]);
}

/// Mounts a file system that never answers where a home is, in a mount namespace that the test above made.
#[test]
#[ignore = "run by another in a mount namespace of its own"]
fn beside_a_home_that_does_not_answer() {
    use std::os::fd::AsRawFd;
    let host = Host::new();
    fs::create_dir_all(host.at("home/ann")).expect("a home");
    host.put("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1:1::/home/ann:/bin/sh\n");
    // Nobody serves it: whoever looks at it waits until this is closed.
    let fuse = fs::File::options().read(true).write(true).open("/dev/fuse").expect("fuse");
    let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
    let flags = nix::mount::MsFlags::empty();
    let at = host.at("home/ann");
    nix::mount::mount(Some("picket-test"), &at, Some("fuse"), flags, Some(&*data)).expect("a mount");
    let (done, opened) = std::sync::mpsc::sync_channel(1);
    let root = host.0.path().to_path_buf();
    let looks = std::thread::spawn(move || {
        let (mut known, _) = Known::open(&root, None).expect("random bytes");
        known.renew("/home/ann/.config/systemd/user/a.service");
        known.renew("/etc/passwd");
        fs::write(root.join("etc/cron.d/real"), "* * * * * root x\n").expect("a file");
        let told = rescan(&mut known);
        let _ = done.send((told, known.unreached().blind_spot()));
    });
    let outcome = opened.recv_timeout(std::time::Duration::from_secs(20));
    drop(fuse);
    nix::mount::umount2(&at, nix::mount::MntFlags::MNT_DETACH).expect("unmounted");
    looks.join().expect("an end");
    let (told, blind) = outcome.expect("it waits for a home that does not answer");
    assert_eq!(told, ["job created cron root * * * * * x"]);
    assert!(blind.expect("a blind spot").contains("/home/ann/.config/systemd/user"));
}

#[test]
fn a_home_that_does_not_answer_is_a_blind_spot_and_holds_nobody_up() {
    if !nix::unistd::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        println!("skipped: it takes root and FUSE");
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let name = "sensor::state::known::tests::beside_a_home_that_does_not_answer";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "--propagation", "private"]).arg(own).args(["--ignored", "--exact", "--nocapture", name]);
    let output = command.output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said} {}", String::from_utf8_lossy(&output.stderr));
}
