//! Owns: running a data set of attack procedures in a guest under a live agent, and saying what was told and detected.
//! Never: the data itself; it lies outside the project, and without it nothing is run.

mod changes;
mod day;
mod guest;
mod judge;
mod procedures;
mod summary;
#[cfg(test)]
mod tests;
mod witness;
mod yaml;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use picket_tests::vm::Lab;

use crate::changes::{Background, Changes};
use crate::guest::Guest;
use crate::judge::judge;
use crate::procedures::Procedure;
use crate::summary::{Everyday, Summary};

const USAGE: &str = "\
Runs attack procedures in a guest, each in the same kept state, and writes a line of JSON for each.

  --data PATH      the procedures, a file or a folder (default $PICKET_ATOMICS, or shared/data/atomics beside the project)
  --only WORDS     only of these techniques or tests, parted by commas: T1053.003,7266d898
  --rules DIR      with these rules instead of those that are built in
  --out FILE       where the lines go (default executed.ndjson in the folder of --keep)
  --keep DIR       where the whole record of each run is kept (default a folder below the target directory)
  --again          judge what --keep holds, without running anything
  --day            a quiet day instead of attacks, and what is told of it";

const ATOMICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/atomics/linux.yaml");

struct Options {
    data: PathBuf,
    only: Vec<String>,
    rules: Option<PathBuf>,
    out: PathBuf,
    keep: PathBuf,
    again: bool,
    day: bool,
}

fn main() -> Result<()> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    if options.day {
        fs::create_dir_all(&options.keep)?;
        return day::run(&settled(&options, &[], &[])?, &options.keep);
    }
    if !options.data.exists() {
        println!("skipped: {} is not there; it is no part of the project", options.data.display());
        return Ok(());
    }
    let everyday = Everyday::read()?;
    let mut chosen = procedures::read(&options.data)?;
    chosen.retain(|procedure| options.only.is_empty() || options.only.iter().any(|word| is_meant(procedure, word)));
    if chosen.is_empty() {
        bail!("no procedure is meant by {:?}", options.only);
    }
    fs::create_dir_all(&options.keep)?;
    let nothing = [Procedure::nothing(false), Procedure::nothing(true)];
    let guest = if options.again { None } else { Some(settled(&options, &nothing, &chosen)?) };
    let run = |procedure: &Procedure| match &guest {
        Some(guest) => guest.run(procedure, &options.keep),
        None => guest::kept(procedure, &options.keep),
    };
    let mut background = Background::default();
    for procedure in &nothing {
        let raw = run(procedure)?;
        let none = Background::default();
        background.learn(&Changes::read(raw.parts.get("changes").map_or("", String::as_str), &none));
        let outcome = judge(&raw, &background)?;
        if outcome.detected() {
            bail!("doing nothing as {} is detected: {:?}", procedure.user(), outcome.rules);
        }
    }
    let mut out = fs::File::create(&options.out).with_context(|| options.out.display().to_string())?;
    let mut summary = Summary::default();
    for (number, procedure) in chosen.iter().enumerate() {
        let begun = Instant::now();
        let outcome = run(procedure).and_then(|raw| judge(&raw, &background));
        let excepted = everyday.reason(procedure);
        let text = match outcome {
            Ok(outcome) => {
                writeln!(out, "{}", outcome.line(procedure, excepted))?;
                summary.add(procedure, &outcome, excepted)
            }
            // The lab's own failure is no verdict on the agent, and none for it.
            Err(error) => summary.failed(procedure, &error),
        };
        println!("{}/{} {:.0?} {text}", number + 1, chosen.len(), begun.elapsed());
    }
    println!("{summary}\nlines: {}; records: {}", options.out.display(), options.keep.display());
    Ok(())
}

fn settled(options: &Options, nothing: &[Procedure], chosen: &[Procedure]) -> Result<Guest> {
    let lab = Lab::new().map_err(anyhow::Error::msg)?;
    let all: Vec<Procedure> = nothing.iter().chain(chosen).cloned().collect();
    let begun = Instant::now();
    let guest = Guest::settled(&lab, &all, options.rules.as_deref())?;
    println!("a server with coordinator and agent is at rest and kept, after {:.0?}", begun.elapsed());
    Ok(guest)
}

fn is_meant(procedure: &Procedure, word: &str) -> bool {
    procedure.technique == word || procedure.test.starts_with(word)
}

fn options() -> Result<Option<Options>> {
    let data = std::env::var_os("PICKET_ATOMICS").unwrap_or_else(|| ATOMICS.into());
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut options = Options {
        data: data.into(),
        only: Vec::new(),
        rules: None,
        out: PathBuf::new(),
        keep: Path::new(&target).join("executed"),
        again: false,
        day: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--data" => options.data = value()?.into(),
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--rules" => options.rules = Some(value()?.into()),
            "--out" => options.out = value()?.into(),
            "--keep" => options.keep = value()?.into(),
            "--again" => options.again = true,
            "--day" => options.day = true,
            "--help" | "-h" => return Ok(None),
            _ => bail!("{word} is unknown\n{USAGE}"),
        }
    }
    if options.out.as_os_str().is_empty() {
        options.out = options.keep.join("executed.ndjson");
    }
    Ok(Some(options))
}
