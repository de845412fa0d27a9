//! Owns: what container run-times wrote about a container: its image, its name, its pod.
//! Never: asking a run-time over its socket, or one more look than needed at a container that none of them knows.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use picket_model::Timestamp;
use serde_json::Value;

/// A run-time's description of a container; podman's list of all of them is the longest.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// As many containers as a large node runs in a day, at some 200 bytes each. Emptied when full.
const KNOWN_MAX: usize = 4096;
/// A container that nobody describes is looked for again after this: its file may be written after its first process.
const AGAIN_MS: u64 = 5_000;
const DOCKER: &str = "var/lib/docker/containers";
const CONTAINERD: &str = "run/containerd/io.containerd.runtime.v2.task";
/// CRI-O and podman keep theirs in one place, in memory or on disk.
const STORAGE: [&str; 2] =
    ["run/containers/storage/overlay-containers", "var/lib/containers/storage/overlay-containers"];

/// Empty texts where the run-time does not say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    pub image: String,
    pub name: String,
    /// `namespace/name`.
    pub pod: String,
}

pub struct Runtimes {
    root: PathBuf,
    known: HashMap<String, (Identity, Timestamp)>,
}

impl Runtimes {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), known: HashMap::new() }
    }

    /// What is written about the container with this id.
    pub fn identity(&mut self, id: &str, now: Timestamp) -> Identity {
        if let Some((identity, looked)) = self.known.get(id)
            && (*identity != Identity::default() || now.millis_since(*looked) < AGAIN_MS)
        {
            return identity.clone();
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let identity = self.look(id).unwrap_or_default();
        self.known.insert(id.to_owned(), (identity.clone(), now));
        identity
    }

    fn look(&self, id: &str) -> Option<Identity> {
        self.docker(id).or_else(|| self.containerd(id)).or_else(|| self.storage(id))
    }

    fn docker(&self, id: &str) -> Option<Identity> {
        let about = json(&self.root.join(DOCKER).join(id).join("config.v2.json"))?;
        let labels = &about["Config"]["Labels"];
        let name = text(&about["Name"]);
        Some(Identity {
            image: text(&about["Config"]["Image"]),
            name: name.trim_start_matches('/').to_owned(),
            pod: pod(&labels["io.kubernetes.pod.namespace"], &labels["io.kubernetes.pod.name"]),
        })
    }

    /// Each containerd namespace (`k8s.io`, `default`, `moby`) has a folder of its own.
    fn containerd(&self, id: &str) -> Option<Identity> {
        let namespaces = std::fs::read_dir(self.root.join(CONTAINERD)).ok()?;
        let about = namespaces.flatten().find_map(|entry| json(&entry.path().join(id).join("config.json")))?;
        Some(of_annotations(&about["annotations"]))
    }

    fn storage(&self, id: &str) -> Option<Identity> {
        let about = STORAGE.iter().find_map(|folder| {
            let folder = self.root.join(folder);
            Some((json(&folder.join(id).join("userdata/config.json"))?, folder))
        });
        let mut identity = about.map(|(about, _)| of_annotations(&about["annotations"])).unwrap_or_default();
        if identity.image.is_empty() {
            let listed = STORAGE.iter().find_map(|folder| self.listed(&self.root.join(folder), id));
            if let Some((image, name)) = listed {
                identity.image = image;
                identity.name = if identity.name.is_empty() { name } else { identity.name };
            }
        }
        (identity != Identity::default()).then_some(identity)
    }

    /// podman's own list of containers, whose metadata is JSON within JSON.
    fn listed(&self, folder: &Path, id: &str) -> Option<(String, String)> {
        let all = json(&folder.join("containers.json"))?;
        let one = all.as_array()?.iter().find(|one| one["id"] == id)?;
        let metadata: Value = serde_json::from_str(one["metadata"].as_str()?).ok()?;
        Some((text(&metadata["image-name"]), text(&one["names"][0])))
    }
}

fn of_annotations(about: &Value) -> Identity {
    let first = |names: &[&str]| names.iter().map(|name| text(&about[*name])).find(|text| !text.is_empty());
    let image = ["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image"];
    let name = ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"];
    let pod_name = ["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"];
    let namespace = ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"];
    Identity {
        image: first(&image).unwrap_or_default(),
        name: first(&name).unwrap_or_default(),
        pod: pod(&first(&namespace).into(), &first(&pod_name).into()),
    }
}

fn pod(namespace: &Value, name: &Value) -> String {
    let name = text(name);
    if name.is_empty() { name } else { format!("{}/{name}", text(namespace)) }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn json(path: &Path) -> Option<Value> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
