//! What tests and benches share: guests, counterparts, a host in a folder of its own, and its program as a process.

pub mod calls;
pub mod client;
pub mod guests;
pub mod installation;
pub mod people;
pub mod process;
pub mod receiver;
pub mod waiting;
