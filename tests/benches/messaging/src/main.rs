//! People through the plugin `api` to a broker, by the whole way from a plan to its committed outcome, and by calls of the
//! plugin alone, beside the plain client of the broker publishing as many messages of the same size with as many
//! under way. Each message is confirmed. In turn, in one process, so that whatever disturbs the machine disturbs all of them.
//!
//! In this folder: `cargo run --release --target-dir ../../../target -- [nats|kafka|amqp|mqtt] [distant] [PEOPLE [AT_ONCE
//! [RUNS]]]`: nats, 2,000 people, 16 at once, 5 runs. `distant`: both reach the broker by a relay that takes one to two
//! milliseconds each way, as over a network.

mod brokers;
mod ours;
mod plain;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use provender_tests::bench::measure::{connections_to, median, print_table};

use self::brokers::Broker;
use self::ours::Host;
use self::plain::Client;

/// Connections are counted rarely and beside everybody: to read the table of the system costs what is measured.
const COUNTED_EVERY: Duration = Duration::from_millis(100);

/// Who publishes, in the order of the first run.
const CONTENDERS: [&str; 3] = ["by the whole way", "by calls of the plugin", "by the plain client"];
const WHOLE: usize = 0;
const PLAIN: usize = 2;

/// Of one run.
#[derive(Default)]
struct Run {
    previewed: f64,
    per_second: [f64; 3],
    /// At once, at most.
    connections: [usize; 3],
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let kind = arguments.next().unwrap_or_else(|| "nats".to_owned());
    let distant = arguments.next_if(|word| word == "distant").is_some();
    let mut number = |or: usize| arguments.next().map_or(or, |text| text.parse().expect("a number"));
    let (people, at_once, runs) = (number(2_000), number(16), number(5));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut broker = Broker::start(&kind);
        let _relay = if distant { Some(broker.put_away().await) } else { None };
        let host = Host::start(&broker, people, at_once).await;
        let mut results = Vec::new();
        for run in 0..runs {
            results.push(measured(&broker, &host, people, at_once, run).await);
        }
        print(&results, &format!("{kind}, {people} people, {at_once} at once"));
        let most = results.iter().map(|run| run.connections[WHOLE]).max();
        // All calls share one, and the only node leads all partitions.
        assert_eq!(most, Some(1), "connections of the host");
    });
}

async fn measured(broker: &Broker, host: &Host, people: usize, at_once: usize, run: usize) -> Run {
    let mut result = Run::default();
    let began = Instant::now();
    host.preview_all().await;
    result.previewed = people as f64 / began.elapsed().as_secs_f64();
    // Who is first changes from run to run.
    for turn in 0..CONTENDERS.len() {
        let contender = (run + turn) % CONTENDERS.len();
        let idle = if contender == PLAIN { connections_to(broker.port()) } else { broker.readers };
        let (took, most) = match contender {
            WHOLE => timed(broker, host.provision_all()).await,
            PLAIN => {
                let client = Arc::new(Client::start(broker, at_once).await);
                timed(broker, client.publish_all(people, at_once, &host.body)).await
            }
            _ => {
                let calls = host.calls().await;
                timed(broker, host.call_all(calls)).await
            }
        };
        result.per_second[contender] = people as f64 / took.as_secs_f64();
        result.connections[contender] = most - idle.min(most);
    }
    host.check().await;
    result
}

/// Does something; gives how long it took, and how many connections there were meanwhile.
async fn timed(broker: &Broker, work: impl Future<Output = ()>) -> (Duration, usize) {
    let done = Arc::new(AtomicBool::new(false));
    let (watched, port) = (Arc::clone(&done), broker.port());
    let watching = std::thread::spawn(move || {
        let mut most = 0;
        while !watched.load(Ordering::Relaxed) {
            std::thread::sleep(COUNTED_EVERY);
            most = most.max(connections_to(port));
        }
        most
    });
    let began = Instant::now();
    work.await;
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    (took, watching.join().expect("a count"))
}

fn print(results: &[Run], what: &str) {
    let median = |of: &dyn Fn(&Run) -> f64| median(results.iter().map(of).collect());
    println!("{what}, medians of {} runs", results.len());
    let rows: Vec<[String; 4]> = CONTENDERS
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let most = results.iter().map(|run| run.connections[index]).max().unwrap_or_default();
            [
                (*name).to_owned(),
                format!("{:.0}", median(&|run| run.per_second[index])),
                format!("{:.2}", median(&|run| run.per_second[index] / run.per_second[PLAIN])),
                most.to_string(),
            ]
        })
        .collect();
    print_table(["messages", "per second", "of the plain client", "connections at most"], &rows);
    println!(
        "\npreviews: {:.0} people per second, {:.2} of the whole way; the host has one connection to a node",
        median(&|run| run.previewed),
        median(&|run| run.previewed / run.per_second[WHOLE]),
    );
}
