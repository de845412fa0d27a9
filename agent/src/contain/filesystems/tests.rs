use std::path::PathBuf;

use proptest::prelude::*;

use super::parse;

const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 22 254:0 /var /bind rw - ext4 /dev/vda rw
25 22 0:30 / /mnt/a\\040b rw master:2 propagate_from:1 - tmpfs none rw
26 22 0:31 / /mnt/far rw - nfs4 server:/ rw
27 22 0:32 / /mnt/odd rw - fuse.sshfs far: rw
28 22 0:33 / /merged rw - overlay overlay rw,lowerdir=/a
";

#[test]
fn each_local_filesystem_once() {
    let wanted = ["/", "/mnt/a b", "/merged"].map(PathBuf::from);
    assert_eq!(parse(MOUNTS), wanted);
}

proptest! {
    #[test]
    fn no_text_upsets_it(text in "[0-9:/ a-z\\\\\n-]{0,200}") {
        let _ = parse(&text);
    }
}
