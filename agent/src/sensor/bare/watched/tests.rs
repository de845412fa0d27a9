//! Owns: tests of the choice of watched files.
//! Never: the host's own accounts.

use std::path::{Path, PathBuf};

use super::Watched;

#[test]
fn endings_are_looked_for_in_every_home() {
    let watched = Watched::new(&["/etc/shadow".into(), "/.ssh/id_rsa".into()]);
    let places =
        watched.places("root:x:0:0:root:/root:/bin/sh\nann:x:9:9::/home/ann/:/bin/sh\nbroken\nsys:x:2:2::/:/x\n");
    for place in ["/etc/shadow", "/root/.ssh/id_rsa", "/root/.ssh", "/home/ann/.ssh/id_rsa", "/.ssh"] {
        assert!(places.contains(&PathBuf::from(place)), "{place} is not among {places:?}");
    }
    assert!(!places.contains(&PathBuf::from("/etc")), "all of /etc would be told");
    assert!(watched.is_den(Path::new("/srv/app/.ssh")) && !watched.is_den(Path::new("/etc")));
    assert!(watched.wants(Path::new("/srv/app/.ssh/id_rsa")) && !watched.wants(Path::new("/srv/id_rsa")));
}
