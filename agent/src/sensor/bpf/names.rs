//! Owns: the names that the programs compare by themselves: interpreters and Unix sockets.
//! Never: paths; user space looks at the whole of them afterwards.

use aya::Ebpf;
use aya::maps::Map;
use aya::maps::lpm_trie::{Key, LpmTrie};

/// `struct trie_name` without its length.
type Name = [u8; 24];

/// Whole names, and beginnings where a version follows. What comes after busybox its command line says.
const INTERPRETERS: [(&str, bool, u8); 22] = [
    ("sh", true, 1),
    ("bash", true, 1),
    ("rbash", true, 1),
    ("dash", true, 1),
    ("ash", true, 1),
    ("zsh", true, 1),
    ("zsh-", false, 1),
    ("zsh5", true, 1),
    ("ksh", false, 1),
    ("mksh", true, 1),
    ("fish", true, 1),
    ("tcsh", true, 1),
    ("csh", true, 1),
    ("bsd-csh", true, 1),
    ("python", false, 1),
    ("pypy", false, 1),
    ("perl", false, 1),
    ("ruby", false, 1),
    ("node", false, 1),
    ("php", false, 1),
    ("lua", false, 1),
    ("busybox", false, 2),
];

/// Container run-times, the init system, the system bus, secret stores. `false`: a beginning.
const UNIX_SOCKETS: [(&str, bool, u8); 20] = [
    ("docker.sock", true, 1),
    ("containerd.sock", false, 1),
    ("crio.sock", true, 1),
    ("cri-dockerd.sock", true, 1),
    ("podman.sock", true, 1),
    ("io.podman", true, 1),
    ("buildkitd.sock", true, 1),
    ("kubelet.sock", true, 1),
    ("private", true, 1),
    ("system_bus_socket", true, 1),
    ("control", true, 1),
    ("ssh", true, 1),
    ("pkcs11", true, 1),
    ("S.gpg-agent", false, 1),
    ("agent.", false, 1),
    ("openssh_agent", true, 1),
    ("s.", false, 1),
    ("snapd", false, 1),
    ("unix.socket", true, 1),
    ("libvirt-sock", true, 1),
];

/// Fills the maps. Done before a program runs that looks into them.
pub fn fill(ebpf: &mut Ebpf) -> Result<(), String> {
    fill_one(ebpf, "UNIX_NAMES", &UNIX_SOCKETS)?;
    fill_one(ebpf, "INTERPRETERS", &INTERPRETERS)
}

fn map<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Map, String> {
    ebpf.map_mut(name).ok_or_else(|| format!("the map {name} is missing"))
}

fn fill_one(ebpf: &mut Ebpf, name: &str, names: &[(&str, bool, u8)]) -> Result<(), String> {
    let mut trie: LpmTrie<_, Name, u8> = LpmTrie::try_from(map(ebpf, name)?).map_err(|e| e.to_string())?;
    for (text, whole, value) in names {
        let mut key: Name = [0; 24];
        for (slot, byte) in key.iter_mut().take(23).zip(text.bytes()) {
            *slot = byte;
        }
        // A whole name ends with its NUL.
        let bytes = text.len().min(23) + usize::from(*whole);
        let bits = u32::try_from(bytes * 8).map_err(|e| e.to_string())?;
        trie.insert(&Key::new(bits, key), value, 0).map_err(|e| format!("{text}: {e}"))?;
    }
    Ok(())
}
