//! Owns: the lists of the shipped rules and of their cases: every file of `rules` goes into the binary, none is left out.
//! Never: their contents.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("rules");
    println!("cargo::rerun-if-changed={}", folder.display());
    let (mut rules, mut tests) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().into_string().map_err(|name| format!("{} is no text", name.display()))?;
        if name.ends_with(".tests.yml") {
            tests.push(name);
        } else if name.ends_with(".yml") {
            rules.push(name);
        }
    }
    let out = env::var("OUT_DIR")?;
    replace(&Path::new(&out).join("pack.rs"), &list(&folder, rules)?)?;
    replace(&Path::new(&out).join("pack_tests.rs"), &list(&folder, tests)?)?;
    Ok(())
}

/// A file of its own each time: where a folder of builds was copied by links, the old one is somebody else's too.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

fn list(folder: &Path, mut names: Vec<String>) -> Result<String, std::fmt::Error> {
    names.sort();
    let mut list = "&[\n".to_owned();
    for name in names {
        let path = folder.join(&name);
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    list.push(']');
    Ok(list)
}
