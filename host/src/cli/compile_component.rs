//! `provender compile-component`: what the host starts for each component that it compiles. Not for people.

use std::process::ExitCode;

use clap::Args;

use crate::sandbox::{CompileLimits, compile_component};

/// The word that starts it.
pub(super) const SUBCOMMAND: &str = "compile-component";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    memory_bytes: u64,
    /// The process that ends this one by its own end
    #[arg(long)]
    parent: u32,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { seconds, memory_bytes, parent } = *arguments;
    compile_component(CompileLimits { seconds, memory_bytes }, parent)
}
