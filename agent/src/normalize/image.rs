//! Owns: one raw description to one process image: names, container, drill mark.
//! Never: lineage; the table sets the parent.

use std::path::Path;
use std::sync::Arc;

use picket_model::raw::RawProcess;
use picket_model::{Context, Process, ProcessKey, Timestamp};

use super::runtimes::{Identity, Runtimes};
use super::users::Users;
use super::{container, drill};

const PASSWD: &str = "/etc/passwd";
/// What /proc shows for an image that never had a name; any other deleted file may have been deleted later.
const MEMFD: &str = "/memfd:";

pub struct Images {
    users: Users,
    runtimes: Runtimes,
}

impl Images {
    pub fn new() -> Self {
        Self { users: Users::new(PASSWD), runtimes: Runtimes::new(Path::new("/")) }
    }

    /// The image that `raw` has just begun to run. What the tier could not say is taken from the image `before`.
    pub fn executed(
        &mut self,
        key: ProcessKey,
        mut raw: RawProcess,
        before: Option<&Process>,
        parent: Option<&Process>,
        now: Timestamp,
    ) -> Process {
        if let Some(before) = before {
            let id = |id: u32| (id != u32::MAX).then_some(id);
            raw.uid = raw.uid.or(id(before.uid));
            raw.euid = raw.euid.or(id(before.euid));
            raw.gid = raw.gid.or(id(before.gid));
            raw.login_uid = raw.login_uid.or(before.login_uid);
            raw.session = raw.session.or(Some(before.session));
            if raw.cgroup.is_empty() {
                raw.cgroup.clone_from(&before.cgroup);
            }
        }
        let drill = is_drill(&raw, before, parent);
        Process { drill, ..self.image(key, raw, now) }
    }

    /// The image of a process that was met while it ran.
    pub fn running(&mut self, key: ProcessKey, raw: &RawProcess, parent: Option<&Process>, now: Timestamp) -> Process {
        let drill = is_drill(raw, None, parent);
        let exe_memfd = raw.exe_memfd && raw.exe.starts_with(MEMFD);
        Process { exe_memfd, drill, ..self.image(key, raw.clone(), now) }
    }

    fn image(&mut self, key: ProcessKey, raw: RawProcess, now: Timestamp) -> Process {
        let container = container::id(&raw.cgroup).map(str::to_owned);
        let identity = container.as_deref().map(|id| self.runtimes.identity(id, now)).unwrap_or_default();
        let context = contained(raw.context.map(|context| *context), identity);
        Process {
            key,
            user: raw.uid.map(|uid| self.users.name(uid)).unwrap_or_default(),
            uid: raw.uid.unwrap_or(u32::MAX),
            euid: raw.euid.unwrap_or(u32::MAX),
            gid: raw.gid.unwrap_or(u32::MAX),
            login_uid: raw.login_uid,
            session: raw.session.unwrap_or(0),
            container,
            exe: raw.exe,
            name: raw.name,
            argv: raw.argv,
            cwd: raw.cwd,
            cgroup: raw.cgroup,
            exe_file: raw.exe_file,
            exe_sha256: None,
            exe_memfd: raw.exe_memfd,
            drill: false,
            context: context.map(Arc::new),
            parent: None,
        }
    }
}

/// The surroundings, with what the container's run-time says.
fn contained(context: Option<Context>, identity: Identity) -> Option<Context> {
    if identity == Identity::default() {
        return context;
    }
    let Identity { image, name: container_name, pod } = identity;
    Some(Context { image, container_name, pod, ..context.unwrap_or_default() })
}

/// Inherited, or the process is the drill itself. A drill that runs another program stays one.
fn is_drill(raw: &RawProcess, before: Option<&Process>, parent: Option<&Process>) -> bool {
    [before, parent].into_iter().flatten().any(|process| process.drill) || drill::is_genuine(raw)
}
