//! Owns: the kernel's audit, really taken and really given back: sign-ins of PAM, and what the bare tier sees by it.
//! Never: a stand-in for the kernel. Needs root and an audit that nobody holds; skipped with a word otherwise.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holding::holder;
use picket_agent::sensor::Source;
use picket_model::raw::{RawKind, RawProcess, RawRecord};
use picket_model::{
    Activity, AuthActivity, FileActivity, KernelOperation, MountActivity, NetActivity, PrivilegeKind, ProcessAccess,
    Tier,
};

mod holding;

const DEADLINE: Duration = Duration::from_secs(30);
/// Reads until `seen` is content with what `pid` did and what the sensor says of itself.
fn until(source: &mut dyn Source, pid: u32, what: &str, seen: impl Fn(&[RawRecord]) -> bool) -> Vec<RawRecord> {
    let end = Instant::now() + DEADLINE;
    let (mut records, mut others, mut lost) = (Vec::new(), 0, Vec::new());
    while !seen(&records) {
        assert!(Instant::now() < end, "no {what} among {others} others; lost {lost:?}: {records:?}");
        for record in source.next(Duration::from_millis(100)).expect("the tier") {
            match &record.kind {
                // A busy host does much beside, and looking through all of it again and again would lag behind it.
                RawKind::Loss { counts } => lost.extend(counts.clone()),
                RawKind::Notice { .. } => records.push(record),
                RawKind::Exec(process) if process.ppid == pid => records.push(record),
                _ if by(&record, pid) => records.push(record),
                _ => others += 1,
            }
        }
    }
    records
}

fn by(record: &RawRecord, pid: u32) -> bool {
    record.actor.as_ref().is_some_and(|actor| actor.pid == pid)
}

fn plain(record: &RawRecord) -> Option<&Activity> {
    if let RawKind::Plain(activity) = &record.kind { Some(activity) } else { None }
}

/// Runs python and gives its pid.
fn python(script: &str) -> u32 {
    let mut child = Command::new("python3").args(["-c", script]).stdin(Stdio::null()).spawn().expect("python3");
    let pid = child.id();
    assert!(child.wait().expect("an end").success(), "{script}");
    pid
}

#[test]
fn su_signs_in_and_off_on_every_tier() {
    if !Path::new("/usr/bin/su").exists() {
        println!("skipped: there is no su");
        return;
    }
    for tier in [Tier::Bare, Tier::Tracing] {
        let Some(mut source) = holder(tier) else { return };
        let mut su = Command::new("su").args(["nobody", "-s", "/bin/true"]).spawn().expect("su");
        let pid = su.id();
        assert!(su.wait().expect("an end").success());
        let count = |records: &[RawRecord], wanted: AuthActivity| {
            let hit = |r: &&RawRecord| {
                by(r, pid)
                    && matches!(&r.kind, RawKind::Authentication { activity, user, service, success: true, source: None }
                        if *activity == wanted && user == "nobody" && service == "su")
            };
            records.iter().filter(hit).count()
        };
        let records = until(&mut *source, pid, "logoff", |r| count(r, AuthActivity::Logoff) > 0);
        assert_eq!((count(&records, AuthActivity::Logon), count(&records, AuthActivity::Logoff)), (1, 1), "{tier:?}");
        let rows = source.coverage();
        for name in ["user.logon", "user.logoff", "user.logon_failed"] {
            assert!(rows.iter().any(|row| row.row == name && row.hook.starts_with("audit/")), "{rows:?}");
        }
    }
}

