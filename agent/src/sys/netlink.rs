//! Owns: netlink sockets: proc connector, sock_diag.
//! Never: interpretation beyond parsing.
