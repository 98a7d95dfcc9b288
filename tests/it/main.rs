//! Everything that needs real servers, in one binary.

mod architecture;

mod events;

mod support;

mod auth;

mod probes;

mod store;

mod cache;

mod daemon;

mod cli;

mod http;

mod api;

mod secrets;

mod otel;

mod prometheus;

mod balancer;

mod kubernetes;

mod unit_files;

mod under_systemd;

mod page;

mod stop;

mod leaks;

mod soak;

mod matrix;
