//! Owns: a system call that one of our rules caught, to what it did.
//! Never: execs (`execs` joins them with the proc connector's); guessing what the record does not say.

mod files;
mod looks;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{
    Activity, BpfProgram, KernelOperation, MemoryActivity, MountActivity, MountChange, NetActivity, NetProtocol,
    PrivilegeChange, PrivilegeKind, ProcessAccess,
};

use super::assembly::Whole;
use super::record::Fields;
use crate::sensor::decode::words;

const SYSCALL: u16 = 1300;
const PATH: u16 = 1302;
const SOCKADDR: u16 = 1306;
const CWD: u16 = 1307;
const CAPSET: u16 = 1322;
const KERN_MODULE: u16 = 1330;
const BPF: u16 = 1334;
/// `EINPROGRESS`: a connect that goes on by itself.
const IN_PROGRESS: &[u8] = b"-115";
/// Sockets of which the kind is remembered until they are connected: the oldest is forgotten.
const SOCKETS_MAX: usize = 4096;
const STREAM: u64 = 1;
/// `SOCK_CLOEXEC` and `SOCK_NONBLOCK` stand above the kind.
const SOCKET_KIND: u64 = 0xf;

/// Of whom nothing is known any more.
const NOBODY: RawActor = RawActor { pid: 0, start_ticks: None };

/// Remembers which sockets are TCP's, for a connect does not say it.
#[derive(Default)]
pub struct Calls {
    sockets: BTreeMap<(u32, u64), bool>,
    order: VecDeque<(u32, u64)>,
}

/// One call, its arguments read.
struct Call<'a> {
    whole: &'a Whole,
    fields: Fields<'a>,
    pid: u32,
}

impl Calls {
    /// `name` is what the rule is about.
    pub fn hear(&mut self, name: &str, whole: &Whole) -> Option<RawRecord> {
        let fields = whole.first(SYSCALL)?;
        let call = Call { whole, fields, pid: fields.small("pid")? };
        let kind = match name {
            "socket" => {
                self.remember(&call);
                return None;
            }
            "connect" => self.connect(&call)?,
            _ => call.kind(name)?,
        };
        Some(RawRecord { time: whole.stamp.time, actor: Some(RawActor { pid: call.pid, start_ticks: None }), kind })
    }

    fn remember(&mut self, call: &Call<'_>) -> Option<()> {
        let key = (call.pid, call.fields.number("exit")?);
        let stream = call.argument(1)? & SOCKET_KIND == STREAM;
        if self.sockets.insert(key, stream).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > SOCKETS_MAX {
            self.order.pop_front().map(|oldest| self.sockets.remove(&oldest));
        }
        None
    }

    fn connect(&self, call: &Call<'_>) -> Option<RawKind> {
        if !call.succeeded() && call.fields.get("exit") != Some(IN_PROGRESS) {
            return None;
        }
        // Of a socket that another process made it is not known what it is.
        if !*self.sockets.get(&(call.pid, call.argument(0)?))? {
            return None;
        }
        let (remote_ip, remote_port) = names::address(&call.whole.first(SOCKADDR)?.bytes("saddr")?)?;
        Some(RawKind::Network {
            activity: NetActivity::Connect,
            protocol: NetProtocol::Tcp,
            local_ip: names::unspecified(remote_ip),
            local_port: 0,
            remote_ip,
            remote_port,
        })
    }
}

