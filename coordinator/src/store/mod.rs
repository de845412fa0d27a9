//! Owns: event log, state and leases behind traits; the only user of redb.
//! Never: business rules.
