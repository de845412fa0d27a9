//! Owns: random bytes for ids, fetched from the kernel in blocks.
//! Never: keys: those come straight from the kernel.

/// One system call serves so many ids: events are made by the ten thousand a second.
const BLOCK_IDS: usize = 256;

/// A source of sixteen random bytes at a time.
pub fn source() -> Box<dyn FnMut() -> [u8; 16] + Send> {
    let mut block = [[0u8; 16]; BLOCK_IDS];
    let mut next = BLOCK_IDS;
    Box::new(move || {
        if next == BLOCK_IDS {
            let mut bytes = [0u8; BLOCK_IDS * 16];
            // The kernel refuses only before it has gathered entropy at boot, and then for a moment.
            while getrandom::fill(&mut bytes).is_err() {
                std::thread::yield_now();
            }
            for (id, chunk) in block.iter_mut().zip(bytes.chunks_exact(16)) {
                id.copy_from_slice(chunk);
            }
            next = 0;
        }
        next += 1;
        block[next - 1]
    })
}
