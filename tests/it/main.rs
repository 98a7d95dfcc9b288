//! Everything that needs real servers, in one binary.

mod support;

mod probes;

mod daemon;
