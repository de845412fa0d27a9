//! Owns: a pattern over a whole path to the one thing about the path that is best asked for.
//! Never: how the pattern was written; Sigma's wildcards and regular expressions both come here as tokens.

use picket_model::interest::{ENDING_BYTES_MAX, FRAGMENT_BYTES_MIN, NAME_BYTES_MAX};

use super::need::Need;
use crate::sigma::glob::{Glob, Token};

/// A piece of a pattern, as far as it is certain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Literal(String),
    /// Anything may stand here, or nothing.
    Gap,
    /// The path begins here.
    Start,
    /// The path ends here.
    End,
}

pub fn of_glob(glob: &Glob) -> Option<Need> {
    let literal = |text: &String| Piece::Literal(text.clone());
    let pieces = match glob {
        Glob::Everything => return None,
        Glob::Exact(text) => vec![Piece::Start, literal(text), Piece::End],
        Glob::Prefix(text) => vec![Piece::Start, literal(text)],
        Glob::Suffix(text) => vec![literal(text), Piece::End],
        Glob::Contains(text) => vec![literal(text)],
        Glob::Pieces(tokens) => {
            let piece = |token: &Token| match token {
                Token::Literal(text) => literal(text),
                Token::Any | Token::One => Piece::Gap,
            };
            std::iter::once(Piece::Start).chain(tokens.iter().map(piece)).chain([Piece::End]).collect()
        }
    };
    best(&pieces)
}

/// What every path that the pattern matches has, and few others have.
pub fn best(pieces: &[Piece]) -> Option<Need> {
    let mut found = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let Piece::Literal(text) = piece else { continue };
        let starts = index.checked_sub(1).and_then(|before| pieces.get(before)) == Some(&Piece::Start);
        let ends = pieces.get(index + 1) == Some(&Piece::End);
        of_literal(text, starts, ends, &mut found);
    }
    // Of equals the longest, for it is the rarest; and of these the last, for the deeper name is the rarer.
    found
        .into_iter()
        .min_by_key(|(index, need)| (need.rank(), usize::MAX - length(need), usize::MAX - index))
        .map(|(_, need)| need)
}

const fn length(need: &Need) -> usize {
    match need {
        Need::Name(text) | Need::Ending(text) | Need::Fragment(text) => text.len(),
        Need::CanRun => 0,
    }
}

fn of_literal(text: &str, starts: bool, ends: bool, found: &mut Vec<(usize, Need)>) {
    let parts: Vec<&str> = text.split('/').collect();
    for (index, part) in parts.iter().enumerate() {
        // Beyond ASCII, folding a part may differ from folding the whole.
        if part.is_empty() || !part.is_ascii() {
            continue;
        }
        let part = part.to_ascii_lowercase();
        let is_last = index + 1 == parts.len();
        let whole = (index > 0 || starts) && (!is_last || ends);
        let mut add = |need| found.push((found.len(), need));
        if let Some((_, ending)) = part.rsplit_once('.').filter(|_| is_last && ends)
            && (1..=ENDING_BYTES_MAX).contains(&ending.len())
        {
            add(Need::Ending(ending.to_owned()));
        }
        if whole && part.len() <= NAME_BYTES_MAX {
            add(Need::Name(part));
        } else if part.len() >= FRAGMENT_BYTES_MIN {
            add(Need::Fragment(part));
        }
    }
}
