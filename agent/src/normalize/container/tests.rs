//! Owns: tests of the ids in cgroup paths.
//! Never: a container engine.

use proptest::prelude::*;

use super::id;

const ID: &str = "4bf3f2a1c0de4bf3f2a1c0de4bf3f2a1c0de4bf3f2a1c0de4bf3f2a1c0de1234";

#[test]
fn engines_are_understood() {
    for path in [
        "/system.slice/docker-ID.scope",
        "/system.slice/docker-ID.scope/init.scope",
        "/docker/ID",
        "/docker/ID/sub/group",
        "/machine.slice/libpod-ID.scope/container",
        "/user.slice/user-0.slice/user@0.service/user.slice/libpod-ID",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-ID.scope",
        "/kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
        "/kubepods/burstable/pod0d2e/ID",
        "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:ID",
    ] {
        assert_eq!(id(&path.replace("ID", ID)), Some(ID), "{path}");
    }
    assert_eq!(id("/docker/aaaaaaaaaaaa/docker/bbbbbbbbbbbb"), Some("bbbbbbbbbbbb"), "the innermost one");
}

#[test]
fn what_is_no_container_is_none() {
    for path in [
        "",
        "/",
        "/system.slice/docker.service",
        "/system.slice/docker-abc.scope",
        "/user.slice/user-1000.slice/session-4.scope",
        "/machine.slice/libpod-conmon-ID.scope",
        "/system.slice/ID",
        "/docker/IDff",
        "/kubepods/burstable/pod0d2e",
        "/a:ID",
    ] {
        assert_eq!(id(&path.replace("ID", ID)), None, "{path}");
    }
}

proptest! {
    #[test]
    fn any_path_gives_a_sound_id_or_none(path in "(/(docker|kubepods|libpod-|[a-f0-9:]{0,70}|.{0,9})){0,6}") {
        if let Some(id) = id(&path) {
            prop_assert!((12..=64).contains(&id.len()) && path.contains(id));
        }
    }
}
