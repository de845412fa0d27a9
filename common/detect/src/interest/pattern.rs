//! Owns: a regular expression to the ways in which it can match, each as certain pieces and gaps.
//! Never: matching.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

pub use super::text::Piece;

/// Beyond so many ways an alternative counts as a gap.
const WAYS_MAX: usize = 256;
/// A class with more members is no letter in two cases.
const CASES_MAX: u32 = 4;

type Way = Vec<Piece>;

/// `None` for what does not parse; it was compiled already, so that is only a guard.
pub fn ways(pattern: &str) -> Option<Vec<Way>> {
    let hir = regex_syntax::parse(pattern).ok()?;
    Some(of(&hir).into_iter().map(joined).collect())
}

fn of(hir: &Hir) -> Vec<Way> {
    let one = |piece| vec![vec![piece]];
    match hir.kind() {
        // A width of nothing parts nothing.
        HirKind::Empty => vec![Vec::new()],
        HirKind::Look(Look::Start) => one(Piece::Start),
        HirKind::Look(Look::End) => one(Piece::End),
        HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => {
            one(std::str::from_utf8(&literal.0).map_or(Piece::Gap, |text| Piece::Literal(text.to_owned())))
        }
        HirKind::Class(class) => one(letter(class).map_or(Piece::Gap, |letter| Piece::Literal(letter.to_string()))),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) => match (repetition.min, repetition.max) {
            (0, Some(1)) => bounded(std::iter::once(Vec::new()).chain(of(&repetition.sub)).collect()),
            (0, _) => one(Piece::Gap),
            (1, Some(1)) => of(&repetition.sub),
            _ => of(&repetition.sub).into_iter().map(|way| [way, vec![Piece::Gap]].concat()).collect(),
        },
        HirKind::Concat(parts) => parts.iter().fold(vec![Vec::new()], |ways, part| {
            let ends = of(part);
            let ends = if ways.len() * ends.len() > WAYS_MAX { vec![vec![Piece::Gap]] } else { ends };
            ways.iter().flat_map(|way| ends.iter().map(|end| [way.as_slice(), end].concat())).collect()
        }),
        HirKind::Alternation(parts) => bounded(parts.iter().flat_map(of).collect()),
    }
}

fn bounded(ways: Vec<Way>) -> Vec<Way> {
    if ways.len() > WAYS_MAX { vec![vec![Piece::Gap]] } else { ways }
}

/// The letter of which the class holds both cases. Other than ASCII may stand among them (the Kelvin sign folds to k):
/// a name with such a letter is told always.
fn letter(class: &Class) -> Option<char> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
        Class::Bytes(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
    };
    if ranges.iter().map(|(start, end)| end - start + 1).sum::<u32>() > CASES_MAX {
        return None;
    }
    let members = ranges.iter().flat_map(|(start, end)| *start..=*end).filter_map(char::from_u32);
    let mut folded: Vec<char> = members.filter(char::is_ascii).map(|char| char.to_ascii_lowercase()).collect();
    folded.dedup();
    folded.sort_unstable();
    folded.dedup();
    match folded.as_slice() {
        [letter] => Some(*letter),
        _ => None,
    }
}

/// Literals that touch are one.
fn joined(way: Way) -> Way {
    let mut pieces: Way = Vec::with_capacity(way.len());
    for piece in way {
        match (pieces.last_mut(), piece) {
            (Some(Piece::Literal(text)), Piece::Literal(more)) => text.push_str(&more),
            (_, piece) => pieces.push(piece),
        }
    }
    pieces
}
