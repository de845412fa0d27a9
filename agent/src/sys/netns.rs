//! Owns: entering network namespaces.
//! Never: changing what is in them.
