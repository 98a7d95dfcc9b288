//! Everything that needs real servers, in one binary.

mod architecture;

mod support;

mod probes;

mod daemon;

mod cli;

mod http;

mod secrets;
