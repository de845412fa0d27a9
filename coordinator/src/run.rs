//! Owns: the wiring of the coordinator's stages.
//! Never: a stage's work.
