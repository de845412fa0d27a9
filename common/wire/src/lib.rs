//! Owns: the one encoding for QUIC, spool and stored records
//! Never:  frames, v1 types, golden bytes.:tokio, quinn, IO.
