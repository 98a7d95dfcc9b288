//! The whole daemon in front of real servers.

mod start;

mod gate;

mod refusal;

mod loss;

mod quiet;

mod stop;

mod reload;
