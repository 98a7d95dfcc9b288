//! Everything that needs real servers, in one binary.

mod architecture;

mod support;

mod probes;

mod daemon;
