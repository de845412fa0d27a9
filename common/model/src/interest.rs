//! Owns: which files the rules in force can look at, in the terms in which a kernel can ask, and how it asks.
//! Never: rules, or how a sensor uses it.

use std::collections::BTreeSet;

use crate::event::FileActivity;

/// Longer names are asked for by a part of them: the kernel compares four words.
pub const NAME_BYTES_MAX: usize = 31;
/// The kernel looks at the last sixteen bytes of a name, of which one is the dot.
pub const ENDING_BYTES_MAX: usize = 15;
/// The kernel looks for four bytes at a time; what is shorter would stand nearly everywhere.
pub const FRAGMENT_BYTES_MIN: usize = 4;

const SET_ID: u32 = 0o6000;
const EXECUTABLE: u32 = 0o111;
const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// What a sensor may hold back is only what is outside all of these. Each may be too wide, and never too narrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interest {
    pub files: FileInterest,
    /// Shared objects.
    pub libraries: PathInterest,
}

impl Default for Interest {
    /// Until rules have spoken, everything.
    fn default() -> Self {
        Self {
            files: FileInterest { whole: FileInterest::HELD_BACK.into(), paths: Paths::default() },
            libraries: PathInterest::Everything,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileInterest {
    /// Activities of which some rule can match a file that `paths` cannot describe: each is told.
    pub whole: BTreeSet<FileActivity>,
    pub paths: Paths,
}

impl FileInterest {
    /// The activities that may be held back at all; the others are few, or chosen by name already.
    pub const HELD_BACK: [FileActivity; 7] = [
        FileActivity::Create,
        FileActivity::Write,
        FileActivity::Rename,
        FileActivity::Delete,
        FileActivity::SetMode,
        FileActivity::SetOwner,
        FileActivity::SetAttributes,
    ];

    /// Whether a rule may look at it: what the kernel's own check never denies.
    #[must_use]
    pub fn admits(&self, activity: FileActivity, path: &str, old_path: Option<&str>, mode: u32) -> bool {
        self.whole.contains(&activity)
            || !Self::HELD_BACK.contains(&activity)
            || can_run(mode)
            || self.paths.admits(path)
            || old_path.is_some_and(|path| self.paths.admits(path))
    }
}

/// A program, or something that lends its owner's rights: of interest wherever it lies. A mode without a file type
/// is one that the caller asked for.
#[must_use]
pub const fn can_run(mode: u32) -> bool {
    mode & SET_ID != 0 || (mode & EXECUTABLE != 0 && matches!(mode & FILE_TYPE, 0 | REGULAR))
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PathInterest {
    /// Some rule can match a path that cannot be described.
    Everything,
    Of(Paths),
}

impl PathInterest {
    #[must_use]
    pub fn admits(&self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(paths) => paths.admits(path),
        }
    }
}

/// All in lower case and ASCII, for rules ignore case. A name with other letters than ASCII is admitted always: which
/// of them fold to which is nothing a kernel knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Paths {
    /// Whole components, anywhere in the path; at most [`NAME_BYTES_MAX`].
    pub names: BTreeSet<String>,
    /// What follows the last dot of the last name; at most [`ENDING_BYTES_MAX`].
    pub endings: BTreeSet<String>,
    /// Parts of a component; at least [`FRAGMENT_BYTES_MIN`].
    pub fragments: BTreeSet<String>,
}

impl Paths {
    #[must_use]
    pub fn admits(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or_default();
        let ending = last.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        ending.is_some_and(|ending| self.endings.contains(&ending))
            || path.split('/').any(|name| self.admits_name(name))
    }

    fn admits_name(&self, name: &str) -> bool {
        let folded = name.to_ascii_lowercase();
        !name.is_ascii()
            || self.names.contains(&folded)
            || self.fragments.iter().any(|fragment| folded.contains(fragment.as_str()))
    }

    /// A whole component, whatever its length; one beyond ASCII is admitted as it is.
    pub fn add_name(&mut self, name: &str) {
        if name.is_ascii() && !name.is_empty() {
            let names = if name.len() <= NAME_BYTES_MAX { &mut self.names } else { &mut self.fragments };
            names.insert(name.to_ascii_lowercase());
        }
    }
}
