//! Owns: the attack procedures of a data set, with their arguments filled in, laid out for a guest.
//! Never: running them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::yaml;

/// An argument's default may name another argument.
const FILLINGS: usize = 2;

#[derive(Clone, Debug)]
pub struct Procedure {
    pub technique: String,
    /// What the data set calls it for ever.
    pub test: String,
    pub name: String,
    /// `sh` or `bash`.
    pub shell: String,
    /// Whether it is run as root; else it is somebody who may use sudo.
    pub elevated: bool,
    /// What must hold, and what brings it about where it does not.
    pub prerequisites: Vec<(String, String)>,
    pub command: String,
    pub cleanup: String,
}

impl Procedure {
    /// One that does nothing: what is seen of it is the lab's own doing.
    #[must_use]
    pub fn nothing(elevated: bool) -> Self {
        Self {
            technique: "none".to_owned(),
            test: format!("nothing-{elevated}"),
            name: "nothing".to_owned(),
            shell: "sh".to_owned(),
            elevated,
            prerequisites: Vec::new(),
            // What the log's own daemon writes is nobody's act.
            command: "for log in auth authpriv cron daemon kern mail user; do logger -p $log.info nothing; done"
                .to_owned(),
            cleanup: String::new(),
        }
    }

    #[must_use]
    pub fn user(&self) -> &'static str {
        if self.elevated { "root" } else { "dev" }
    }

    fn from(entry: &Value) -> Result<Self> {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let filled = |text: &str| filled(text, &entry["input_arguments"]);
        let pair = |dependency: &Value| {
            (
                filled(dependency["prereq"].as_str().unwrap_or_default()),
                filled(dependency["get"].as_str().unwrap_or_default()),
            )
        };
        let test = entry["guid"].as_str().context("a procedure without guid")?.to_owned();
        Ok(Self {
            technique: text("technique"),
            name: text("name"),
            shell: text("executor"),
            elevated: entry["elevation_required"] == true,
            prerequisites: entry["dependencies"].as_array().into_iter().flatten().map(pair).collect(),
            command: filled(entry["command"].as_str().with_context(|| format!("{test} has no command"))?),
            cleanup: filled(entry["cleanup"].as_str().unwrap_or_default()),
            test,
        })
    }
}

/// Reads a data set: a file, or a folder of such.
///
/// # Errors
/// Where a file is no list of procedures.
pub fn read(data: &Path) -> Result<Vec<Procedure>> {
    if !data.is_dir() {
        return read_file(data);
    }
    let entries = fs::read_dir(data).with_context(|| data.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    let mut procedures = Vec::new();
    for file in files {
        procedures.extend(read_file(&file)?);
    }
    Ok(procedures)
}

fn read_file(file: &Path) -> Result<Vec<Procedure>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let data = yaml::read(&text).with_context(|| file.display().to_string())?;
    data.as_array().context("a list of procedures")?.iter().map(Procedure::from).collect()
}

fn filled(text: &str, arguments: &Value) -> String {
    (0..FILLINGS).fold(text.to_owned(), |text, _| {
        arguments
            .as_object()
            .into_iter()
            .flatten()
            .fold(text, |text, (name, value)| text.replace(&format!("#{{{name}}}"), value.as_str().unwrap_or_default()))
    })
}

/// A folder for each procedure, with a file for each thing that is run.
///
/// # Errors
/// When a file cannot be written.
pub fn lay_out(procedures: &[Procedure], folder: &Path) -> Result<()> {
    for procedure in procedures {
        let own = folder.join(&procedure.test);
        fs::create_dir_all(&own)?;
        fs::write(own.join("technique"), &procedure.technique)?;
        fs::write(own.join("command"), &procedure.command)?;
        fs::write(own.join("cleanup"), &procedure.cleanup)?;
        for (number, (prerequisite, get)) in procedure.prerequisites.iter().enumerate() {
            fs::write(own.join(format!("prerequisite-{number}")), prerequisite)?;
            fs::write(own.join(format!("get-{number}")), get)?;
        }
    }
    Ok(())
}
