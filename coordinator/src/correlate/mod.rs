//! Owns: detections to incidents; one file per engine.
//! Never: IO, acting.