#[test]
fn the_shortest_lives_are_told_with_their_arguments_once() {
    const LIVES: usize = 200;
    let Some(mut source) = holder(Tier::Bare) else { return };
    let script = format!("i=0; while [ $i -lt {LIVES} ]; do /bin/true \"marked $i\" 'two words'; i=$((i+1)); done");
    let mut shell = Command::new("sh").args(["-c", &script]).spawn().expect("sh");
    let pid = shell.id();
    shell.wait().expect("an end");
    let records =
        until(&mut *source, pid, "end", |r| r.iter().any(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)));
    let execs = records.iter().filter_map(|r| if let RawKind::Exec(p) = &r.kind { Some(p) } else { None });
    let told: Vec<&RawProcess> = execs.filter(|p| p.ppid == pid).collect();
    let true_at = std::fs::canonicalize("/bin/true").expect("true").to_string_lossy().into_owned();
    for (number, process) in told.iter().enumerate() {
        assert_eq!(process.argv, ["/bin/true".to_owned(), format!("marked {number}"), "two words".to_owned()]);
        assert_eq!(process.exe, true_at);
        assert!(!process.cwd.is_empty());
    }
    assert_eq!(told.len(), LIVES);
}

#[test]
fn rare_system_calls_are_told_with_who_made_them() {
    let Some(mut source) = holder(Tier::Bare) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_string_lossy().into_owned();
    // Everything happens in namespaces of the child's own, and ends with it.
    let script = format!(
        "import ctypes,os,mmap
c=ctypes.CDLL(None,use_errno=True)
def done(what,result):
    assert result>=0,(what,os.strerror(ctypes.get_errno()))
    return result
done('unshare',c.unshare(0x20000|0x4000000))
done('private',c.mount(b'none',b'/',None,0x44000,None))
done('mount',c.mount(b'picket-test',b'{place}',b'tmpfs',2,None))
fd=done('memfd',c.memfd_create(b'picket-memory',1))
child=os.fork()
if child==0:
    __import__('signal').pause()
class iovec(ctypes.Structure): _fields_=[('base',ctypes.c_void_p),('len',ctypes.c_size_t)]
held=ctypes.create_string_buffer(b'x'*8)
near=iovec(ctypes.addressof(held),8)
done('read',c.process_vm_readv(child,ctypes.byref(near),1,ctypes.byref(near),1,0))
done('write',c.process_vm_writev(child,ctypes.byref(near),1,ctypes.byref(near),1,0))
os.kill(child,9); os.waitpid(child,0)
m=mmap.mmap(-1,4096,prot=7)
done('key',c.syscall(248,b'user',b'picket-test',b'x',ctypes.c_size_t(1),-2))
params=ctypes.create_string_buffer(256)
ring=c.syscall(425,4,params)
done('umount',c.umount2(b'{place}',0))
done('chroot',c.chroot(b'/'))
"
    );
    let pid = python(&script);
    let has =
        |records: &[RawRecord], wanted: &dyn Fn(&RawRecord) -> bool| records.iter().any(|r| by(r, pid) && wanted(r));
    let mounted = |r: &RawRecord, wanted: MountActivity, at: &str| matches!(plain(r), Some(Activity::Mount { change }) if change.activity == wanted && change.target == at);
    let access = |r: &RawRecord, wanted: ProcessAccess| matches!(&r.kind, RawKind::ProcessAccess { access, target } if *access == wanted && target.pid != pid);
    type Wanted<'a> = (&'a str, &'a dyn Fn(&RawRecord) -> bool);
    let wanted: [Wanted<'_>; 9] = [
        (
            "unshare",
            &|r| matches!(plain(r), Some(Activity::Privilege { change }) if change.kind == PrivilegeKind::NewNamespace && change.namespaces == ["mnt", "uts"]),
        ),
        ("mount", &|r| mounted(r, MountActivity::Mount, &place)),
        ("umount", &|r| mounted(r, MountActivity::Unmount, &place)),
        ("chroot", &|r| mounted(r, MountActivity::ChangeRoot, "/")),
        ("memfd", &|r| matches!(plain(r), Some(Activity::MemoryFile { flags: 1, .. }))),
        ("vm_read", &|r| access(r, ProcessAccess::ReadMemory)),
        ("vm_write", &|r| access(r, ProcessAccess::WriteMemory)),
        ("mmap", &|r| matches!(plain(r), Some(Activity::Memory { .. }))),
        (
            "key",
            &|r| matches!(plain(r), Some(Activity::Kernel { operation: KernelOperation::Keyring, subject, .. }) if subject == "add_key"),
        ),
    ];
    let mut records = Vec::new();
    for (name, wanted) in wanted {
        if !has(&records, wanted) {
            records.extend(until(&mut *source, pid, name, |r| has(r, wanted)));
        }
    }
    let rows = source.coverage();
    for row in ["mount.change", "access.memory", "memfd.create", "bpf.load", "module.load"] {
        assert!(rows.iter().any(|found| found.row == row && found.hook.starts_with("audit/")), "{row}: {rows:?}");
    }
}

