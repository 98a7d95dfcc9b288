//! The state machine of one dependency.
