//! Owns: a process image and its ids on the wire.
//! Never: the chain of parents; events and detections carry ancestors beside it.

use std::sync::Arc;

use picket_model as model;
use serde::{Deserialize, Serialize};

use crate::limits::{
    ARGUMENT_BYTES_MAX, ARGUMENTS_BYTES_MAX, ARGUMENTS_MAX, Invalid, NAME_BYTES_MAX, PATH_BYTES_MAX, cut,
    cut_arguments, optional, text, texts,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessKey {
    pub boot: u32,
    pub pid: u32,
    pub start_ticks: u64,
}

impl From<model::ProcessKey> for ProcessKey {
    fn from(key: model::ProcessKey) -> Self {
        Self { boot: key.boot, pid: key.pid, start_ticks: key.start_ticks }
    }
}

impl From<ProcessKey> for model::ProcessKey {
    fn from(key: ProcessKey) -> Self {
        Self { boot: key.boot, pid: key.pid, start_ticks: key.start_ticks }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileId {
    pub dev: u64,
    pub ino: u64,
}

impl From<model::FileId> for FileId {
    fn from(id: model::FileId) -> Self {
        Self { dev: id.dev, ino: id.ino }
    }
}

impl From<FileId> for model::FileId {
    fn from(id: FileId) -> Self {
        Self { dev: id.dev, ino: id.ino }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    pub key: ProcessKey,
    pub exe: String,
    pub name: String,
    pub argv: Vec<String>,
    pub cwd: String,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub user: String,
    pub login_uid: Option<u32>,
    pub session: u32,
    pub cgroup: String,
    pub container: Option<String>,
    pub exe_file: Option<FileId>,
    pub exe_sha256: Option<[u8; 32]>,
    pub exe_memfd: bool,
    pub drill: bool,
}

impl Process {
    pub(crate) fn cut_to(process: &model::Process, argument_bytes: usize) -> Self {
        Self {
            key: process.key.into(),
            exe: cut(&process.exe, PATH_BYTES_MAX),
            name: cut(&process.name, NAME_BYTES_MAX),
            argv: cut_arguments(&process.argv, argument_bytes),
            cwd: cut(&process.cwd, PATH_BYTES_MAX),
            uid: process.uid,
            euid: process.euid,
            gid: process.gid,
            user: cut(&process.user, NAME_BYTES_MAX),
            login_uid: process.login_uid,
            session: process.session,
            cgroup: cut(&process.cgroup, PATH_BYTES_MAX),
            container: process.container.as_deref().map(|id| cut(id, NAME_BYTES_MAX)),
            exe_file: process.exe_file.map(Into::into),
            exe_sha256: process.exe_sha256.map(|hash| hash.0),
            exe_memfd: process.exe_memfd,
            drill: process.drill,
        }
    }

    pub(crate) fn under(self, parent: Option<Arc<model::Process>>) -> Result<Arc<model::Process>, Invalid> {
        Ok(Arc::new(model::Process {
            key: self.key.into(),
            exe: text("process.exe", self.exe, PATH_BYTES_MAX)?,
            name: text("process.name", self.name, NAME_BYTES_MAX)?,
            argv: texts("process.argv", self.argv, ARGUMENT_BYTES_MAX, ARGUMENTS_MAX)?,
            cwd: text("process.cwd", self.cwd, PATH_BYTES_MAX)?,
            uid: self.uid,
            euid: self.euid,
            gid: self.gid,
            user: text("process.user", self.user, NAME_BYTES_MAX)?,
            login_uid: self.login_uid,
            session: self.session,
            cgroup: text("process.cgroup", self.cgroup, PATH_BYTES_MAX)?,
            container: optional("process.container", self.container, NAME_BYTES_MAX)?,
            exe_file: self.exe_file.map(Into::into),
            exe_sha256: self.exe_sha256.map(model::Sha256),
            exe_memfd: self.exe_memfd,
            drill: self.drill,
            context: None,
            parent,
        }))
    }
}

impl From<&model::Process> for Process {
    fn from(process: &model::Process) -> Self {
        Self::cut_to(process, ARGUMENTS_BYTES_MAX)
    }
}
