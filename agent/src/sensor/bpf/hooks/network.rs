//! Owns: which hooks serve flows.
//! Never: loading.

use super::{Group, Hook, Kind, Way, family};

pub const GROUPS: &[Group] = &[
    Group {
        rows: &["network.connection", "network.listen"],
        ways: &[Way {
            hooks: &[Hook {
                program: "on_socket_state",
                kind: Kind::Tracepoint,
                targets: &["inet_sock_set_state"],
                run: Some(3),
            }],
            needs: 0,
            limit: "",
        }],
        without: "TCP connects and listens are not seen.",
    },
    Group {
        rows: &["network.accept"],
        ways: &[
            Way {
                hooks: &[Hook {
                    program: "on_tcp_accept",
                    kind: Kind::Fexit,
                    targets: &["inet_csk_accept"],
                    run: None,
                }],
                needs: 0,
                limit: "",
            },
            Way {
                hooks: &[],
                needs: family::NETWORK,
                limit: "Accepts by io_uring or by 32-bit system calls are not seen.",
            },
        ],
        without: "TCP accepts are not seen.",
    },
    Group {
        rows: &["network.unix"],
        ways: &[
            Way {
                hooks: &[Hook {
                    program: "on_unix_connect",
                    kind: Kind::Lsm,
                    targets: &["unix_stream_connect"],
                    run: None,
                }],
                needs: 0,
                limit: "Abstract sockets are not seen.",
            },
            Way {
                hooks: &[],
                needs: family::UNIX,
                limit: "Abstract sockets, and connects by io_uring or by 32-bit system calls, are not seen.",
            },
        ],
        without: "Connections to Unix sockets are not seen.",
    },
];
