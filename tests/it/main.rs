//! Everything that needs real servers, in one binary.

mod architecture;

mod support;

mod probes;

mod store;

mod cache;

mod daemon;

mod cli;

mod http;

mod secrets;
