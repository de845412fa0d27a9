//! Owns: which hooks serve files: the kernel's own objects, or system calls where it refuses those.
//! Never: loading.

use super::{Group, Hook, Kind, Way, family};

/// What system calls do not show of files.
const BY_CALL: &str = "Changes by io_uring or by 32-bit system calls are not seen.";
/// Their names are the caller's memory, read when the call is over.
const BY_NAME: &str = "Changes by io_uring or by 32-bit system calls are not seen; a caller that alters its own path argument during the call can disguise it.";

pub const GROUPS: &[Group] = &[
    Group {
        rows: &["file.creation", "file.credential_read", "raw.device", "kernel.parameter"],
        ways: &[
            Way {
                hooks: &[Hook {
                    program: "on_open",
                    kind: Kind::Fentry,
                    targets: &["security_file_open"],
                    run: Some(6),
                }],
                needs: 0,
                limit: "",
            },
            Way { hooks: &[], needs: family::OPEN, limit: BY_CALL },
        ],
        without: "Files are not seen when they are created or opened.",
    },
    Group {
        rows: &["file.modification"],
        ways: &[
            Way {
                hooks: &[Hook {
                    program: "on_last_close",
                    kind: Kind::Fentry,
                    targets: &["__fput", "locks_remove_file", "security_file_release"],
                    run: Some(7),
                }],
                needs: 0,
                limit: "",
            },
            Way { hooks: &[], needs: family::CLOSE, limit: BY_CALL },
        ],
        without: "Files are not seen when they are closed after writing.",
    },
    Group {
        rows: &["file.rename", "file.deletion", "file.creation"],
        ways: &[
            Way {
                hooks: &[
                    Hook {
                        program: "on_path_rename",
                        kind: Kind::Fexit,
                        targets: &["security_path_rename"],
                        run: None,
                    },
                    Hook { program: "on_renamed", kind: Kind::Fexit, targets: &["vfs_rename"], run: Some(8) },
                    Hook {
                        program: "on_path_unlink",
                        kind: Kind::Fexit,
                        targets: &["security_path_unlink"],
                        run: None,
                    },
                    Hook { program: "on_unlinked", kind: Kind::Fexit, targets: &["vfs_unlink"], run: Some(9) },
                    Hook { program: "on_path_rmdir", kind: Kind::Fexit, targets: &["security_path_rmdir"], run: None },
                    Hook { program: "on_removed", kind: Kind::Fexit, targets: &["vfs_rmdir"], run: None },
                    Hook { program: "on_path_link", kind: Kind::Fexit, targets: &["security_path_link"], run: None },
                    Hook { program: "on_linked", kind: Kind::Fexit, targets: &["vfs_link"], run: Some(10) },
                    Hook {
                        program: "on_path_symlink",
                        kind: Kind::Fexit,
                        targets: &["security_path_symlink"],
                        run: None,
                    },
                    Hook { program: "on_symlinked", kind: Kind::Fexit, targets: &["vfs_symlink"], run: None },
                    Hook { program: "on_node_made", kind: Kind::Fexit, targets: &["vfs_mknod"], run: None },
                ],
                needs: 0,
                limit: "",
            },
            Way { hooks: &[], needs: family::NAMES, limit: BY_NAME },
        ],
        without: "Files are not seen when they are renamed, deleted or linked.",
    },
    Group {
        rows: &["file.mode", "file.owner"],
        ways: &[
            Way {
                hooks: &[
                    Hook { program: "on_path_chmod", kind: Kind::Fexit, targets: &["security_path_chmod"], run: None },
                    Hook { program: "on_path_chown", kind: Kind::Fexit, targets: &["security_path_chown"], run: None },
                    Hook { program: "on_changed", kind: Kind::Fexit, targets: &["notify_change"], run: Some(11) },
                ],
                needs: 0,
                limit: "",
            },
            Way { hooks: &[], needs: family::CHANGES, limit: BY_NAME },
        ],
        without: "Files are not seen when their mode or owner changes.",
    },
    Group {
        rows: &["file.attributes"],
        ways: &[
            Way {
                hooks: &[
                    Hook { program: "on_times_set", kind: Kind::Fexit, targets: &["vfs_utimes"], run: Some(12) },
                    Hook { program: "on_truncated", kind: Kind::Fexit, targets: &["vfs_truncate"], run: Some(13) },
                    Hook { program: "on_xattr_set", kind: Kind::Fexit, targets: &["vfs_setxattr"], run: None },
                    Hook { program: "on_xattr_removed", kind: Kind::Fexit, targets: &["vfs_removexattr"], run: None },
                    Hook { program: "on_flags_set", kind: Kind::Fexit, targets: &["vfs_fileattr_set"], run: None },
                ],
                needs: 0,
                limit: "",
            },
            Way { hooks: &[], needs: family::ATTRIBUTES, limit: BY_NAME },
        ],
        without: "Files are not seen when their attributes change.",
    },
];
