//! Owns: modules, libraries, kernel programs, mounts, settings and memory files of a case.
//! Never: who acts.

use picket_model::{Activity, BpfProgram, KernelOperation, MountActivity, MountChange};

use super::file::object;
use super::reader::Reader;
use crate::yaml::Node;

const MOUNTS: &[MountActivity] =
    &[MountActivity::Mount, MountActivity::Unmount, MountActivity::ChangeRoot, MountActivity::PivotRoot];
const OPERATIONS: &[KernelOperation] = &[
    KernelOperation::SetTime,
    KernelOperation::LoadKexec,
    KernelOperation::SetParameter,
    KernelOperation::Keyring,
    KernelOperation::IoUring,
];

/// `module: {name, path, loaded, by}`; loaded unless it says otherwise.
pub fn module(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "module", &["name", "path", "loaded", "by"]);
    let loaded = reader.flag(node, "loaded").unwrap_or(true);
    Some(Activity::ModuleLoad { name: reader.text(node, "name"), path: reader.text(node, "path"), loaded })
}

/// `library: {path, by}`.
pub fn library(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "library", &["path", "by"]);
    Some(Activity::LibraryLoad { file: object(node, reader) })
}

/// `bpf: {name, kind, by}`.
pub fn bpf(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "bpf", &["name", "kind", "by"]);
    let (name, kind) = (reader.text(node, "name"), reader.needed(node, "kind"));
    Some(Activity::BpfLoad { program: BpfProgram { name, kind, id: 1, tag: String::new() } })
}

/// `memory_file: {name, by}`.
pub fn memory_file(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "memory_file", &["name", "by"]);
    Some(Activity::MemoryFile { name: reader.text(node, "name"), flags: 0 })
}

/// `mount: {kind, source, target, fs, by}`.
pub fn mount(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "mount", &["kind", "source", "target", "fs", "by"]);
    let change = MountChange {
        activity: reader.choice(node, "kind", MOUNTS, MountActivity::word)?,
        source: reader.text(node, "source"),
        target: reader.text(node, "target"),
        fs_type: reader.text(node, "fs"),
        flags: 0,
    };
    Some(Activity::Mount { change })
}

/// `kernel: {operation, subject, detail, by}`.
pub fn kernel(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "kernel", &["operation", "subject", "detail", "by"]);
    let operation = reader.choice(node, "operation", OPERATIONS, KernelOperation::word)?;
    Some(Activity::Kernel { operation, subject: reader.text(node, "subject"), detail: reader.text(node, "detail") })
}
