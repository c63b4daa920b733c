//! Programs in Python, from virtual environments that `tests/run` makes in cargo's target folder.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// A program of the environment that `NAME-requirements.txt` describes.
pub(crate) fn program(environment: &str, program: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("TARGET_FOLDER")).join(format!("{environment}-venv/bin"));
    let program = folder.join(program);
    ensure!(program.is_file(), "{} is missing: run tests/run, which installs it", program.display());
    Ok(program)
}
