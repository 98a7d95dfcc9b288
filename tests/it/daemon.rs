//! The whole daemon in front of real servers.

mod start;
