//! Owns: entities, edges and time windows of the estate; rebuildable from the event log.
//! Never: verdicts.
