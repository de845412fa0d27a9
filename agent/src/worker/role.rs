//! Owns: what one worker process is for, and what it may take of the host for that.
//! Never: taking it; that is `confined`.

/// A worker has one role from its start to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sums of files.
    Measure,
    /// Files and memory against YARA rules.
    Scan,
    /// YARA rules, from their texts; it never sees anything but a signed bundle's.
    Compile,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Measure, Self::Scan, Self::Compile];

    /// As its command line names it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Scan => "scan",
            Self::Compile => "compile",
        }
    }

    /// What it may fill with data beyond what it has when it starts.
    #[must_use]
    pub const fn data_more(self) -> u64 {
        match self {
            // A buffer, a reply, and the allocator's slack, many times over.
            Self::Measure => 64 << 20,
            // The largest file is held whole, 64 MiB; the largest set takes some 40; the rest is for what is found.
            Self::Scan => 128 << 20,
            // Six thousand rules such as public ones take 110 MiB, and others may be twice as dear.
            Self::Compile => 192 << 20,
        }
    }

    /// Addresses it may take without filling them: the interpreter of conditions fences its memory with them.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        match self {
            Self::Measure => 0,
            Self::Scan | Self::Compile => 1 << 30,
        }
    }

    /// What a large file took is given back at once, and does not become the allocator's own; elsewhere this says
    /// nothing.
    #[must_use]
    pub fn environment(self) -> Option<(&'static str, &'static str)> {
        self.is_yara()
            .then_some(("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=1048576"))
    }

    /// Whether it runs YARA's engine.
    #[must_use]
    pub const fn is_yara(self) -> bool {
        matches!(self, Self::Scan | Self::Compile)
    }
}