impl Call<'_> {
    fn argument(&self, number: usize) -> Option<u64> {
        self.fields.hex(["a0", "a1", "a2", "a3"].get(number)?)
    }

    fn succeeded(&self) -> bool {
        self.fields.get("success") == Some(b"yes")
    }

    fn kind(&self, name: &str) -> Option<RawKind> {
        let plain = |activity| Some(RawKind::Plain(Box::new(activity)));
        let low = |number| self.argument(number).map(|value| u32::try_from(value & 0xffff_ffff).unwrap_or_default());
        match name {
            "poke" => self.access(ProcessAccess::Poke, low(1)?),
            "vm_read" => self.access(ProcessAccess::ReadMemory, low(0)?),
            "vm_write" => self.access(ProcessAccess::WriteMemory, low(0)?),
            "take_fd" => match looks::pidfd(self.pid, low(0)?) {
                Some(target) => self.access(ProcessAccess::TakeDescriptor, target),
                // That something was taken is known all the same.
                None => Some(RawKind::ProcessAccess { access: ProcessAccess::TakeDescriptor, target: NOBODY }),
            },
            "memfd" => {
                let name = looks::memfd(self.pid, self.fields.number("exit")?).unwrap_or_default();
                plain(Activity::MemoryFile { name, flags: low(1)? })
            }
            "mprotect" => plain(self.memory(MemoryActivity::MakeExecutable)?),
            "mmap" => plain(self.memory(MemoryActivity::MapExecutable)?),
            "module" => Some(RawKind::ModuleLoad {
                name: self.whole.first(KERN_MODULE).and_then(|fields| fields.text("name")).unwrap_or_default(),
                path: self.path(0),
                loaded: self.succeeded(),
            }),
            "bpf" => {
                let id = self.whole.first(BPF).and_then(|fields| fields.small("prog-id"))?;
                plain(Activity::BpfLoad {
                    program: looks::program(id).unwrap_or(BpfProgram { id, ..BpfProgram::default() }),
                })
            }
            "capset" | "setns" | "unshare" => plain(self.privilege(name)?),
            "mode" | "mode_at" | "mode_fd" | "owner" | "owner_at" | "owner_fd" | "attributes" | "attributes_fd"
            | "raw" | "raw_at" => self.file(name),
            "mount" | "umount" | "chroot" | "pivot_root" => plain(self.mount(name)?),
            _ => plain(self.kernel(name)?),
        }
    }

    fn access(&self, access: ProcessAccess, target: u32) -> Option<RawKind> {
        // Into itself it reaches every day, by whatever call.
        (target != self.pid && target != 0)
            .then_some(RawKind::ProcessAccess { access, target: RawActor { pid: target, start_ticks: None } })
    }

    fn memory(&self, activity: MemoryActivity) -> Option<Activity> {
        let detail = format!("{} bytes at {:#x}, protection rwx", self.argument(1)?, self.argument(0)?);
        Some(Activity::Memory { activity, detail })
    }

    fn privilege(&self, name: &str) -> Option<Activity> {
        let effective = self.whole.first(CAPSET).and_then(|fields| fields.hex("cap_pe"));
        let (kind, flags) = match name {
            "capset" => (PrivilegeKind::SetCapabilities, 0),
            "setns" => (PrivilegeKind::EnterNamespace, self.argument(1)?),
            _ => (PrivilegeKind::NewNamespace, self.argument(0)?),
        };
        let namespaces = words::namespaces(flags);
        // `unshare` of open files or the like is no namespace.
        if kind == PrivilegeKind::NewNamespace && namespaces.is_empty() {
            return None;
        }
        let id = |name| self.fields.small(name).unwrap_or(u32::MAX);
        let change = PrivilegeChange {
            kind,
            uid: id("uid"),
            euid: id("euid"),
            gid: id("gid"),
            egid: id("egid"),
            capabilities: effective.unwrap_or_default(),
            namespaces,
        };
        Some(Activity::Privilege { change })
    }

    fn mount(&self, name: &str) -> Option<Activity> {
        let activity = match name {
            "mount" => MountActivity::Mount,
            "umount" => MountActivity::Unmount,
            "chroot" => MountActivity::ChangeRoot,
            _ => MountActivity::PivotRoot,
        };
        let target = self.path(0);
        let mut change = MountChange { activity, source: String::new(), target, fs_type: String::new(), flags: 0 };
        if activity == MountActivity::Mount {
            change.flags = self.argument(3).unwrap_or_default();
            change.source = self.path(1);
            if let Some((source, fs_type)) = looks::mounted(self.pid, &change.target) {
                change.source = if change.source.is_empty() { source } else { change.source };
                change.fs_type = fs_type;
            }
        }
        Some(Activity::Mount { change })
    }

    fn kernel(&self, name: &str) -> Option<Activity> {
        let word = |number| self.argument(number).unwrap_or_default();
        let (operation, subject, detail) = match name {
            "time" => (KernelOperation::SetTime, "clock".to_owned(), String::new()),
            "kexec" => {
                let done = if self.succeeded() { "loaded" } else { "refused" };
                (KernelOperation::LoadKexec, "kernel".to_owned(), done.to_owned())
            }
            "add_key" | "request_key" => {
                (KernelOperation::Keyring, name.to_owned(), format!("key {}", self.fields.number("exit")?))
            }
            "keyctl" => {
                // As the kernel takes them: the lower half of a register.
                let low = |number| u32::try_from(word(number) & u64::from(u32::MAX)).unwrap_or_default();
                let key = format!("key {}", low(1).cast_signed());
                (KernelOperation::Keyring, words::keyctl_operation(low(0)), key)
            }
            "io_uring" => (KernelOperation::IoUring, "setup".to_owned(), format!("{} entries", word(0))),
            _ => return None,
        };
        Some(Activity::Kernel { operation, subject, detail })
    }

    /// The path of one item, made absolute with the working directory; empty where there is none.
    fn path(&self, item: u64) -> String {
        let found = self.whole.each(PATH).find(|fields| fields.number("item") == Some(item));
        let Some(name) = found.and_then(|fields| fields.text("name")).filter(|name| name != "(null)") else {
            return String::new();
        };
        names::absolute(&self.cwd(), &name)
    }

    fn cwd(&self) -> String {
        self.whole.first(CWD).and_then(|fields| fields.text("cwd")).unwrap_or_default()
    }
}
