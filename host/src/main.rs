//! The binary `provender`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    provender::cli::main()
}
