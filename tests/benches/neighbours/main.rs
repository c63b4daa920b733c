//! How ten ordinary plugins are served while a hostile one runs beside them: latency of their calls without and with it,
//! and the memory of the host.
//!
//! The ten are measured twice: as plugins that only compute, some fifty microseconds each, and as plugins that wait for a
//! counterpart that answers in 20 ms, which is what provisioners do. Requests come from outside the runtime, to the ten in
//! turn, whether those before are answered or not: five thousand in a second (about a quarter of a core), or a thousand to
//! those that wait. A time is from the request to the outcome, so it holds all waiting. The
//! hostile plugin is called again as soon as its call has ended and others had their turn, as when the pipeline commits.
//! A window without it, one beside a process outside the host that computes with the same priority, and one with it take
//! turns; printed are medians over the windows. The second tells what a busy core costs on this machine anyway.
//!
//! `cargo bench -p provender-tests --bench neighbours [-- CALLERS]`, where CALLERS call the hostile plugin at once.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use provender_tests::bench::measure::{Samples, print_table};
use provender_tests::bench::ours::{Ours, load, variant};
use provender_tests::bench::subject;
use provender_tests::calls::{Stored, TestCall};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const NEIGHBOURS: u32 = 10;
const COUNTERPART_ANSWERS_AFTER: Duration = Duration::from_millis(20);
const WINDOW: Duration = Duration::from_millis(500);
const TURNS: usize = 11;

/// The argument with which this program is the process outside the host.
const COMPUTE: &str = "compute";

