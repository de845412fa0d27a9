use std::fs;
use std::path::Path;

use picket_model::Timestamp;
use tempfile::TempDir;

use super::{Identity, Runtimes};

const ID: &str = "3f4e0c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f";

fn host(path: &str, text: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    root
}

fn identity(root: &Path) -> (String, String, String) {
    let Identity { image, name, pod } = Runtimes::new(root).identity(ID, Timestamp(1));
    (image, name, pod)
}

#[test]
fn every_run_time_is_read_where_it_writes() {
    let docker = host(
        &format!("var/lib/docker/containers/{ID}/config.v2.json"),
        r#"{"Name": "/web", "Config": {"Image": "nginx:1.27", "Labels": {}}}"#,
    );
    assert_eq!(identity(docker.path()), ("nginx:1.27".into(), "web".into(), String::new()));

    let containerd = host(
        &format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"),
        r#"{"annotations": {"io.kubernetes.cri.image-name": "docker.io/library/redis:7", "io.kubernetes.cri.container-name": "cache",
            "io.kubernetes.cri.sandbox-name": "shop-0", "io.kubernetes.cri.sandbox-namespace": "prod"}}"#,
    );
    assert_eq!(identity(containerd.path()), ("docker.io/library/redis:7".into(), "cache".into(), "prod/shop-0".into()));

    let crio = host(
        &format!("run/containers/storage/overlay-containers/{ID}/userdata/config.json"),
        r#"{"annotations": {"io.kubernetes.cri-o.ImageName": "quay.io/a/b:2", "io.kubernetes.container.name": "b",
            "io.kubernetes.pod.name": "b-1", "io.kubernetes.pod.namespace": "test"}}"#,
    );
    assert_eq!(identity(crio.path()), ("quay.io/a/b:2".into(), "b".into(), "test/b-1".into()));

    let podman = host(
        "var/lib/containers/storage/overlay-containers/containers.json",
        &format!(r#"[{{"id": "{ID}", "names": ["shell"], "metadata": "{{\"image-name\": \"alpine:3\"}}"}}]"#),
    );
    assert_eq!(identity(podman.path()), ("alpine:3".into(), "shell".into(), String::new()));
}

#[test]
fn what_is_written_late_is_found_at_a_later_look() {
    let root = tempfile::tempdir().unwrap();
    let mut runtimes = Runtimes::new(root.path());
    assert_eq!(runtimes.identity(ID, Timestamp(1)), Identity::default());
    let folder = root.path().join("var/lib/docker/containers").join(ID);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.v2.json"), r#"{"Name": "/late", "Config": {"Image": "x"}}"#).unwrap();
    assert_eq!(runtimes.identity(ID, Timestamp(2)), Identity::default(), "not looked for at every process");
    assert_eq!(runtimes.identity(ID, Timestamp(6_000_000_000)).name, "late");
}

#[test]
fn nonsense_is_no_identity() {
    let root = host(&format!("var/lib/docker/containers/{ID}/config.v2.json"), "[[[[");
    assert_eq!(identity(root.path()), (String::new(), String::new(), String::new()));
}
