//! Owns: which files the rules and indicators in force can look at, as names a kernel can compare.
//! Never: too narrow an answer; what cannot be described is asked for whole.

mod always;
mod need;
pub mod pattern;
#[cfg(test)]
mod tests;
mod text;

use picket_model::{FileActivity, FileInterest, Interest, PathInterest, Paths};

use self::need::{Need, Needs};
use crate::indicator::Indicators;
use crate::sigma::audited;
use crate::sigma::class::Class;
use crate::sigma::field::Field;
use crate::sigma::matcher::Matcher;

/// Every rule counts, also one that only feeds a correlation.
pub fn of(matchers: &[Matcher], indicators: &Indicators) -> Interest {
    let mut files = FileInterest { whole: std::collections::BTreeSet::new(), paths: always::paths() };
    let mut libraries = PathInterest::Of(Paths::default());
    for matcher in matchers {
        let Some(class) = matcher.class() else { continue };
        let activities = activities(class);
        if !activities.is_empty() {
            match need::of_rule(matcher, &[Field::TargetFilename, Field::SourceFilename]) {
                Some(needs) => add(&mut files.paths, needs),
                None => files.whole.extend(activities),
            }
        }
        if class == Class::Audit {
            add_audited(matcher, &mut files);
        }
        if class == Class::ImageLoad {
            match (need::of_rule(matcher, &[Field::ImageLoaded]), &mut libraries) {
                (Some(needs), PathInterest::Of(paths)) => add(paths, needs),
                (_, libraries) => *libraries = PathInterest::Everything,
            }
        }
    }
    // Any file that is written may have a listed hash.
    if indicators.has_hashes() {
        files.whole.insert(FileActivity::Write);
    }
    // A feed has more names than a kernel compares.
    if indicators.has_file_names() {
        files.whole.extend([FileActivity::Create, FileActivity::Write, FileActivity::Rename]);
    }
    Interest { files, libraries }
}

/// A rule for audit's records asks for files where it can match one of its records of paths.
fn add_audited(matcher: &Matcher, files: &mut FileInterest) {
    const ALL: [FileActivity; 7] = [
        FileActivity::Create,
        FileActivity::Write,
        FileActivity::Rename,
        FileActivity::Delete,
        FileActivity::SetMode,
        FileActivity::SetOwner,
        FileActivity::SetAttributes,
    ];
    let can =
        |activity: &FileActivity| matcher.detection.is_possible_where(&|item| audited::can_be_file(item, *activity));
    let activities: Vec<FileActivity> = ALL.into_iter().filter(can).collect();
    if activities.is_empty() {
        return;
    }
    match need::of_rule(matcher, &[Field::PathName]) {
        Some(needs) => add(&mut files.paths, needs),
        None => files.whole.extend(activities),
    }
}

const fn activities(class: Class) -> &'static [FileActivity] {
    match class {
        Class::FileEvent => &[FileActivity::Create, FileActivity::Write, FileActivity::Rename],
        Class::FileRename => &[FileActivity::Rename],
        Class::FileDelete => &[FileActivity::Delete],
        Class::FileChange => &[FileActivity::SetMode, FileActivity::SetOwner, FileActivity::SetAttributes],
        _ => &[],
    }
}

fn add(paths: &mut Paths, needs: Needs) {
    for need in needs {
        match need {
            Need::Name(text) => paths.names.insert(text),
            Need::Ending(text) => paths.endings.insert(text),
            Need::Fragment(text) => paths.fragments.insert(text),
            // Such files are told whatever their names.
            Need::CanRun => false,
        };
    }
}