/// A plugin that does harm as long as it may.
struct Hostile {
    name: &'static str,
    steps: Value,
    limits: Vec<(&'static str, u64)>,
}

/// One of each class.
fn hostile() -> [Hostile; 6] {
    let hostile = |name, steps, limits: &[_]| Hostile { name, steps, limits: limits.to_vec() };
    let much_fuel = ("fuel", 100_000_000_000);
    let kilobytes = "x".repeat(4096);
    [
        hostile(
            "computes until its deadline of 200 ms",
            json!([{"do": "loop"}]),
            &[much_fuel, ("deadline_ms", 200)],
        ),
        hostile(
            "takes memory until its limit",
            json!([{"do": "allocate", "bytes": 1_u64 << 30, "piece": 1 << 20}]),
            &[],
        ),
        hostile(
            "floods standard error",
            json!([{"do": "stderr", "text": kilobytes, "times": 20_000}]),
            &[much_fuel],
        ),
        hostile(
            "floods the log",
            json!([{"do": "log", "message": kilobytes, "times": 20_000}]),
            &[much_fuel],
        ),
        hostile("traps at once", json!([{"do": "panic", "message": "on purpose"}]), &[]),
        hostile(
            "acts until its budget of 1,000 effects",
            json!([{"do": "state", "operation": "set", "key": "key", "bytes": 100, "times": 100_000}]),
            &[],
        ),
    ]
}

fn main() {
    if std::env::args().any(|argument| argument == COMPUTE) {
        rustix::process::nice(10).expect("a lower priority");
        loop {
            std::hint::spin_loop();
        }
    }
    let callers = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let runtime = Runtime::new().expect("a runtime");
    let computing: Vec<Ours> = runtime.block_on(async {
        let ours = Ours::start().await;
        let mut neighbours = Vec::new();
        for number in 0..NEIGHBOURS {
            neighbours.push(ours.with(load(&ours.host, &variant(number)).await));
        }
        neighbours
    });
    let waiting = computing.iter().map(|ours| ours.with_counterpart(COUNTERPART_ANSWERS_AFTER)).collect();
    println!("{callers} caller(s) of the hostile plugin; times in µs");
    for (what, between_requests, plugins) in [
        ("plugins that only compute", Duration::from_micros(200), computing),
        ("plugins that wait for a counterpart of 20 ms", Duration::from_millis(1), waiting),
    ] {
        println!("\n{what}");
        compare(&runtime, callers, &Neighbours { between_requests, plugins: Arc::new(plugins) });
    }
}

/// Ordinary plugins, and how often one of them is called.
struct Neighbours {
    between_requests: Duration,
    plugins: Arc<Vec<Ours>>,
}

/// Prints how they are served without and beside each hostile plugin.
fn compare(runtime: &Runtime, callers: usize, neighbours: &Neighbours) {
    let mut rows = Vec::new();
    for hostile in hostile() {
        window(runtime, neighbours);
        let (mut without, mut outside, mut with) =
            (Windows::default(), Windows::default(), Windows::default());
        let (mut hostile_calls, mut peak_kib) = (0, 0);
        for _ in 0..TURNS {
            without.add(window(runtime, neighbours));
            let program = std::env::current_exe().expect("this program");
            let mut process = Command::new(program).arg(COMPUTE).spawn().expect("a process");
            outside.add(window(runtime, neighbours));
            process.kill().and_then(|()| process.wait()).expect("its end");
            let attack = Attack::start(runtime, callers, &hostile);
            with.add(window(runtime, neighbours));
            let (calls, kib) = attack.stop(runtime);
            hostile_calls += calls;
            peak_kib = peak_kib.max(kib);
        }
        let compared = |without: &mut Vec<f64>, outside: &mut Vec<f64>, with: &mut Vec<f64>| {
            let (without, outside, with) = (median(without), median(outside), median(with));
            let growth = |now: f64| format!("{:+.0} %", 100.0 * (now / without - 1.0));
            (format!("{without:.0} / {outside:.0} / {with:.0}"), growth(outside), growth(with))
        };
        let (medians, _, growth_of_median) =
            compared(&mut without.medians, &mut outside.medians, &mut with.medians);
        let (p99s, growth_outside, growth_of_p99) =
            compared(&mut without.p99s, &mut outside.p99s, &mut with.p99s);
        rows.push([
            hostile.name.to_owned(),
            format!("{:.0}", f64::from(hostile_calls) / (WINDOW.as_secs_f64() * TURNS as f64)),
            medians,
            growth_of_median,
            p99s,
            growth_outside,
            growth_of_p99,
            format!("{}", peak_kib / 1024),
        ]);
    }
    print_table(
        [
            "the hostile plugin",
            "its calls per second",
            "median without / process outside / with",
            "growth with",
            "p99 without / process outside / with",
            "growth beside the process",
            "growth with",
            "resident at most, MiB",
        ],
        &rows,
    );
}

/// Quantiles of each window, in microseconds.
#[derive(Default)]
struct Windows {
    medians: Vec<f64>,
    p99s: Vec<f64>,
}

impl Windows {
    fn add(&mut self, mut samples: Samples) {
        self.medians.push(samples.median());
        self.p99s.push(samples.p99());
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Sends requests for a while, and takes the times of all of them.
fn window(runtime: &Runtime, neighbours: &Neighbours) -> Samples {
    let invocation = subject::invocation(&subject::mapping_configuration());
    let times = Arc::new(Mutex::new(Vec::new()));
    let (began, mut due) = (Instant::now(), Instant::now());
    let mut requests = Vec::new();
    for number in 0.. {
        if began.elapsed() > WINDOW {
            break;
        }
        due += neighbours.between_requests;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (plugins, invocation, times) =
            (Arc::clone(&neighbours.plugins), Arc::clone(&invocation), Arc::clone(&times));
        let requested = Instant::now();
        requests.push(runtime.spawn(async move {
            plugins[number % NEIGHBOURS as usize].provision(invocation).await;
            times.lock().expect("times").push(requested.elapsed());
        }));
    }
    runtime.block_on(async {
        for request in requests {
            request.await.expect("an outcome");
        }
    });
    let mut samples = Samples::default();
    times.lock().expect("times").iter().for_each(|time| samples.add(*time));
    samples
}

/// A hostile plugin that is called again and again.
struct Attack {
    done: Arc<AtomicBool>,
    peak_kib: Arc<AtomicU64>,
    callers: Vec<tokio::task::JoinHandle<u32>>,
}

impl Attack {
    fn start(runtime: &Runtime, callers: usize, hostile: &Hostile) -> Self {
        let (done, peak_kib) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watched = (Arc::clone(&done), Arc::clone(&peak_kib));
        std::thread::spawn(move || {
            while !watched.0.load(Ordering::Relaxed) {
                watched.1.fetch_max(resident_kib(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let callers = (0..callers)
            .map(|_| {
                let (done, steps, limits) =
                    (Arc::clone(&done), hostile.steps.clone(), hostile.limits.clone());
                runtime.spawn(async move {
                    let mut calls = 0;
                    while !done.load(Ordering::Relaxed) {
                        let mut call = TestCall::of(steps.clone()).state(Stored::default());
                        for (word, value) in &limits {
                            call = call.limit(word, *value);
                        }
                        call.provision().await;
                        calls += 1;
                        tokio::task::yield_now().await;
                    }
                    calls
                })
            })
            .collect();
        Self { done, peak_kib, callers }
    }

    /// Gives how many calls ended, and the memory of this process at its peak.
    fn stop(self, runtime: &Runtime) -> (u32, u64) {
        self.done.store(true, Ordering::Relaxed);
        let calls = runtime.block_on(async {
            let mut calls = 0;
            for caller in self.callers {
                calls += caller.await.expect("calls");
            }
            calls
        });
        (calls, self.peak_kib.load(Ordering::Relaxed))
    }
}

/// `VmRSS` of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
