//! Owns: the audit rules that are ours: what the bare tier asks for, how the kernel wants it written, and knowing them again.
//! Never: a rule of anybody else's.

#[cfg(test)]
mod tests;

use nix::libc;

use crate::sys::ring::Bytes;

const FILTER_TASK: u32 = 1;
const FILTER_EXIT: u32 = 4;
const NEVER: u32 = 0;
const ALWAYS: u32 = 2;
const EQUAL: u32 = 0x4000_0000;
const NOT_EQUAL: u32 = 0x3000_0000;
const FIELD_PID: u32 = 0;
const FIELD_ARCH: u32 = 11;
const FIELD_SUCCESS: u32 = 104;
const FIELD_FILE_TYPE: u32 = 108;
const FIELD_ARG0: u32 = 200;
const FIELD_ARG1: u32 = 201;
const FIELD_ARG2: u32 = 202;
const FIELD_KEY: u32 = 210;
const MASK_WORDS: usize = 64;
const FIELDS: usize = 64;
/// Begins the key of each rule of ours; the second where audit was off before, which a killed run cannot tell its heir.
const KEY: &str = "picket-";
const KEY_OFF: &str = "picket0-";
/// Rules that many calls share: those asked for when they succeed, and those asked for when they are tried.
const DONE: &str = "done";
const TRIED: &str = "tried";

const NATIVE: u32 = if cfg!(target_arch = "x86_64") { 0xC000_003E } else { 0xC000_00B7 };
const I386: u32 = 0x4000_0003;

/// One kind of call: its number for programs of this machine, and for 32-bit ones (0: there is none).
type Call = (libc::c_long, u32);

/// What is asked for.
struct Wanted {
    name: &'static str,
    calls: &'static [Call],
    only_success: bool,
    /// A field and the value it must have.
    argument: Option<(u32, u32)>,
}

const fn all(name: &'static str, calls: &'static [Call]) -> Wanted {
    Wanted { name, calls, only_success: false, argument: None }
}

const fn done(name: &'static str, calls: &'static [Call]) -> Wanted {
    Wanted { name, calls, only_success: true, argument: None }
}

const fn with(name: &'static str, calls: &'static [Call], field: u32, value: u32) -> Wanted {
    Wanted { name, calls, only_success: true, argument: Some((field, value)) }
}

/// Calls that take a path alone; newer architectures have only those that take a directory too.
#[cfg(target_arch = "x86_64")]
const OPEN: &[Call] = &[(libc::SYS_open, 5)];
#[cfg(target_arch = "x86_64")]
const CHMOD: &[Call] = &[(libc::SYS_chmod, 15)];
#[cfg(target_arch = "x86_64")]
const CHOWN: &[Call] = &[(libc::SYS_chown, 182), (libc::SYS_lchown, 16), (-1, 212), (-1, 198)];
#[cfg(not(target_arch = "x86_64"))]
const OPEN: &[Call] = &[];
#[cfg(not(target_arch = "x86_64"))]
const CHMOD: &[Call] = &[];
#[cfg(not(target_arch = "x86_64"))]
const CHOWN: &[Call] = &[];
/// `fchmodat2`, of the same number everywhere.
const FCHMODAT2: libc::c_long = 452;
/// `FS_IOC_SETFLAGS`, as chattr does; 32-bit programs have another.
const SET_FLAGS: u32 = 0x4008_6602;
const SET_FLAGS_OLD: u32 = 0x4004_6602;
const IOCTL: &[Call] = &[(libc::SYS_ioctl, 0)];
const IOCTL_OLD: &[Call] = &[(-1, 54)];
const PTRACE: &[Call] = &[(libc::SYS_ptrace, 26)];
const SOCKET: &[Call] = &[(libc::SYS_socket, 359)];

