//! What must hold for any input: one module per target of cargo-fuzz, each with a function `check` that panics when
//! something does not hold.

pub mod urls;
