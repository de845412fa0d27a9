//! Owns: which hooks serve the birth, the image and the end of processes, and kernel modules.
//! Never: loading.

use super::{Group, Hook, Kind, Way, family};

pub const GROUPS: &[Group] = &[
    Group {
        rows: &["process.creation", "tamper.preload", "memfd.execute", "namespace.ids"],
        ways: &[Way {
            hooks: &[
                Hook {
                    program: "on_exec",
                    kind: Kind::Tracepoint,
                    targets: &["sched_process_exec"],
                    // The agent starts no program of its own accord.
                    run: None,
                },
                Hook { program: "on_fork", kind: Kind::Tracepoint, targets: &["sched_process_fork"], run: Some(1) },
            ],
            needs: 0,
            limit: "",
        }],
        without: "",
    },
    Group {
        rows: &["process.termination"],
        ways: &[Way {
            hooks: &[Hook {
                program: "on_exit",
                kind: Kind::Tracepoint,
                targets: &["sched_process_exit"],
                run: Some(2),
            }],
            needs: 0,
            limit: "",
        }],
        without: "",
    },
    Group {
        rows: &["module.load"],
        ways: &[
            Way {
                hooks: &[
                    Hook {
                        program: "on_finit_module",
                        kind: Kind::Fexit,
                        targets: &["__x64_sys_finit_module"],
                        run: None,
                    },
                    Hook {
                        program: "on_init_module",
                        kind: Kind::Fexit,
                        targets: &["__x64_sys_init_module"],
                        run: None,
                    },
                ],
                needs: 0,
                limit: "Loads by 32-bit system calls are not seen.",
            },
            Way { hooks: &[], needs: family::MODULES, limit: "Loads by 32-bit system calls are not seen." },
        ],
        without: "Kernel modules are not seen when they are loaded.",
    },
];