#[test]
fn changes_of_files_are_told_once_as_what_they_are() {
    let Some(mut source) = holder(Tier::Bare) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("thing");
    std::fs::write(&at, "x").expect("a file");
    let place = at.to_string_lossy().into_owned();
    let script = |call: &str| {
        format!("import os\nos.chdir({:?})\nd=os.open('.',0)\nf=os.open('thing',0)\n{call}", directory.path())
    };
    let calls = [
        ("os.chmod('thing',0o640)", FileActivity::SetMode),
        ("os.chown('thing',65534,65534)", FileActivity::SetOwner),
        ("os.chown('thing',0,0,dir_fd=d)", FileActivity::SetOwner),
        ("os.fchmod(f,0o600);import time;time.sleep(0.2)", FileActivity::SetMode),
        ("os.setxattr('thing',b'user.picket',b'1')", FileActivity::SetAttributes),
    ];
    for (call, wanted) in calls {
        if wanted == FileActivity::SetAttributes
            && nix::sys::statfs::statfs(directory.path())
                .is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
        {
            continue;
        }
        let pid = python(&script(call));
        let changes = |records: &[RawRecord]| -> Vec<(FileActivity, String)> {
            let change = |r: &RawRecord| match &r.kind {
                RawKind::File { activity, path, .. } if by(r, pid) && path.ends_with("/thing") => {
                    Some((*activity, path.clone()))
                }
                _ => None,
            };
            records.iter().filter_map(change).collect()
        };
        let mut records =
            until(&mut *source, pid, call, |r| changes(r).iter().any(|(activity, _)| *activity == wanted));
        // Whatever fanotify has of it comes at most so much later.
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            let more = source.next(Duration::from_millis(100)).expect("the tier");
            records.extend(more.into_iter().filter(|record| by(record, pid)));
        }
        assert_eq!(changes(&records), [(wanted, place.clone())], "{call}");
    }
}

#[test]
fn a_disk_that_is_opened_is_told() {
    use std::os::unix::fs::FileTypeExt;
    let Some(mut source) = holder(Tier::Bare) else { return };
    let disks = std::fs::read_dir("/dev").expect("/dev").flatten();
    let mut disks = disks.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()));
    let Some(disk) = disks.find(|entry| std::fs::File::open(entry.path()).is_ok()) else {
        println!("skipped: no disk can be opened");
        return;
    };
    let place = disk.path().to_string_lossy().into_owned();
    let pid = python(&format!("open('{place}','rb',0).close()"));
    until(&mut *source, pid, "raw access", |r| {
        r.iter().any(|r| matches!(&r.kind, RawKind::File { activity: FileActivity::RawAccess, path, .. } if by(r, pid) && *path == place))
    });
}

#[test]
fn a_short_connect_is_told_once() {
    let Some(mut source) = holder(Tier::Bare) else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let script = format!(
        "import socket\nfor i in range(3):\n s=socket.create_connection(('127.0.0.1',{port}))\n s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,b'\\1\\0\\0\\0\\0\\0\\0\\0')\n s.close()"
    );
    let pid = python(&script);
    let count = |records: &[RawRecord]| {
        let hit = |r: &&RawRecord| {
            by(r, pid)
                && matches!(&r.kind, RawKind::Network { activity: NetActivity::Connect, remote_port, .. } if *remote_port == port)
        };
        records.iter().filter(hit).count()
    };
    until(&mut *source, pid, "three connects", |r| count(r) == 3);
}
