//! Owns: flows, modules, and files that may not run.
//! Never: launches or other files.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use picket_model::NetActivity;
use picket_model::raw::{RawKind, RawRecord};

use crate::support::{sensor, tail, until};

#[test]
fn tcp_is_told_once_per_side_on_both_families() {
    let Some(mut source) = sensor(|_| ()) else { return };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            println!("skipped: no {address} here");
            continue;
        };
        let server = listener.local_addr().expect("an address");
        let client = TcpStream::connect(server).expect("a connection");
        let client_at = client.local_addr().expect("an address");
        let accepted = listener.accept().expect("an accept");
        drop((client, accepted));
        let own = std::process::id();
        let count = |records: &[RawRecord], wanted: NetActivity| {
            let hit = |r: &&RawRecord| {
                let RawKind::Network { activity, local_ip, local_port, remote_ip, remote_port, .. } = &r.kind else {
                    return false;
                };
                let flow = ((*local_ip, *local_port), (*remote_ip, *remote_port));
                let (near, far) = ((client_at.ip(), client_at.port()), (server.ip(), server.port()));
                r.actor.as_ref().is_some_and(|a| a.pid == own)
                    && *activity == wanted
                    && match wanted {
                        NetActivity::Connect => flow == (near, far),
                        NetActivity::Accept => flow == (far, near),
                        NetActivity::Listen => flow.0 == far && *remote_port == 0,
                    }
            };
            records.iter().filter(hit).count()
        };
        let all = [NetActivity::Connect, NetActivity::Accept, NetActivity::Listen];
        let records = until(&mut *source, "three network records", |r| all.iter().all(|a| count(r, *a) > 0));
        assert!(all.iter().all(|a| count(&records, *a) == 1), "{:?}", tail(&records));
    }
}

#[test]
fn a_module_load_that_fails_is_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let module = directory.path().join("harmless.ko");
    std::fs::write(&module, "not a module").expect("a file");
    let file = std::fs::File::open(&module).expect("it");
    let _ = nix::kmod::finit_module(&file, c"", nix::kmod::ModuleInitFlags::empty());
    until(&mut *source, "a module record", |r| {
        r.iter().any(|r| {
            matches!(&r.kind, RawKind::ModuleLoad { name, path, loaded: false } if name == "harmless" && Path::new(path) == module)
        })
    });
}

#[test]
fn the_kernel_refuses_a_denied_file_on_the_full_tier() {
    if std::env::var_os("PICKET_TEST_FULL").is_none() {
        println!("skipped: set PICKET_TEST_FULL where BPF LSM is active");
        return;
    }
    let Some(mut source) = sensor(|_| ()) else { return };
    let mut deny = source.exec_deny().expect("the full tier has a map");
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    std::fs::copy("/bin/true", &program).expect("a copy");
    let meta = std::fs::metadata(&program).expect("it");
    let file = picket_model::FileId { dev: meta.dev(), ino: meta.ino() };
    assert!(Command::new(&program).status().is_ok());
    deny.insert(file).expect("an insert");
    let refused = Command::new(&program).status().expect_err("it must be refused");
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM));
    deny.remove(file).expect("a removal");
    deny.remove(file).expect("a second removal is no error");
    assert!(Command::new(&program).status().is_ok());
}
