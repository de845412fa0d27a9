//! Owns: the wiring of the agent's stages: sensor, normalize, detect, decide, contain, report.
//! Never: a stage's work.
