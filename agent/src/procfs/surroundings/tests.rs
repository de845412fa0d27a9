use std::process::{Command, Stdio};

use picket_model::StreamKind;

use crate::procfs::describe;

#[test]
fn a_process_is_told_with_what_is_around_it() {
    let mut child = Command::new("cat")
        .env("LD_LIBRARY_PATH", "/picket")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // `cat` waits for its input: whoever asks sees it as it is.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let context = loop {
        let found = describe(child.id()).unwrap();
        let context = found.context.unwrap();
        // The name changes a moment before the memory that holds the environment does.
        if (found.name == "cat" && !context.preload.is_empty()) || std::time::Instant::now() > end {
            break context;
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((context.stdin, context.stdout), (StreamKind::Pipe, StreamKind::Null));
    assert_eq!(context.preload, ["LD_LIBRARY_PATH=/picket"]);
    let own = describe(std::process::id()).unwrap().context.unwrap();
    assert!(context.mount_ns != 0 && context.mount_ns == own.mount_ns && context.user_ns == own.user_ns);
    assert_eq!(context.capabilities, own.capabilities);
}
