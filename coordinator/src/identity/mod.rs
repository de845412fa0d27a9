//! Owns: the certificate authority: enrolment, renewal, revocation.
//! Never: exporting keys.
