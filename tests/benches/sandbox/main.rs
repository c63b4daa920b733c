//! What a call of a plugin costs, in our sandbox and otherwise: medians of calls taken in turn in one process. What each
//! side does is said in its module. Every side makes the same document of the same person.
//!
//! `cargo bench -p provender-tests --bench sandbox`; `tests/benches/comparison` runs the same with the crate extism.

mod deadline;
mod loading;
mod parts;
mod pipeline;
mod scaling;

use provender::capabilities::contract::types::Outcome;

use provender_tests::bench::measure::{Contender, interleaved, print_table};
use provender_tests::bench::ours::Ours;
use provender_tests::bench::raw::Raw;
use provender_tests::bench::{others, subject};

const ROUNDS: usize = 300;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // On a thread of the runtime, as calls run in the host.
    let (ours, invocation) = runtime.block_on(async {
        tokio::spawn(async {
            let (ours, raw) = (Ours::start().await, Raw::start());
            let invocation = subject::invocation(&subject::mapping_configuration());
            check(&ours, &raw, &invocation).await;
            let host = pipeline::start().await;
            let contenders = [
                raw.clone().contender("raw wasmtime", &invocation),
                ours.contender("our call", &invocation),
                ours.filter_contender("our call of a filter, then of the provisioner"),
                others::native("native function, typed"),
                others::native_json("native function, JSON in and out"),
                others::subprocess(
                    "subprocess per call, JSON by pipes",
                    env!("CARGO_BIN_EXE_mapping-process"),
                ),
                pipeline::contender("filter and provisioner by the pipeline, on SQLite", &host),
            ];
            print_calls(&contenders).await;
            host.host.stop().await;
            parts::print(&ours, &raw, &invocation, ROUNDS).await;
            loading::print_times().await;
            loading::print_memory(&invocation).await;
            deadline::print(&ours, &invocation).await;
            (ours, invocation)
        })
        .await
        .expect("the first tables")
    });
    scaling::print(&ours, &invocation);
}

/// All come to the same result.
async fn check(
    ours: &Ours,
    raw: &Raw,
    invocation: &std::sync::Arc<provender::capabilities::contract::types::Invocation>,
) {
    let (_, expected) = subject::expected();
    for outcome in [ours.provision(invocation.clone()).await, raw.kept(invocation).await.1] {
        let Outcome::Applied(applied) = outcome else { panic!("an account is applied: {outcome:?}") };
        assert_eq!(applied.history, [expected.as_str()]);
    }
    println!("the person has {} bytes as JSON", subject::json().len());
}

async fn print_calls(contenders: &[Contender]) {
    let mut samples = interleaved(contenders, ROUNDS).await;
    let raw = samples.first_mut().expect("raw wasmtime").median();
    let rows: Vec<_> = contenders
        .iter()
        .zip(&mut samples)
        .map(|(contender, samples)| {
            let (median, p99) = (samples.median(), samples.p99());
            [
                contender.name.to_owned(),
                format!("{median:.1}"),
                format!("{p99:.0}"),
                format!("{:.0}", 1e6 / median),
                format!("{:.2}", median / raw),
            ]
        })
        .collect();
    print_table(["one call", "median, µs", "p99, µs", "per second", "of raw"], &rows);
}
