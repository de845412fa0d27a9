//! Owns: the shipped rule pack, embedded in the binary.
//! Never: reading a file at run time.

use crate::rule::RuleSource;

/// Each name is a file `rules/NAME.yml` beside its `rules/NAME.tests.yml`; a test checks that none is left out.
macro_rules! pack {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".yml"), include_str!(concat!("../rules/", $name, ".yml")))),*]
    };
}

const FILES: &[(&str, &str)] = pack![
    "account_file_edited",
    "archive_upload",
    "at_job",
    "authorized_keys_change",
    "boot_script_persistence",
    "container_escape",
    "credential_file_read",
    "cron_persistence",
    "crontab_by_service_account",
    "decode_and_run",
    "defences_stopped",
    "download_piped_to_shell",
    "download_to_temp_and_run",
    "exec_from_shared_memory",
    "exec_from_temp",
    "hidden_executable",
    "history_tampering",
    "immutable_attribute",
    "kernel_module_from_temp",
    "ld_preload_command",
    "ld_so_preload_write",
    "log_file_deleted",
    "log_file_overwritten",
    "log_wipe_command",
    "masquerade_kernel_thread",
    "memfd_run",
    "miner_command",
    "miner_pool_port",
    "network_tool_listens",
    "pam_config_change",
    "pam_module_change",
    "process_memory_tool",
    "recon_burst",
    "reverse_shell_dev_tcp",
    "reverse_shell_interpreter",
    "reverse_shell_netcat",
    "setuid_bit_set",
    "setuid_in_temp",
    "shadow_file_read",
    "shell_connects_out",
    "shell_profile_change",
    "ssh_brute_force_success",
    "sshd_config_change",
    "sudoers_change",
    "systemd_unit_persistence",
    "tool_escapes_to_shell",
    "udev_rule_persistence",
    "uid0_account",
    "web_server_runs_recon",
    "web_server_spawns_shell",
];

/// The shipped rules.
#[must_use]
pub fn pack() -> Vec<RuleSource> {
    FILES.iter().map(|(file, text)| RuleSource { file: (*file).to_owned(), text: (*text).to_owned() }).collect()
}
