//! Owns: views of kernel ring memory and BPF maps.
//! Never: interpretation.
