//! Owns: turning a detection or a command into a verdict under the cached bundle and its budgets.
//! Never: system calls.
