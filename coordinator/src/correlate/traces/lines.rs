//! Owns: which lines a shell command says it adds to which file: `echo LINE >> FILE`, `printf`, `tee -a`.
//! Never: running a shell; what it cannot read it leaves out, and a line that does not stand in the file is never taken out.

/// Longer texts hold programs, not a line for a settings file.
const TEXT_BYTES_MAX: usize = 64 * 1024;
const LINE_BYTES_MAX: usize = 2_048;

/// Path as the command names it, and line.
pub(super) fn added(text: &str) -> Vec<(String, String)> {
    if text.len() > TEXT_BYTES_MAX {
        return Vec::new();
    }
    text.split(['\n', ';']).flat_map(|part| part.split("&&")).filter_map(of_one).collect()
}

fn of_one(command: &str) -> Option<(String, String)> {
    let (before, after) = match command.rsplit_once(">>") {
        Some(both) => both,
        None => {
            let (before, tee) = command.split_once('|')?;
            (
                before,
                tee.trim_start().strip_prefix("tee -a ").or_else(|| tee.trim_start().strip_prefix("sudo tee -a "))?,
            )
        }
    };
    let words = ["echo ", "printf "];
    let start = words.iter().filter_map(|word| Some(before.find(word)? + word.len())).min()?;
    let mut line = before.get(start..)?.trim();
    while let Some(rest) = ["-e ", "-n ", "-ne ", "-en ", "-- "].iter().find_map(|flag| line.strip_prefix(flag)) {
        line = rest.trim_start();
    }
    let line = unquoted(line).trim_end_matches("\\n");
    let path = unquoted(after.split_whitespace().next()?);
    let whole = !line.is_empty() && line.len() <= LINE_BYTES_MAX && !line.contains(['$', '`', '\n']);
    (whole && !path.is_empty()).then(|| (path.to_owned(), line.to_owned()))
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    within('\'').or_else(|| within('"')).unwrap_or(text)
}

/// Whether a command's word for a file may mean this path.
pub(super) fn names(word: &str, path: &str) -> bool {
    let home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|home| word.strip_prefix(home));
    match home {
        Some(rest) => path.strip_suffix(rest).is_some_and(|before| before.ends_with('/')),
        None if word.starts_with('/') => word == path,
        None => path.rsplit_once('/').is_some_and(|(_, name)| word.trim_start_matches("./") == name),
    }
}

#[cfg(test)]
mod tests {
    use super::{added, names};

    #[test]
    fn lines_are_read_out_of_commands_and_what_is_not_certain_is_left_out() {
        let one = |text: &str| added(text).into_iter().next();
        let pair = |path: &str, line: &str| Some((path.to_owned(), line.to_owned()));
        assert_eq!(
            one("umask 77; echo 'ssh-rsa AAA x' >> ~/.ssh/authorized_keys"),
            pair("~/.ssh/authorized_keys", "ssh-rsa AAA x")
        );
        assert_eq!(one("echo /tmp/x.so >> /etc/ld.so.preload && id"), pair("/etc/ld.so.preload", "/tmp/x.so"));
        assert_eq!(
            one("echo \"* * * * * root /x\" | sudo tee -a /etc/crontab"),
            pair("/etc/crontab", "* * * * * root /x")
        );
        for vague in ["echo $X >> /etc/crontab", "cat x >> /etc/crontab", "echo >> /x", "echo x > /y", ">>", "echo 'a'"]
        {
            assert_eq!(one(vague), None, "{vague}");
        }
        assert!(names("~/.bashrc", "/home/eve/.bashrc") && names("/etc/x", "/etc/x") && names("./x", "/srv/x"));
        assert!(!names("~/.bashrc", "/home/eve/x.bashrc") && !names("/etc/x", "/srv/etc/x"));
    }
}
