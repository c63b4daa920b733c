//! Compiles components: within this process, or in a child process that can do no harm.
//!
//! To compile takes time and memory that a component's author can drive up at will, far beyond what its size lets expect.
//! So the host hands components to a child with limits, and ends it when it goes beyond them.

mod child;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::cache::Code;
use super::engine;
use super::inspection::{Refused, invalid};

pub use child::compile_component;

/// Who compiles components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// This process, without limits: for those who trust the components that they load.
    #[default]
    InProcess,
    /// A process of this program, started for each component. It must call [`compile_component`] with the arguments
    /// that follow these: `--seconds`, `--memory-bytes` and `--parent`. What it gives is run as machine code.
    Process { program: PathBuf, arguments: Vec<OsString> },
}

/// What one compilation in a child process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Of wall-clock time.
    pub seconds: u64,
    /// Of memory that it can write to.
    pub memory_bytes: u64,
}

impl Compiler {
    /// A process of the program that runs, as it is in memory: a newer one may have replaced its file.
    pub fn this_program(subcommand: &str) -> Self {
        Self::Process { program: PathBuf::from("/proc/self/exe"), arguments: vec![subcommand.into()] }
    }

    pub(super) async fn compile(&self, limits: CompileLimits, wasm: &Arc<[u8]>) -> Result<Code, Refused> {
        let code = match self {
            Self::InProcess => {
                let wasm = Arc::clone(wasm);
                tokio::task::spawn_blocking(move || compile_here(&wasm)).await.unwrap_or_else(|panic| {
                    Err(Refused::CompilerCrashed { ending: panic.to_string(), stderr: String::new() })
                })
            }
            Self::Process { program, arguments } => process::compile(program, arguments, limits, wasm).await,
        };
        Ok(Code::of_compiler(code?))
    }
}

fn compile_here(wasm: &[u8]) -> Result<Vec<u8>, Refused> {
    let engine =
        engine::compiling().map_err(|error| Refused::CompilerFailed { message: format!("{error:#}") })?;
    engine.precompile_component(wasm).map_err(|error| invalid(&format!("{error:#}")))
}
