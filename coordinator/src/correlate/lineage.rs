//! Owns: the engine for one host: what shares a session or service, a login, or a file that one wrote and another ran.
//! Never: other hosts.

use picket_model::EntityRef;

use super::backtrack::Backtrack;
use super::limits::FILE_WINDOW_MS;
use super::links::Link;
use super::seen::Seen;
use crate::graph::Graph;

/// Two processes share an ancestor below a boundary exactly when their topmost ancestors below it are the same.
pub(super) fn links(graph: &Graph, seen: &Seen, files: &[EntityRef]) -> Vec<Link> {
    let mut links = Vec::new();
    if let Some(process) = seen.process {
        links.push(Link::Session(graph.session_root(process)));
    }
    if let Some(login) = seen.login_uid {
        links.push(Link::User(seen.host, login));
    }
    if let Some(path) = &seen.changed {
        links.push(Link::File(seen.host, path.clone()));
    }
    for file in files {
        let EntityRef::File { host, path } = file else { continue };
        for (writer, span) in graph.writers(*host, path) {
            if span.first <= seen.time && seen.time.millis_since(span.last) <= FILE_WINDOW_MS {
                links.push(Link::Session(graph.session_root(writer)));
            }
        }
    }
    links
}

/// The programs and scripts that the process and those above it run.
pub(super) fn run_files(graph: &Graph, seen: &Seen, back: &Backtrack) -> Vec<EntityRef> {
    let own = back.passed.iter().take_while(|(host, _)| *host == seen.host);
    let mut paths: Vec<&String> = own
        .filter_map(|process| graph.facts(*process))
        .flat_map(|facts| std::iter::once(&facts.image.exe).chain(&facts.image.arguments))
        .filter(|path| !path.is_empty())
        .collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().map(|path| EntityRef::File { host: seen.host, path: path.clone() }).collect()
}
