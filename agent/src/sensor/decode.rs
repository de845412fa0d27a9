//! Owns: bytes of a kernel record to a raw record.
//! Never: trusting a length or a value.
