//! Owns: changes and watched reads of files.
//! Never: launches or flows.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use picket_model::raw::RawKind;
use picket_model::{FileActivity, Tier};

use crate::support::{has_file, run, sensor, until};

#[test]
fn file_changes_are_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    run("echo one > made; mkdir -p below; mv made below/moved; chmod 640 below/moved", directory.path());
    let ino = std::fs::metadata(at("below/moved")).expect("it").ino();
    run("rm below/../below/moved", directory.path());
    // Never closed: the exit does it.
    run("exec 5>held; echo two >&5; exit", directory.path());
    run("ln held hard; ln -s held below/soft", directory.path());
    let records = until(&mut *source, "file records", |r| {
        has_file(r, FileActivity::Create, &at("made"))
            && has_file(r, FileActivity::Rename, &at("below/moved"))
            && has_file(r, FileActivity::SetMode, &at("below/moved"))
            && has_file(r, FileActivity::Write, &at("held"))
            && has_file(r, FileActivity::Create, &at("hard"))
            && has_file(r, FileActivity::Create, &at("below/soft"))
            && has_file(r, FileActivity::Delete, &at("below/moved"))
            && r.iter()
                .any(|r| matches!(&r.kind, RawKind::File { activity: FileActivity::Write, id, .. } if id.ino == ino))
    });
    for record in &records {
        match &record.kind {
            RawKind::File { activity: FileActivity::Rename, path, old_path, .. }
                if Path::new(path) == at("below/moved") =>
            {
                assert_eq!(old_path.as_deref().map(Path::new), Some(&*at("made")));
            }
            RawKind::File { activity: FileActivity::SetMode, path, mode, .. }
                if Path::new(path) == at("below/moved") =>
            {
                assert_eq!(mode & 0o777, 0o640);
            }
            // The full tier knows the object itself, not only what the caller called it.
            RawKind::File { activity: FileActivity::Delete, path, id, .. } if Path::new(path) == at("below/moved") => {
                assert!(source.tier() == Tier::Tracing || id.ino == ino);
            }
            _ => {}
        }
    }
}

#[test]
fn only_watched_reads_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let decoy = directory.path().join("decoy-credentials");
    let other = directory.path().join("other/decoy-credentials");
    std::fs::create_dir(directory.path().join("other")).expect("a directory");
    std::fs::write(&decoy, "secret").expect("a decoy");
    std::fs::write(&other, "same last name").expect("a file");
    let watch = decoy.to_string_lossy().into_owned();
    // Among as many as a bundle may name.
    let named = || (1..1_000).map(|number| format!("/srv/decoys/decoy-{number}")).chain([watch.clone()]).collect();
    let Some(mut source) = sensor(|o| o.watch_read = named()) else { return };
    run("cat other/decoy-credentials decoy-credentials > /dev/null", directory.path());
    let records = until(&mut *source, "a read", |r| has_file(r, FileActivity::Read, &decoy));
    assert!(!has_file(&records, FileActivity::Read, &other));
}

/// Not a bound, a figure for people: `cargo nextest run --run-ignored all sensor_pace --no-capture`.
#[test]
#[ignore = "a measurement"]
fn sensor_pace() {
    let loops = "import os,time\nt=time.time()\nfor i in range(200000):\n f=os.open('/tmp/picket-pace',os.O_RDWR|os.O_CREAT);os.close(f)\nprint(time.time()-t)";
    let pace = || {
        let mut child = Command::new("python3").args(["-c", loops]).stdout(Stdio::piped()).spawn().expect("python3");
        let mut text = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("a figure");
        child.wait().expect("wait");
        text.trim().parse::<f64>().expect("seconds")
    };
    println!("without: {:.0} ns per open and close", pace() * 5_000.0);
    let Some(mut source) = sensor(|_| ()) else { return };
    let worker = std::thread::spawn(pace);
    let (mut records, mut lost) = (0u64, 0u64);
    while !worker.is_finished() {
        for record in source.next(Duration::from_millis(100)).expect("the rings") {
            records += 1;
            if let RawKind::Loss { counts } = record.kind {
                lost += counts.iter().map(|c| c.count).sum::<u64>();
            }
        }
    }
    let seconds = worker.join().expect("a figure");
    println!(
        "with: {:.0} ns per open and close; {records} records, {lost} lost, {:.0} records/s",
        seconds * 5_000.0,
        records as f64 / seconds
    );
}
