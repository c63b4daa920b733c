//! Builds the plugin for extism: a core module for wasm32-wasip1.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=guest");
    println!("cargo:rerun-if-changed=../../guests/mapping/src/account.rs");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("run by cargo")).join("guest");
    let mut cargo = Command::new(env::var_os("CARGO").expect("run by cargo"));
    for variable in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    let package = ["build", "--quiet", "--locked", "--package", "comparison-guest", "--profile", "plugin"];
    let built = cargo.args(package).args(["--target", "wasm32-wasip1", "--target-dir"]).arg(&target).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the guest was not built; if its target is missing: rustup target add wasm32-wasip1"
    );
    let module = target.join("wasm32-wasip1/plugin/comparison_guest.wasm");
    println!("cargo:rustc-env=COMPARISON_GUEST={}", module.display());
}
