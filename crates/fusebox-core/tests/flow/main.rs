//! A call's walk, row by row of the table of orders, in virtual time.

mod abandon;
mod admission;
mod deadline;
mod endpoints;
mod evidence;
mod fallback;
mod hedging;
mod hung;
mod retry;
mod scopes;
mod streams;
mod walks;
mod world;