/// What the bare tier cannot see otherwise. Calls that fail are asked for where trying is news.
const WANTED: &[Wanted] = &[
    done("exec", &[(libc::SYS_execve, 11), (libc::SYS_execveat, 358)]),
    all("connect", &[(libc::SYS_connect, 362)]),
    with("socket", SOCKET, FIELD_ARG0, libc::AF_INET as u32),
    with("socket", SOCKET, FIELD_ARG0, libc::AF_INET6 as u32),
    // POKETEXT, POKEDATA, POKEUSR, SETREGS, SETREGSET; who attaches, the proc connector tells.
    with("poke", PTRACE, FIELD_ARG0, 4),
    with("poke", PTRACE, FIELD_ARG0, 5),
    with("poke", PTRACE, FIELD_ARG0, 6),
    with("poke", PTRACE, FIELD_ARG0, 13),
    with("poke", PTRACE, FIELD_ARG0, 0x4205),
    done("vm_read", &[(libc::SYS_process_vm_readv, 347)]),
    done("vm_write", &[(libc::SYS_process_vm_writev, 348)]),
    done("take_fd", &[(libc::SYS_pidfd_getfd, 438)]),
    done("memfd", &[(libc::SYS_memfd_create, 356)]),
    // Readable, writable and executable at once.
    with("mprotect", &[(libc::SYS_mprotect, 125)], FIELD_ARG2, 7),
    with("mmap", &[(libc::SYS_mmap, 192)], FIELD_ARG2, 7),
    all("module", &[(libc::SYS_init_module, 128), (libc::SYS_finit_module, 350)]),
    // `BPF_PROG_LOAD`.
    with("bpf", &[(libc::SYS_bpf, 357)], FIELD_ARG0, 5),
    done("mount", &[(libc::SYS_mount, 21), (libc::SYS_move_mount, 429)]),
    done("umount", &[(libc::SYS_umount2, 52), (-1, 22)]),
    done("pivot_root", &[(libc::SYS_pivot_root, 217)]),
    done("chroot", &[(libc::SYS_chroot, 61)]),
    done("setns", &[(libc::SYS_setns, 346)]),
    done("unshare", &[(libc::SYS_unshare, 310)]),
    all("kexec", &[(libc::SYS_kexec_load, 283), (libc::SYS_kexec_file_load, 0)]),
    done("time", &[(libc::SYS_settimeofday, 79), (libc::SYS_clock_settime, 264), (-1, 404), (-1, 25)]),
    done("add_key", &[(libc::SYS_add_key, 286)]),
    done("request_key", &[(libc::SYS_request_key, 287)]),
    done("keyctl", &[(libc::SYS_keyctl, 288)]),
    done("io_uring", &[(libc::SYS_io_uring_setup, 425)]),
    done("capset", &[(libc::SYS_capset, 185)]),
    with("raw", OPEN, FIELD_FILE_TYPE, libc::S_IFBLK),
    with("raw_at", &[(libc::SYS_openat, 295), (libc::SYS_openat2, 437)], FIELD_FILE_TYPE, libc::S_IFBLK),
    // fanotify tells all of these as one.
    done("mode", CHMOD),
    done("mode_at", &[(libc::SYS_fchmodat, 306), (FCHMODAT2, 452)]),
    done("mode_fd", &[(libc::SYS_fchmod, 94)]),
    done("owner", CHOWN),
    done("owner_at", &[(libc::SYS_fchownat, 298)]),
    done("owner_fd", &[(libc::SYS_fchown, 95), (-1, 207)]),
    done(
        "attributes",
        &[
            (libc::SYS_setxattr, 226),
            (libc::SYS_lsetxattr, 227),
            (libc::SYS_removexattr, 235),
            (libc::SYS_lremovexattr, 236),
        ],
    ),
    done("attributes_fd", &[(libc::SYS_fsetxattr, 228), (libc::SYS_fremovexattr, 237)]),
    with("attributes_fd", IOCTL, FIELD_ARG1, SET_FLAGS),
    with("attributes_fd", IOCTL_OLD, FIELD_ARG1, SET_FLAGS_OLD),
];

/// A rule as it is to be.
pub struct Rule {
    /// What it asks for.
    pub names: Vec<String>,
    list: u32,
    action: u32,
    mask: [u32; MASK_WORDS],
    /// Field, operator and value.
    fields: Vec<(u32, u32, u32)>,
    key: String,
}

/// No system call is looked at: where BPF sees them, audit is for sign-ins alone and must cost nothing.
pub fn none(was_off: bool) -> Vec<Rule> {
    let (names, key, mask) = (vec!["none".to_owned()], key(was_off, "none"), [u32::MAX; MASK_WORDS]);
    vec![Rule { names, list: FILTER_TASK, action: NEVER, mask, fields: Vec::new(), key }]
}

/// All that the bare tier asks for, of every process but this one. Every system call of the host is held against every
/// rule, so that those which ask for no argument share one.
pub fn calls(was_off: bool) -> Vec<Rule> {
    let arches: &[u32] = if cfg!(target_arch = "x86_64") { &[NATIVE, I386] } else { &[NATIVE] };
    let of = |arch: &u32| {
        let shared = |success: bool| {
            let some: Vec<&Wanted> =
                WANTED.iter().filter(|w| w.argument.is_none() && w.only_success == success).collect();
            rule(&some, if success { DONE } else { TRIED }, *arch, was_off)
        };
        let own = WANTED.iter().filter(|wanted| wanted.argument.is_some());
        let own = own.filter_map(|wanted| rule(&[wanted], wanted.name, *arch, was_off));
        [shared(true), shared(false)].into_iter().flatten().chain(own).collect::<Vec<_>>()
    };
    arches.iter().flat_map(of).collect()
}

