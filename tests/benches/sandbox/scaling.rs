//! Calls per second on one and on two threads, by the settings of the pool: they decide whether threads help at all.

use std::sync::Arc;
use std::time::Duration;

use provender::capabilities::contract::types::Invocation;
use provender::sandbox::instance_pool;
use wasmtime::{Enabled, PoolingAllocationConfig};

use provender_tests::bench::measure::{Call, per_second, print_table};
use provender_tests::bench::ours::Ours;
use provender_tests::bench::raw::{INSTANCES, Raw, engine};

const TIME: Duration = Duration::from_millis(700);
const TURNS: usize = 3;

fn pool(change: impl FnOnce(&mut PoolingAllocationConfig)) -> PoolingAllocationConfig {
    let mut pool = instance_pool(INSTANCES);
    change(&mut pool);
    pool
}

/// Prints the table.
pub(crate) fn print(ours: &Ours, invocation: &Arc<Invocation>) {
    let raw = |name: &'static str, pool| (name, Raw::on(&engine(pool)).contender(name, invocation).call);
    let contenders: Vec<(&'static str, Call)> = vec![
        ("our call, pool as the host sets it", ours.contender("ours", invocation).call),
        raw("raw, pool as the host sets it", pool(|_| {})),
        raw(
            "raw, no `PAGEMAP_SCAN` (kernels before 6.7)",
            pool(|pool| {
                pool.pagemap_scan(Enabled::No);
            }),
        ),
        raw(
            "raw, `PAGEMAP_SCAN`, nothing stays resident",
            pool(|pool| {
                pool.linear_memory_keep_resident(0).table_keep_resident(0);
            }),
        ),
        raw(
            "raw, neither",
            pool(|pool| {
                pool.pagemap_scan(Enabled::No).linear_memory_keep_resident(0).table_keep_resident(0);
            }),
        ),
    ];
    let mut best = vec![(0.0_f64, 0.0_f64); contenders.len()];
    for _ in 0..TURNS {
        for ((_, call), best) in contenders.iter().zip(&mut best) {
            best.0 = best.0.max(per_second(1, call, TIME));
            best.1 = best.1.max(per_second(2, call, TIME));
        }
    }
    let rows: Vec<_> = contenders
        .iter()
        .zip(best)
        .map(|((name, _), (one, two))| {
            [(*name).to_owned(), format!("{one:.0}"), format!("{two:.0}"), format!("{:.2}", two / one)]
        })
        .collect();
    print_table(["calls per second, best of 3 turns", "1 thread", "2 threads", "ratio"], &rows);
}
