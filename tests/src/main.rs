//! The program of the host, as tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    provender::cli::main()
}
