//! Owns: a set of 128-bit marks, as small as they are and answered in one or two reads of memory.
//! Never: what a mark stands for.

/// Marks of one bucket, on average: they lie side by side in one line of the processor's cache.
const BUCKET_MARKS: usize = 4;
/// More buckets than this are never needed: they hold a hundred million marks.
const BITS_MAX: u32 = 24;

/// Marks must be spread evenly over all 128 bits, as a digest is; then every bucket is as full as the next.
#[derive(Debug, Default)]
pub struct Table {
    /// Where each bucket begins in `marks`; one more than there are buckets.
    starts: Box<[u32]>,
    marks: Box<[u128]>,
    bits: u32,
}

impl Table {
    #[must_use]
    pub fn new(mut marks: Vec<u128>) -> Self {
        marks.sort_unstable();
        marks.dedup();
        let bits = (marks.len() / BUCKET_MARKS).max(2).ilog2().min(BITS_MAX);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for bucket in 0..=(1_usize << bits) {
            let start = marks.partition_point(|mark| bucket_of(*mark, bits) < bucket);
            starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        Self { starts: starts.into_boxed_slice(), marks: marks.into_boxed_slice(), bits }
    }

    #[must_use]
    pub fn contains(&self, mark: u128) -> bool {
        self.bucket(mark).contains(&mark)
    }

    /// As `contains`, where the lower half of the mark costs something: it is asked for when the upper one is here.
    #[must_use]
    pub fn contains_halves(&self, upper: u64, lower: impl FnOnce() -> u64) -> bool {
        let mark = u128::from(upper) << 64;
        let bucket = self.bucket(mark);
        bucket.iter().any(|other| (other ^ mark) >> 64 == 0) && bucket.contains(&(mark | u128::from(lower())))
    }

    fn bucket(&self, mark: u128) -> &[u128] {
        let bucket = bucket_of(mark, self.bits);
        let Some([from, to]) = self.starts.get(bucket..bucket + 2) else { return &[] };
        self.marks.get(*from as usize..*to as usize).unwrap_or_default()
    }

    /// What it occupies in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.marks)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

/// The upper bits: sorted marks are sorted by bucket too.
fn bucket_of(mark: u128, bits: u32) -> usize {
    usize::try_from(mark >> (128 - bits.max(1))).unwrap_or(usize::MAX)
}
