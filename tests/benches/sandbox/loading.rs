//! What it takes to have plugins ready: time to compile and to load, memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use provender::capabilities::contract::types::Invocation;
use provender::sandbox::instance_pool;
use provender_tests::calls::COMPILED;
use provender_tests::guests::MAPPING;

use provender_tests::bench::measure::{print_table, private_kib};
use provender_tests::bench::ours::{load, sandbox, variant};
use provender_tests::bench::raw::{INSTANCES, Raw, engine};

const LIVE: u64 = 50;
const INSTALLED: u32 = 100;

/// Prints times to compile and to load what was compiled before.
pub(crate) async fn print_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundled = provender_bundled_plugins::PLUGINS.iter().map(|plugin| (plugin.name, plugin.wasm));
    let plugins: Vec<_> = bundled.chain([("mapping (bench)", MAPPING)]).collect();
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut milliseconds = [Vec::new(), Vec::new()];
    for times in &mut milliseconds {
        let host = sandbox(folder.path());
        for (_, wasm) in &plugins {
            let began = Instant::now();
            load(&host, wasm).await;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [compiled, loaded] = milliseconds;
    for ((name, wasm), (compiled, loaded)) in plugins.iter().zip(compiled.into_iter().zip(loaded)) {
        rows.push([
            (*name).to_owned(),
            format!("{}", wasm.len() / 1024),
            format!("{compiled:.0}"),
            format!("{loaded:.2}"),
        ]);
    }
    print_table(["plugin", "KiB", "compiled and checked, ms", "loaded from the cache, ms"], &rows);
}

/// Prints the memory of live instances and of installed plugins.
pub(crate) async fn print_memory(invocation: &Arc<Invocation>) {
    let raw = Raw::on(&engine(instance_pool(INSTANCES)));
    raw.kept(invocation).await;
    let before = private_kib();
    let mut live = Vec::new();
    for _ in 0..LIVE {
        live.push(raw.kept(invocation).await);
    }
    let with_live = private_kib();
    drop(live);
    let warm = private_kib();

    let host = sandbox(Path::new(COMPILED));
    load(&host, MAPPING).await;
    let without = private_kib();
    let mut installed = Vec::new();
    for number in 0..INSTALLED {
        installed.push(load(&host, &variant(number)).await);
    }
    let with_installed = private_kib();
    let per = |kib: u64, count: u64| format!("{:.0}", kib as f64 / count as f64);
    print_table(
        ["private memory", "KiB"],
        &[
            ["a live instance after one call".to_owned(), per(with_live.saturating_sub(before), LIVE)],
            ["a slot that was used and is free".to_owned(), per(warm.saturating_sub(before), LIVE)],
            [
                "an installed plugin, loaded".to_owned(),
                per(with_installed.saturating_sub(without), INSTALLED.into()),
            ],
            [
                format!("{INSTALLED} installed plugins, loaded"),
                (with_installed - without.min(with_installed)).to_string(),
            ],
        ],
    );
    drop(installed);
}
