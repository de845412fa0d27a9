//! Owns: the coordinator's configuration file: typed, closed, every limit with its reason.
//! Never: reading anything but the file it is given.
