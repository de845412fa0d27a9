//! Owns: tests of what is found below a folder, hostile folders among them.
//! Never: compiling.

use std::os::unix::fs::symlink;

use super::find;

fn shown(errors: &[picket_detect::RuleError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn rules_and_cases_are_told_apart_and_loops_of_links_end() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("below");
    std::fs::create_dir(&below).unwrap();
    for name in ["b.yml", "a.yaml", "a.tests.yaml", "notes.md", ".hidden.yml", "below/c.yml"] {
        std::fs::write(dir.path().join(name), "title: x\n").unwrap();
    }
    // Two loops in each of two folders would be 2^32 folders for whoever follows them.
    for name in ["one", "two"] {
        symlink(dir.path(), dir.path().join(name)).unwrap();
        symlink(dir.path(), below.join(name)).unwrap();
    }
    let found = find(&[dir.path().to_path_buf()]).unwrap();
    let names = |sources: &[picket_detect::RuleSource]| -> Vec<String> {
        sources.iter().map(|source| source.file.replace(&format!("{}/", dir.path().display()), "")).collect()
    };
    assert_eq!(names(&found.rules), ["a.yaml", "b.yml", "below/c.yml"]);
    assert_eq!(names(&found.tests), ["a.tests.yaml"]);
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    // The cases beside a named rule come with it.
    let found = find(&[dir.path().join("a.yaml")]).unwrap();
    assert_eq!(
        (names(&found.rules), names(&found.tests)),
        (vec!["a.yaml".to_owned()], vec!["a.tests.yaml".to_owned()])
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_hides_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yml"), b"title: x\nid: \xff\n").unwrap();
    std::fs::write(dir.path().join("b.yml"), vec![b'#'; 10 << 20]).unwrap();
    symlink("/nonexistent", dir.path().join("c.yml")).unwrap();
    nix::unistd::mkfifo(&dir.path().join("d.yml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::write(dir.path().join("e.yml"), "title: x\n").unwrap();
    let found = find(&[dir.path().to_path_buf()]).unwrap();
    let errors = shown(&found.unreadable);
    assert_eq!(found.rules.len(), 1);
    for (file, words) in [
        ("a.yml:2:5: ", "UTF-8"),
        ("b.yml:1:1: ", "longer than 1048576 bytes"),
        ("c.yml:1:1: ", "No such file"),
        ("d.yml:1:1: ", "no regular file"),
    ] {
        assert!(errors.iter().any(|error| error.contains(file) && error.contains(words)), "{file} {errors:#?}");
    }
    assert_eq!(errors.len(), 4);
}
