//! Owns: tests of what is computed, against the tools of the host.
//! Never: a second implementation to compare with.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use super::super::protocol::{CONTENT_BYTES, Kind, Measured};
use super::measure;

fn of(path: &Path, kind: Kind) -> Measured {
    measure(std::fs::File::open(path).unwrap().as_fd(), kind, 64 << 20).unwrap()
}

fn tool(name: &str, path: &Path) -> String {
    let output = Command::new(name).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn the_digests_are_those_of_the_hosts_tools() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let odd = directory.path().join("odd");
    std::fs::write(&odd, vec![7u8; super::CHUNK + 1]).unwrap();
    for path in [Path::new("/bin/cat"), Path::new("/etc/passwd"), &empty, &odd] {
        let measured = of(path, Kind::Fingerprint);
        assert_eq!(hex::encode(measured.md5), tool("md5sum", path), "{path:?}");
        assert_eq!(measured.sha256.to_string(), tool("sha256sum", path), "{path:?}");
        assert_eq!(measured.size, std::fs::metadata(path).unwrap().len());
        assert_eq!(measured.sha256, of(path, Kind::Digest).sha256);
    }
    assert_eq!(of(Path::new("/bin/cat"), Kind::Fingerprint).header[..4], *b"\x7fELF");
}

#[test]
fn entropy_and_fuzzy_digest_of_known_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let fingerprint = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        of(&path, Kind::Fingerprint)
    };
    let every: Vec<u8> = (0..=255).cycle().take(4096).collect();
    assert_eq!(fingerprint(&every).entropy_millibits, 8000);
    assert_eq!(fingerprint(&[b'a'; 4096]).entropy_millibits, 0);
    assert_eq!(fingerprint(b"abababab").entropy_millibits, 1000);
    assert_eq!(fingerprint(b"").entropy_millibits, 0);
    assert_eq!(fingerprint(&[b'a'; 4096]).tlsh, None, "too uniform");
    // The published example of the reference implementation.
    let text = b"Sed ut perspiciatis unde omnis iste natuserror sit voluptatem accusantium";
    let wanted = "T184A022B383C2A2A20ACB0830880CF0202CCAC080033A023800338A30B0880AA8E0BE38";
    assert_eq!(fingerprint(text).tlsh.as_deref(), Some(wanted));
}

#[test]
fn a_script_is_begun_and_a_large_file_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, vec![b'x'; CONTENT_BYTES + 5]).unwrap();
    let script = of(&path, Kind::Script);
    assert_eq!((script.content.len(), script.size), (CONTENT_BYTES, CONTENT_BYTES as u64 + 5));
    assert_eq!(measure(std::fs::File::open(&path).unwrap().as_fd(), Kind::Script, 100), None);
}
