//! Builds guests of this workspace as components, from a build script. Every build script that needs guests includes
//! this file as a module:
//!
//! ```ignore
//! #[path = "../plugins/bundled/build/guest.rs"]
//! mod guest;
//! ```

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

/// Flags, wrappers (clippy is one) and folders of the host's build have no place in that of a guest.
const OF_THE_HOSTS_BUILD: [&str; 8] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// Builds packages of the workspace for wasm32-wasip2 and gives the component of each, in their order. Adds the target
/// to the toolchain when it is missing. The error is for the person who runs cargo.
///
/// All guests share one folder, `<target>/plugins`, whatever profile the host is built in.
pub(crate) fn build<S: AsRef<str>>(packages: &[S]) -> Result<Vec<PathBuf>, String> {
    let workspace = workspace()?;
    for path in [".cargo", "Cargo.lock", "Cargo.toml", "rust-toolchain.toml", "plugins", "sdk", "wit"] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    ensure_target()?;
    let target_dir = target_folder()?.join("plugins");
    let mut cargo = cargo(&workspace, &target_dir)?;
    for package in packages {
        cargo.args(["--package", package.as_ref()]);
    }
    let status = cargo.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("the plugins were not built ({status}); the reason is above"));
    }
    let built = target_dir.join(TARGET).join("plugin");
    Ok(packages
        .iter()
        .map(|package| built.join(format!("{}.wasm", package.as_ref().replace('-', "_"))))
        .collect())
}

/// The command that builds guests, without what cargo or the user set for the build that runs this script.
fn cargo(workspace: &Path, target_dir: &Path) -> Result<Command, String> {
    let program = env::var_os("CARGO").ok_or("CARGO is not set: run cargo")?;
    let mut cargo = Command::new(program);
    cargo.current_dir(workspace);
    cargo.args(["build", "--quiet", "--locked", "--profile", "plugin", "--target", TARGET]);
    // A folder of its own: cargo locks the one it builds in, and the build that waits for this script holds that lock.
    cargo.arg("--target-dir").arg(target_dir);
    for (variable, _) in env::vars_os() {
        let Some(name) = variable.to_str() else {
            continue;
        };
        let of_this_build = OF_THE_HOSTS_BUILD.contains(&name)
            || ["CARGO_CFG_", "CARGO_FEATURE_"].iter().any(|prefix| name.starts_with(prefix));
        if of_this_build {
            cargo.env_remove(name);
        }
    }
    Ok(cargo)
}

/// Sees to it that the toolchain has the target. rustup installs what `rust-toolchain.toml` names by itself, unless it
/// is told not to.
fn ensure_target() -> Result<(), String> {
    if has_target()? {
        return Ok(());
    }
    println!("cargo:warning=adding the target {TARGET} to the toolchain: rustup target add {TARGET}");
    let added = Command::new("rustup").args(["target", "add", TARGET]).output();
    let reason = match added {
        Ok(output) if output.status.success() && has_target()? => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("rustup cannot be started: {error}"),
    };
    Err(format!(
        "The plugins are built for {TARGET}, which this toolchain lacks, and adding it failed:\n{reason}\n\
         Add it by `rustup target add {TARGET}`, or set PROVENDER_PLUGINS_DIR to a folder with prebuilt plugins."
    ))
}

fn has_target() -> Result<bool, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", Path::new(&rustc).display()))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

/// The folder with `Cargo.lock`, above the package whose build script this is.
fn workspace() -> Result<PathBuf, String> {
    let package =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set: run cargo")?);
    let workspace = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    workspace.map(Path::to_owned).ok_or_else(|| format!("no Cargo.lock above {}", package.display()))
}

/// Cargo's target folder, which cargo marks as a cache.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run cargo")?);
    let target = out_dir.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(target.unwrap_or(&out_dir).to_owned())
}
