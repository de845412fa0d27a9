//! Owns: the agent's configuration file: typed, closed, every limit with its reason.
//! Never: defaults without a reason, or reading anything but the file it is given.
