//! Calls of several contenders in turn, so that whatever disturbs the machine disturbs all of them; and tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

/// Makes one call and waits for its end.
pub type Call = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A way to do the work.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    /// Calls in a row before the next contender has its turn.
    pub in_a_row: usize,
    pub call: Call,
}

impl Contender {
    /// One of those that take some ten microseconds.
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        call: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { name, in_a_row: 20, call: Arc::new(move || Box::pin(call())) }
    }

    /// One of those that take milliseconds.
    pub fn slow(self) -> Self {
        Self { in_a_row: 1, ..self }
    }
}

/// How long calls took.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// In microseconds, so that this part of the calls was as fast or faster.
    pub fn quantile(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let place = (self.0.len() as f64 * part) as usize;
        self.0.get(place.min(self.0.len() - 1)).expect("samples").as_secs_f64() * 1e6
    }

    pub fn median(&mut self) -> f64 {
        self.quantile(0.5)
    }

    pub fn p99(&mut self) -> f64 {
        self.quantile(0.99)
    }
}

/// Measures every contender, in turn. The first rounds warm up.
pub async fn interleaved(contenders: &[Contender], rounds: usize) -> Vec<Samples> {
    let mut samples: Vec<Samples> = contenders.iter().map(|_| Samples::default()).collect();
    let warm_up = rounds / 20;
    for round in 0..rounds + warm_up {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            for _ in 0..contender.in_a_row {
                let began = Instant::now();
                (contender.call)().await;
                if round >= warm_up {
                    samples.add(began.elapsed());
                }
            }
        }
    }
    samples
}

/// Calls per second on so many threads, each of which has calls waiting.
pub fn per_second(threads: usize, call: &Call, time: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime");
    let (began, until) = (Instant::now(), Instant::now() + time);
    let callers: Vec<_> = (0..4 * threads)
        .map(|_| {
            let call = Arc::clone(call);
            runtime.spawn(async move {
                let mut calls = 0_u32;
                while Instant::now() < until {
                    call().await;
                    calls += 1;
                    // The others of this thread have their turn.
                    tokio::task::yield_now().await;
                }
                calls
            })
        })
        .collect();
    let calls: u32 = runtime.block_on(async {
        let mut calls = 0;
        for caller in callers {
            calls += caller.await.expect("calls");
        }
        calls
    });
    f64::from(calls) / began.elapsed().as_secs_f64()
}

/// Does something for every number below `count`, for so many at once. Gives numbers per second.
pub async fn for_all<F>(
    count: usize,
    at_once: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (next, work) = (Arc::clone(&next), work.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(number).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("all of them");
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// Connections of this process's network to a port on loopback. To read the table of the system takes a core milliseconds.
pub fn connections_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the connections of this machine");
    let remote = format!("0100007F:{port:04X}");
    let established = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next() == Some(&remote) && columns.next() == Some("01")
    };
    table.lines().filter(established).count()
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a table as Markdown.
pub fn print_table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) {
    println!("\n| {} |", head.join(" | "));
    println!("|{}", "---|".repeat(COLUMNS));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// Memory of this process that belongs to it alone, in KiB.
pub fn private_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("the memory of this process");
    rollup
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}
