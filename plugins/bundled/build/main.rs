//! Builds the plugins of this repository and writes the list of them that the library includes.

mod guest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// The plugins that come with the host: folders below `plugins/`. The package of each is `provender-plugin-<name>`.
const PLUGINS: &[&str] = &[
    "api",
    "changelog",
    "data-scrubber",
    "elector",
    "group-filter",
    "group-name",
    "homedir",
    "ldap",
    "ldap-service-token",
    "scim",
    "sql",
];

/// A folder with prebuilt plugins, `<name>.wasm` each, for builds without the target wasm32-wasip2.
const PREBUILT: &str = "PROVENDER_PLUGINS_DIR";

fn main() -> ExitCode {
    match bundle() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\n{message}\n");
            ExitCode::FAILURE
        }
    }
}

fn bundle() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    let components = match env::var_os(PREBUILT) {
        Some(folder) => prebuilt(Path::new(&folder))?,
        None => {
            let packages: Vec<String> =
                PLUGINS.iter().map(|name| format!("provender-plugin-{name}")).collect();
            guest::build(&packages)?
        }
    };
    write_list(&components)
}

fn prebuilt(folder: &Path) -> Result<Vec<PathBuf>, String> {
    PLUGINS
        .iter()
        .map(|name| {
            let component = folder.join(format!("{name}.wasm"));
            println!("cargo:rerun-if-changed={}", component.display());
            if !component.is_file() {
                return Err(format!("{PREBUILT} is set, but {} is missing", component.display()));
            }
            Ok(component)
        })
        .collect()
}

/// Copies the components to where the compiler reads them, since another build may replace them meanwhile.
fn write_list(components: &[PathBuf]) -> Result<(), String> {
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run cargo")?);
    let mut list = String::from("&[\n");
    for (name, component) in PLUGINS.iter().zip(components) {
        let copy = folder.join(format!("{name}.wasm"));
        fs::copy(component, &copy)
            .map_err(|error| format!("{} cannot be copied: {error}", component.display()))?;
        list.push_str(&format!("    BundledPlugin {{ name: {name:?}, wasm: include_bytes!({copy:?}) }},\n"));
    }
    list.push_str("]\n");
    let file = folder.join("plugins.rs");
    fs::write(&file, list).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
