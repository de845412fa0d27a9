//! Owns: Sigma, indicators and the shipped rule pack
//! Never:  which rules match an event.:IO, acting.
