//! How long it takes to compile plugins, in the process of the host and in a child, and to load what is compiled.
//!
//! `cargo bench -p provender-tests --bench compile`

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use provender::capabilities::plugin::PluginHost;
use provender::plugins::Catalog;
use provender::sandbox::{CompileLimits, Compiler, Settings};
use provender_bundled_plugins::PLUGINS;
use provender_tests::guests::MISBEHAVING;

const RUNS: usize = 9;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let child = Compiler::Process {
        program: env!("CARGO_BIN_EXE_provender-under-test").into(),
        arguments: vec!["compile-component".into()],
    };
    println!("medians of {RUNS} runs taken in turn, in milliseconds");
    println!(
        "{:<14} {:>9} {:>11} {:>11} {:>11} {:>11}",
        "plugin", "wasm", "code", "in process", "in a child", "from cache"
    );
    let bundled = PLUGINS.iter().map(|plugin| (plugin.name, plugin.wasm));
    for (name, wasm) in bundled.chain([("misbehaving", MISBEHAVING)]) {
        let (mut here, mut there, mut cached) = (Vec::new(), Vec::new(), Vec::new());
        let mut code = 0;
        for _ in 0..RUNS {
            here.push(runtime.block_on(loads(Compiler::InProcess, wasm)).compiled);
            let loaded = runtime.block_on(loads(child.clone(), wasm));
            there.push(loaded.compiled);
            cached.push(loaded.cached);
            code = loaded.code_bytes;
        }
        println!(
            "{name:<14} {:>9} {code:>11} {:>11.1} {:>11.1} {:>11.2}",
            wasm.len(),
            median(here),
            median(there),
            median(cached)
        );
    }
}

struct Loads {
    compiled: Duration,
    cached: Duration,
    code_bytes: u64,
}

/// Loads a plugin twice into a sandbox that begins with nothing compiled.
async fn loads(compiler: Compiler, wasm: &[u8]) -> Loads {
    let folder = tempfile::tempdir().expect("a folder");
    let host = PluginHost::start(&Settings {
        compiler,
        compile_limits: CompileLimits { seconds: 600, memory_bytes: 4 << 30 },
        ..Settings::small(folder.path().to_owned(), [7; 32])
    })
    .expect("a sandbox");
    let compiled = load(&host, wasm).await;
    let cached = load(&host, wasm).await;
    Loads { compiled, cached, code_bytes: size(folder.path()) }
}

async fn load(host: &PluginHost, wasm: &[u8]) -> Duration {
    let digest = Catalog::digest(wasm);
    let started = Instant::now();
    host.load(&digest, wasm.into()).await.expect("a plugin");
    started.elapsed()
}

fn size(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.len()))
        .sum()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
