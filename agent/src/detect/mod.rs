//! Owns: host context over common/detect: which rules and indicators match an event of this host.
//! Never: acting.
