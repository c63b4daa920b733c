//! What plugins need: fuel, memory and time of one call for the person of the benches, and what fuel buys.
//!
//! `cargo bench -p provender-tests --bench fuel [-- PLUGIN.wasm ...]`, where the plugins map the person as
//! `guests/mapping` does: see `other-languages`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use provender::capabilities::contract::types::Invocation;
use provender::capabilities::plugin::Plugin;
use provender_tests::bench::measure::{Samples, print_table};
use provender_tests::bench::ours::{Ours, load};
use provender_tests::bench::subject;
use provender_tests::calls::TestCall;
use provender_tests::guests::MAPPING;
use serde_json::json;

const CALLS: usize = 200;
const SPIN_FUEL: u64 = 1_000_000_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { tokio::spawn(print()).await.expect("tables") });
}

async fn print() {
    let ours = Ours::start().await;
    let invocation = subject::invocation(&subject::mapping_configuration());
    let mut plugins = vec![("Rust (guests/mapping)".to_owned(), MAPPING.to_vec())];
    for file in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).map(PathBuf::from) {
        plugins.push((name(&file), std::fs::read(&file).expect("a plugin")));
    }
    let mut rows = Vec::new();
    for (name, component) in &plugins {
        let began = Instant::now();
        let plugin = load(&ours.host, component).await;
        let loaded = began.elapsed();
        rows.push(row(&ours, name, component, &plugin, loaded, &invocation).await);
    }
    print_table(
        [
            "one person mapped by a plugin in",
            "KiB",
            "compiled or loaded, ms",
            "fuel",
            "memory, MiB",
            "median, µs",
            "p99, µs",
            "fuel per µs",
        ],
        &rows,
    );
    println!("\n1,000,000 units of fuel in an empty loop: {:.0} µs", spin().await);
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

async fn row(
    ours: &Ours,
    name: &str,
    component: &[u8],
    plugin: &Arc<Plugin>,
    loaded: Duration,
    invocation: &Arc<Invocation>,
) -> [String; 8] {
    let ours = ours.with(Arc::clone(plugin));
    let end = ours.host.provision(plugin, ours.state(), Arc::clone(invocation)).await;
    let (fuel, memory_bytes) = (end.fuel, end.memory_bytes);
    end.result.expect("a call within the default limits").expect("an outcome");
    let mut samples = Samples::default();
    for _ in 0..CALLS {
        let began = Instant::now();
        ours.provision(Arc::clone(invocation)).await;
        samples.add(began.elapsed());
    }
    let median = samples.median();
    [
        name.to_owned(),
        format!("{}", component.len() / 1024),
        format!("{:.0}", loaded.as_secs_f64() * 1e3),
        format!("{fuel}"),
        format!("{:.1}", memory_bytes as f64 / f64::from(1 << 20)),
        format!("{median:.0}"),
        format!("{:.0}", samples.p99()),
        format!("{:.0}", fuel as f64 / median),
    ]
}

/// Microseconds for a million units in an empty loop, at best.
async fn spin() -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let end = TestCall::of(json!([{"do": "loop"}])).limit("fuel", SPIN_FUEL).provision().await;
        best = best.min(end.duration_us as f64 / (SPIN_FUEL as f64 / 1e6));
    }
    best
}
