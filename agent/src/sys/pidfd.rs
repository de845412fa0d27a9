//! Owns: pidfd_open, pidfd_send_signal: signals that cannot hit a recycled pid.
//! Never: choosing whom to signal.
