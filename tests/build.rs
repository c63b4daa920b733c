//! Builds the guests of the tests as components.

#[path = "../plugins/bundled/build/guest.rs"]
mod guest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// Folders below `guests/`. The package of each is `provender-guest-<name>`.
const GUESTS: [&str; 7] =
    ["command", "described", "described-filter", "mapping", "misbehaving", "misbehaving-filter", "walking"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\n{message}\n");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=guests");
    println!("cargo:rustc-env=TARGET_FOLDER={}", guest::target_folder()?.display());
    let components = guest::build(&GUESTS.map(|name| format!("provender-guest-{name}")))?;
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run cargo")?);
    for (name, component) in GUESTS.iter().zip(components) {
        copy(&component, &folder.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// Another build may replace a component while the compiler reads it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|error| format!("{} cannot be copied: {error}", from.display()))
}
