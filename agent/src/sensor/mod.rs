//! Owns: sensor tiers, rings and loss counts: what the kernel says, as raw records.
//! Never: enrichment.
