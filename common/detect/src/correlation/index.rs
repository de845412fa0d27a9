//! Owns: the way from a key to its number, in four bytes each.
//! Never: the keys themselves; whoever asks compares them.

const EMPTY: u32 = u32::MAX;
const CELLS_MIN: usize = 64;

/// Open addressing, linear probing. Homes are keyed digests, so nobody outside can make them meet.
#[derive(Debug, Default)]
pub struct Index {
    cells: Vec<u32>,
    len: usize,
}

impl Index {
    #[must_use]
    pub fn find(&self, home: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.cells.len().checked_sub(1)?;
        let mut at = home as usize & mask;
        loop {
            match self.cells[at] {
                EMPTY => return None,
                number if is_it(number) => return Some(number),
                _ => at = (at + 1) & mask,
            }
        }
    }

    pub fn insert(&mut self, home: u64, number: u32, home_of: impl Fn(u32) -> u64) {
        // A quarter stays empty, so that probing ends soon.
        if (self.len + 1) * 4 > self.cells.len() * 3 {
            let more = (self.cells.len() * 2).max(CELLS_MIN);
            let old = std::mem::replace(&mut self.cells, vec![EMPTY; more]);
            for number in old.into_iter().filter(|number| *number != EMPTY) {
                self.put(home_of(number), number);
            }
        }
        self.put(home, number);
        self.len += 1;
    }

    fn put(&mut self, home: u64, number: u32) {
        let mask = self.cells.len() - 1;
        let mut at = home as usize & mask;
        while self.cells[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.cells[at] = number;
    }

    pub fn remove(&mut self, home: u64, number: u32, home_of: impl Fn(u32) -> u64) {
        let Some(mask) = self.cells.len().checked_sub(1) else { return };
        let mut hole = home as usize & mask;
        while self.cells[hole] != number {
            if self.cells[hole] == EMPTY {
                return;
            }
            hole = (hole + 1) & mask;
        }
        self.len -= 1;
        if self.len == 0 {
            self.cells = Vec::new();
            return;
        }
        // Whatever the hole would cut off from its home moves into it.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let number = self.cells[at];
            if number == EMPTY {
                break;
            }
            let way = at.wrapping_sub(home_of(number) as usize & mask) & mask;
            if way >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = number;
                hole = at;
            }
        }
        self.cells[hole] = EMPTY;
    }
}
