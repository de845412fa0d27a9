//! Owns: every `unsafe` block of Picket: pidfd, netlink, fanotify, inodes, namespaces, ring memory, clocks, priority.
//! Never: choosing what to do; each function does one system call's worth of work and reports it.

pub mod cgroup;
pub mod clock;
pub mod fanotify;
pub mod handle;
pub mod inode;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod passing;
pub mod pidfd;
pub mod priority;
pub mod ring;
