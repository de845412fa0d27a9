//! Owns: which files' reading is told, and where such files may lie.
//! Never: opening them.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

/// Home directories that are looked through; a host with more has its accounts elsewhere than in /etc/passwd.
const HOMES_MAX: usize = 4096;

pub struct Watched {
    ends: Vec<String>,
}

impl Watched {
    pub fn new(ends: &[String]) -> Self {
        Self { ends: ends.to_vec() }
    }

    /// As the BPF tiers decide it: the path ends so.
    pub fn wants(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.ends.iter().any(|end| path.ends_with(end.as_str())))
    }

    /// A directory kept for secrets, such as `.ssh`: marked as a whole, it shows what will lie in it.
    pub fn is_den(&self, directory: &Path) -> bool {
        directory.file_name().is_some_and(|name| self.dens().any(|den| den == name))
    }

    fn dens(&self) -> impl Iterator<Item = &std::ffi::OsStr> {
        self.ends.iter().filter_map(|end| den(Path::new(end))).filter_map(Path::file_name)
    }

    /// Every place that may hold such a file when the sensor starts: below / and below each home directory.
    pub fn places(&self, passwd: &str) -> Vec<PathBuf> {
        let homes = passwd.lines().filter_map(|line| line.split(':').nth(5)).filter(|home| home.len() > 1);
        let mut homes: Vec<&str> = homes.collect();
        homes.sort_unstable();
        homes.dedup();
        homes.truncate(HOMES_MAX);
        let mut places = Vec::new();
        for end in &self.ends {
            for home in homes.iter().chain(&[""]) {
                let place = PathBuf::from(format!("{}/{}", home.trim_end_matches('/'), end.trim_start_matches('/')));
                places.extend(den(&place).map(Path::to_path_buf));
                places.push(place);
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Directories with a dot before their name are seldom opened, so that marking them whole costs nothing; /etc is not so.
fn den(file: &Path) -> Option<&Path> {
    let directory = file.parent()?;
    directory.file_name()?.to_str()?.starts_with('.').then_some(directory)
}
