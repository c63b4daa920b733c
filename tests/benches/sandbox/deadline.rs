//! By how much a guest that computes without end overshoots its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use provender::capabilities::contract::types::Invocation;
use provender_tests::calls::TestCall;
use serde_json::json;

use provender_tests::bench::measure::{Samples, print_table};
use provender_tests::bench::ours::Ours;

const DEADLINE: Duration = Duration::from_millis(50);
const SPINS: usize = 50;
const NEIGHBOURS: usize = 10;

async fn spin() -> Samples {
    let mut samples = Samples::default();
    for _ in 0..SPINS {
        let call = TestCall::of(json!([{"do": "loop"}])).limit("fuel", 100_000_000_000);
        let end = call.limit("deadline_ms", DEADLINE.as_millis() as u64).provision().await;
        assert!(end.result.is_err(), "it cannot end well");
        samples.add(Duration::from_micros(end.duration_us).saturating_sub(DEADLINE));
    }
    samples
}

/// Prints the table.
pub(crate) async fn print(ours: &Ours, invocation: &Arc<Invocation>) {
    let mut alone = spin().await;
    let done = Arc::new(AtomicBool::new(false));
    let neighbours: Vec<_> = (0..NEIGHBOURS)
        .map(|_| {
            let (ours, invocation, done) = (ours.clone(), Arc::clone(invocation), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    ours.provision(Arc::clone(&invocation)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut beside = spin().await;
    done.store(true, Ordering::Relaxed);
    for neighbour in neighbours {
        neighbour.await.expect("calls");
    }
    let row = |name: String, samples: &mut Samples| {
        [name, format!("{:.1}", samples.median() / 1e3), format!("{:.1}", samples.p99() / 1e3)]
    };
    print_table(
        ["overshoot of a deadline of 50 ms by a guest that spins, ms", "median", "p99"],
        &[
            row("alone".to_owned(), &mut alone),
            row(format!("beside {NEIGHBOURS} callers that leave no core idle"), &mut beside),
        ],
    );
}
