//! Owns: of which files every host keeps copies from before they change: those that say how it runs and who gets in.
//! Never: reading one.

/// All below them. Only files of the host itself count, so no link is followed.
pub const FOLDERS: [&str; 3] = ["/etc", "/usr/local/etc", "/var/spool/cron"];
/// Whose home a start-up file lies in makes no difference.
pub const HOMES: &str = "/home";
pub const ROOT_HOME: &str = "/root";
/// What shells and sessions read as they start, in a home.
pub const HOME_FILES: [&str; 18] = [
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".cshrc",
    ".kshrc",
    ".login",
    ".pam_environment",
    ".profile",
    ".tcshrc",
    ".vimrc",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];
/// In a home, with all below them.
pub const HOME_FOLDERS: [&str; 4] = [".config/autostart", ".config/fish", ".config/systemd/user", ".ssh"];
/// The agent's own, for who can change it there has the agent; and what runs once and is gone, of which anybody makes many.
const NOT: [&str; 2] = ["/etc/picket", "/var/spool/cron/atjobs"];

/// Whether copies are kept of what lies there.
#[must_use]
pub fn is_copied(path: &str) -> bool {
    if NOT.iter().any(|not| below(path, not).is_some()) || path.split('/').any(|name| name == "..") {
        return false;
    }
    FOLDERS.iter().any(|folder| below(path, folder).is_some()) || in_home(path).is_some_and(is_of_home)
}

/// Names of folders and files by one of which every such path is known: what a sensor asks for.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["etc", "cron", "autostart", "fish", "user", ".ssh"].into_iter().chain(HOME_FILES)
}

/// Whose it is to fill: the home of an ordinary user that the path lies in.
#[must_use]
pub fn home(path: &str) -> Option<&str> {
    let (name, _) = below(path, HOMES)?.split_once('/')?;
    path.get(..HOMES.len() + 1 + name.len())
}

/// What follows the home of somebody.
fn in_home(path: &str) -> Option<&str> {
    below(path, ROOT_HOME).or_else(|| below(path, HOMES)?.split_once('/').map(|(_, rest)| rest))
}

fn is_of_home(rest: &str) -> bool {
    HOME_FILES.contains(&rest) || HOME_FOLDERS.iter().any(|folder| below(rest, folder).is_some())
}

/// What follows `folder` and a slash.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{home, is_copied, names};

    #[test]
    fn settings_jobs_and_start_up_files_are_copied_and_nothing_else() {
        let copied = [
            "/etc/ssh/sshd_config",
            "/etc/pam.d/sshd",
            "/var/spool/cron/crontabs/root",
            "/usr/local/etc/x",
            "/root/.bashrc",
            "/home/ann/.ssh/authorized_keys",
            "/home/ann/.config/systemd/user/x.service",
        ];
        for path in copied {
            assert!(is_copied(path), "{path}");
            assert!(path.split('/').any(|name| names().any(|known| known == name)), "no sensor is asked for {path}");
        }
        for path in [
            "/etc",
            "/etcetera/x",
            "/etc/picket/agent.toml",
            "/var/spool/cron/atjobs/a0000101c",
            "/usr/bin/ls",
            "/home/.bashrc",
            "/home/ann/notes",
            "/home/ann/x/.bashrc",
            "/var/log/auth.log",
            "/etc/../usr/bin/ls",
            "etc/passwd",
            "",
        ] {
            assert!(!is_copied(path), "{path}");
        }
        assert_eq!(
            (home("/home/ann/.ssh/x"), home("/home/ann"), home("/root/.bashrc")),
            (Some("/home/ann"), None, None)
        );
    }
}
