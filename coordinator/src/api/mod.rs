//! Owns: the REST interface and its sign-in.
//! Never: writing the store directly.