fn number(call: &Call, arch: u32) -> Option<u32> {
    if arch == I386 { Some(call.1).filter(|number| *number > 0) } else { u32::try_from(call.0).ok() }
}

fn rule(wanted: &[&Wanted], name: &str, arch: u32, was_off: bool) -> Option<Rule> {
    let first = wanted.first()?;
    let mut mask = [0; MASK_WORDS];
    for number in wanted.iter().flat_map(|wanted| wanted.calls).filter_map(|call| number(call, arch)) {
        *mask.get_mut(usize::try_from(number / 32).ok()?)? |= 1 << (number % 32);
    }
    if mask == [0; MASK_WORDS] {
        return None;
    }
    let mut fields = vec![(FIELD_ARCH, EQUAL, arch), (FIELD_PID, NOT_EQUAL, std::process::id())];
    if first.only_success {
        fields.push((FIELD_SUCCESS, EQUAL, 1));
    }
    fields.extend(first.argument.map(|(field, value)| (field, EQUAL, value)));
    let whose = if arch == I386 { " of 32-bit programs" } else { "" };
    let names = wanted.iter().map(|wanted| format!("{}{whose}", wanted.name)).collect();
    Some(Rule { names, list: FILTER_EXIT, action: ALWAYS, mask, fields, key: key(was_off, name) })
}

fn key(was_off: bool, name: &str) -> String {
    format!("{}{name}", if was_off { KEY_OFF } else { KEY })
}

fn named(key: &str) -> Option<&str> {
    key.strip_prefix(KEY).or_else(|| key.strip_prefix(KEY_OFF))
}

/// What a caught call is about: by its key where the rule is its own, by its number where it shares one.
pub fn name(key: &str, arch: u64, call: u64) -> Option<&'static str> {
    let key = named(key)?;
    let shared = key == DONE || key == TRIED;
    let (arch, call) = (u32::try_from(arch).ok()?, u32::try_from(call).ok()?);
    let is = |wanted: &&Wanted| {
        if shared {
            wanted.argument.is_none() && wanted.calls.iter().any(|known| number(known, arch) == Some(call))
        } else {
            wanted.name == key
        }
    };
    WANTED.iter().find(is).map(|wanted| wanted.name)
}

impl Rule {
    /// `struct audit_rule_data`.
    pub fn bytes(&self) -> Vec<u8> {
        let key_bytes = u32::try_from(self.key.len()).unwrap_or_default();
        let mut fields = self.fields.clone();
        fields.push((FIELD_KEY, EQUAL, key_bytes));
        let count = u32::try_from(fields.len()).unwrap_or_default();
        fields.resize(FIELDS, (0, 0, 0));
        let mut words = vec![self.list, self.action, count];
        words.extend(self.mask);
        words.extend(fields.iter().map(|field| field.0));
        words.extend(fields.iter().map(|field| field.2));
        words.extend(fields.iter().map(|field| field.1));
        words.push(key_bytes);
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        bytes.extend(self.key.as_bytes());
        bytes
    }
}

/// Whether a rule in force keeps every process's system calls from being looked at, whatever other rules say.
pub fn silences(rule: &[u8]) -> bool {
    let mut bytes = Bytes::new(rule);
    (bytes.u32(), bytes.u32()) == (Some(FILTER_TASK), Some(NEVER)) && ours(rule).is_none()
}

/// Whether a rule in force has a key of ours and, if so, whether audit was off before it.
pub fn ours(rule: &[u8]) -> Option<bool> {
    let mut bytes = Bytes::new(rule);
    bytes.u32()?;
    bytes.u32()?;
    let count = usize::try_from(bytes.u32()?).ok()?;
    bytes.take(MASK_WORDS * 4)?;
    let mut array = || bytes.take(FIELDS * 4).map(<[u8]>::to_vec);
    let (fields, values, _) = (array()?, array()?, array()?);
    let word = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    bytes.u32()?;
    // The texts of all fields stand one after the other. Ours have one text only; what else has one is not ours.
    let at = fields.chunks(4).take(count).position(|field| word(field) == Some(FIELD_KEY))?;
    let len = values.chunks(4).nth(at).and_then(word)?;
    let key = std::str::from_utf8(bytes.take(usize::try_from(len).ok()?)?).ok()?;
    named(key).map(|_| key.starts_with(KEY_OFF))
}
