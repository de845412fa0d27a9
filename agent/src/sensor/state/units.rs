//! Owns: the text of a unit file to what it starts and when.
//! Never: which of several files of one name counts.

#[cfg(test)]
mod tests;

use super::jobs::cut;

/// Settings of one file that are looked at.
const SETTINGS_MAX: usize = 4096;
/// What makes a timer elapse, as systemd.timer(5) has it.
const TIMES: [&str; 7] =
    ["OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec", "OnCalendar", "OnClockChange"];
const LISTENS: [&str; 3] = ["ListenStream", "ListenDatagram", "ListenFIFO"];
const PATHS: [&str; 5] = ["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"];

/// Assignments in their order, of whatever section: the names that matter are in one section only.
pub struct UnitText(Vec<(String, String)>);

impl UnitText {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (mut settings, mut open) = (Vec::new(), String::new());
        for line in text.lines() {
            let line = line.trim();
            // A comment may stand within a continued line.
            if line.starts_with(['#', ';']) || (line.is_empty() && open.is_empty()) {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                open.push_str(part);
                open.push(' ');
                continue;
            }
            open.push_str(line);
            if let Some((name, value)) = open.split_once('=')
                && settings.len() < SETTINGS_MAX
            {
                settings.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            open.clear();
        }
        Self(settings)
    }

    /// Every value that stands: an empty one takes back those before it.
    fn all<'a>(&'a self, names: &[&str]) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.0 {
            if names.contains(&name.as_str()) {
                if value.is_empty() {
                    found.retain(|(other, _)| other != name);
                } else {
                    found.push((name, value));
                }
            }
        }
        found
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.all(&[name]).last().map(|(_, value)| *value)
    }

    /// What the unit starts; of a socket or a path unit, what makes it start something.
    pub fn command(&self, unit: &str) -> String {
        let names: &[&str] = match unit.rsplit_once('.') {
            Some((_, "socket")) => &LISTENS,
            Some((_, "path")) => &PATHS,
            _ => &["ExecStart"],
        };
        let whole: Vec<String> = self
            .all(names)
            .into_iter()
            .map(|(name, value)| if names.len() == 1 { value.to_owned() } else { format!("{name}={value}") })
            .collect();
        cut(&whole.join("; "))
    }

    pub fn schedule(&self) -> String {
        let times: Vec<String> = self.all(&TIMES).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        cut(&times.join("; "))
    }

    pub fn user(&self) -> Option<String> {
        self.last("User").map(cut)
    }

    /// Which unit the timer `name` starts.
    pub fn starts(&self, name: &str) -> String {
        let own = || format!("{}.service", name.strip_suffix(".timer").unwrap_or(name));
        self.last("Unit").map_or_else(own, cut)
    }
}

/// `foo@bar.service` is made from `foo@.service`.
pub fn template(unit: &str) -> Option<String> {
    let (before, after) = unit.split_once('@')?;
    let (instance, kind) = after.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{before}@.{kind}"))
}
