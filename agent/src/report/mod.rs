//! Owns: the durable spool and the uplink to the coordinator; the only user of quinn.
//! Never: silent loss.
