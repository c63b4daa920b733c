//! Programs in Python, from virtual environments that `tests/run` makes in cargo's target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// A program of the environment that `NAME-requirements.txt` describes.
pub(crate) fn program(environment: &str, program: &str) -> anyhow::Result<PathBuf> {
    let built = Path::new(env!("OUT_DIR"));
    let target = built.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = target.context("no target folder")?.join(format!("{environment}-venv/bin"));
    let program = folder.join(program);
    ensure!(program.is_file(), "{} is missing: run tests/run, which installs it", program.display());
    Ok(program)
}
