//! A call of our sandbox beside one of the crate extism, in turn in one process. The plugin of extism does the same work
//! on JSON, since extism has no typed records; it has its own engine, with fuel as ours.
//!
//! In this folder: `rustup target add wasm32-wasip1`, then `cargo run --release`.

use std::cell::RefCell;
use std::sync::Arc;

use extism::{CompiledPlugin, Manifest, PTR, Plugin, PluginBuilder, UserData, ValType, Wasm, host_fn};
use provender_tests::bench::measure::{Contender, interleaved, print_table};
use provender_tests::bench::ours::Ours;
use provender_tests::bench::raw::{FUEL, Raw};
use provender_tests::bench::{others, subject};

const GUEST: &[u8] = include_bytes!(env!("COMPARISON_GUEST"));
const ROUNDS: usize = 300;

host_fn!(state_get(_key: String) -> Vec<u8> { Ok(b"an account of old".to_vec()) });
host_fn!(log_write(_message: String) { Ok(()) });

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { tokio::spawn(compare()).await.expect("a table") });
}

async fn compare() {
    let (ours, raw) = (Ours::start().await, Raw::start());
    let invocation = subject::invocation(&subject::mapping_configuration());
    let contenders = [
        raw.contender("raw wasmtime 48", &invocation),
        ours.contender("our call", &invocation),
        others::native_json("native function, JSON in and out"),
        fresh("extism 1.30, fresh instance of a compiled plugin"),
        reused("extism 1.30, one instance for all calls"),
    ];
    let mut samples = interleaved(&contenders, ROUNDS).await;
    let ours = samples.get_mut(1).expect("ours").median();
    let rows: Vec<_> = contenders
        .iter()
        .zip(&mut samples)
        .map(|(contender, samples)| {
            let (median, p99) = (samples.median(), samples.p99());
            [
                contender.name.to_owned(),
                format!("{median:.1}"),
                format!("{p99:.0}"),
                format!("{:.2}", median / ours),
            ]
        })
        .collect();
    print_table(["one call", "median, µs", "p99, µs", "of ours"], &rows);
}

fn compiled() -> CompiledPlugin {
    let builder = PluginBuilder::new(Manifest::new([Wasm::data(GUEST)]))
        .with_wasi(true)
        .with_fuel_limit(FUEL)
        .with_function("state_get", [PTR], [PTR], UserData::<()>::default(), state_get)
        .with_function("log_write", [PTR], [], UserData::<()>::default(), log_write);
    CompiledPlugin::new(builder).expect("a compiled plugin")
}

fn call(plugin: &mut Plugin, person: &str, expected: &str) {
    let document: &str = plugin.call("provision", person).expect("a document");
    assert_eq!(document, expected);
}

fn fresh(name: &'static str) -> Contender {
    let plugin = Arc::new(compiled());
    let person: Arc<str> = subject::json().into();
    let expected: Arc<str> = subject::expected().0.into();
    Contender::new(name, move || {
        let (plugin, person, expected) = (Arc::clone(&plugin), Arc::clone(&person), Arc::clone(&expected));
        async move {
            call(&mut Plugin::new_from_compiled(&plugin).expect("an instance"), &person, &expected);
        }
    })
}

fn reused(name: &'static str) -> Contender {
    let person: Arc<str> = subject::json().into();
    let expected: Arc<str> = subject::expected().0.into();
    thread_local! {
        static PLUGIN: RefCell<Plugin> =
            RefCell::new(Plugin::new_from_compiled(&compiled()).expect("an instance"));
    }
    Contender::new(name, move || {
        let (person, expected) = (Arc::clone(&person), Arc::clone(&expected));
        async move { PLUGIN.with_borrow_mut(|plugin| call(plugin, &person, &expected)) }
    })
}
