//! Owns: what every test here needs: a state directory, an authority that says yes, a filesystem of its own.
//! Never: an assertion about containment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use picket_agent::contain::{ContainOptions, Containment, ExecDeny};
use picket_agent::pins;
use picket_model::action::{Action, ActionKind, ActionReport, Principal, Reason};
use picket_model::process::{ProcessKey, Sha256};
use picket_model::{ActionId, BundleVersion, HostId, Timestamp};
use picket_policy::{Authority, Authorized, Grounds, Judgement, Target};
use sha2::Digest;
use tempfile::TempDir;

pub const MINUTE_MS: u64 = 60_000;
pub const BOOT: u32 = 0x0bad_cafe;

pub fn now() -> Timestamp {
    Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
}

pub fn analyst() -> Principal {
    Principal::Analyst { name: "ada".to_owned() }
}

pub fn action(kind: ActionKind, lease_ms: u64) -> Action {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&now().0.to_be_bytes());
    id[8..]
        .copy_from_slice(&(NEXT.fetch_add(1, Ordering::Relaxed) ^ u64::from(std::process::id()) << 32).to_be_bytes());
    let reason = Reason {
        principal: analyst(),
        detection: None,
        rule: None,
        severity: 5,
        incident: None,
        families: 2,
        drill: false,
        note: "test".to_owned(),
    };
    let (id, host) = (ActionId::from_bytes(id), HostId::from_bytes([7; 16]));
    Action { id, host, kind, reason, requested: now(), lease_ms }
}

/// The real way to an `Authorized`: a signed bundle that lets analysts act.
pub fn authorised(action: Action) -> (Authorized<Action>, Grounds) {
    let key = picket_policy::keys::generate([3; 32]);
    let mut bundle = picket_policy::shipped("strict").unwrap();
    bundle.version = BundleVersion(5);
    bundle.issued = now();
    let verified = picket_policy::verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap();
    match Authority::new(&verified).unwrap().judge(action, &Target::default(), now()) {
        Judgement::ActNow(action, grounds) => (action, grounds),
        other => panic!("{other:?}"),
    }
}

pub struct Place {
    pub root: TempDir,
    /// The filesystem where a denial without a directory counts.
    pub filesystem: Option<PathBuf>,
    /// Where the host's own files are; those of this machine if none.
    pub host: Option<PathBuf>,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), filesystem: None, host: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.path("state/vault")
    }

    pub fn options(&self) -> ContainOptions {
        let state = self.path("state");
        fs::create_dir_all(&state).unwrap();
        let mut options = ContainOptions::new(state, vec!["10.99.0.2:8844".parse().unwrap()], BOOT);
        options.exec_filesystems = Some(self.filesystem.iter().cloned().collect());
        if let Some(host) = &self.host {
            options.root.clone_from(host);
        }
        options
    }

    pub fn open(&self) -> (Containment, Vec<ActionReport>) {
        self.open_with(None)
    }

    pub fn open_with(&self, deny: Option<Box<dyn ExecDeny>>) -> (Containment, Vec<ActionReport>) {
        Containment::open(self.options(), deny).unwrap()
    }
}

/// A block of a domain outlives its agent, and a test too.
impl Drop for Place {
    fn drop(&mut self) {
        pins::remove(&pins::of(&self.path("state"), "_domains"));
    }
}

pub fn apply(containment: &mut Containment, action: Action) -> ActionReport {
    let (action, grounds) = authorised(action);
    containment.apply(action, grounds, &[], None, Some(now()))
}

/// A running process, as the agent knows it.
pub fn key(pid: u32) -> ProcessKey {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_ticks = text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    ProcessKey { boot: BOOT, pid, start_ticks }
}

pub fn quarantine(path: &Path, sha256: Option<Sha256>) -> ActionKind {
    ActionKind::QuarantineFile { path: path.to_str().unwrap().to_owned(), sha256 }
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// A tmpfs that goes with the value; what waits on a mark of it waits nowhere else.
pub struct Mounted {
    directory: TempDir,
}

impl Mounted {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        mount(Some("picket-test"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64m")).unwrap();
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(self.directory.path(), MntFlags::MNT_DETACH);
    }
}

/// A copy of a small program, under a name of its own.
pub fn program(path: &Path) -> Sha256 {
    let bytes = fs::read("/bin/true").unwrap();
    fs::write(path, &bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    sha256(&bytes)
}
