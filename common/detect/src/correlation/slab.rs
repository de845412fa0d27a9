//! Owns: many small things under short numbers, in blocks that never move.
//! Never: a doubling that needs the old and the new at once.

/// Things in one block.
const BLOCK: usize = 4096;

#[derive(Debug)]
pub struct Slab<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    live: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), live: 0 }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, thing: T) -> u32 {
        self.live += 1;
        if let Some(number) = self.free.pop() {
            if let Some(place) = self.place(number) {
                *place = Some(thing);
            }
            return number;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let before = (self.blocks.len() - 1) * BLOCK;
        let mut number = before;
        if let Some(block) = self.blocks.last_mut() {
            number += block.len();
            block.push(Some(thing));
        }
        // A budget of bytes ends long before four thousand million things.
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    pub fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.place(number)?.take()?;
        self.live -= 1;
        self.free.push(number);
        // After a flood the memory goes back; one block stays, for there will be another key.
        if self.live == 0 && self.blocks.len() > 1 {
            *self = Self::default();
        }
        Some(thing)
    }

    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.blocks.get(number / BLOCK)?.get(number % BLOCK)?.as_ref()
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.place(number)?.as_mut()
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.blocks.get_mut(number / BLOCK)?.get_mut(number % BLOCK)
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let all = self.blocks.iter().flatten().enumerate();
        all.filter(|(_, thing)| thing.is_some()).filter_map(|(number, _)| u32::try_from(number).ok())
    }
}
