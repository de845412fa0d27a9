//! Owns: observed state against plan.
//! Never: trusting an acknowledgement alone.
