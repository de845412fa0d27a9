//! Owns: the QUIC listener and its sessions: bytes to records, deduplicated, acknowledged when durable.
//! Never: verdicts.
