//! Owns: how much a set of YARA rules may hold and a scan may tell, each bound with its reason.
//! Never: time and memory; those are the process's that compiles or scans.

/// One file of rules; the largest of the public collections, thousands of rules in one text, is below this.
pub const FILE_BYTES_MAX: usize = 2 << 20;
/// All files of a bundle together: it must leave room for the rest of a bundle of 7 MiB.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Files of a bundle.
pub const FILES_MAX: usize = 2_000;
/// Each takes some 18 KiB of memory to compile, 3 KiB in the scanner and a line in the agent; the public core collection has
/// some 5,000.
pub const RULES_MAX: usize = 6_000;
/// Parentheses, brackets or operators before an operand, one in another: the compiler goes down with each, and its stack
/// has an end. Written by people they stay below ten.
pub const NESTING_MAX: usize = 100;
/// A compiled set that is kept in memory, to hand it to every scanner that is started, and of which each makes two and a half
/// times as much. Some 1,200 bytes for a rule are usual.
pub const COMPILED_BYTES_MAX: usize = 16 << 20;

/// Rules told of one scan: a file that meets more is a rule collection itself.
pub const TOLD_RULES_MAX: usize = 32;
/// Of one rule.
pub const TOLD_STRINGS_MAX: usize = 8;
/// Of one string of a rule, the first ones. The scanner stops looking for a string at [`MATCHES_MAX`].
pub const TOLD_OFFSETS_MAX: usize = 4;
/// Of one string: conditions that count further than this do not hold. What a crafted file can fill is memory.
pub const MATCHES_MAX: usize = 10_000;

/// A rule's name, a tag, a technique.
pub const WORD_BYTES_MAX: usize = 128;
/// Tags, techniques, tactics of one rule, each.
pub const WORDS_MAX: usize = 16;
/// A title or a description, cut for the record.
pub const TITLE_BYTES_MAX: usize = 256;
