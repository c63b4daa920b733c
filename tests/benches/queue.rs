//! The queue at work: changes by jobs, all subjects by one job, the time from a commit to its effect, and plain inserts of
//! the rows that it left. Everything goes through the changelog, on SQLite or on PostgreSQL.
//!
//! `cargo bench -p provender-tests --bench queue [-- CHANGES [PEOPLE [ENDED]]] [postgres]`: changes by jobs (20,000), people of
//! the largest Reprovision All (100,000), and jobs that ended before (1,000,000). PostgreSQL is a server of its own with the
//! settings that it has by default.

mod plain;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provender::configuration::Configuration;
use provender::jobs::reprovision_all;
use provender::registry::import::{ImportOptions, import};
use provender::registry::record::{Name, Person, Record};
use provender_tests::bench::measure::print_table;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::person_key;
use provender_tests::postgres::durable_database;
use serde_json::json;
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

/// Writes whose effect is waited for.
const WAITED_FOR: usize = 300;

fn main() {
    let on = match std::env::args().any(|argument| argument == "postgres") {
        true => Database::Postgres,
        false => Database::Sqlite,
    };
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let changes: usize = numbers.next().unwrap_or(20_000);
    let people: usize = numbers.next().unwrap_or(100_000);
    let ended: usize = numbers.next().unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut rows = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        for (concurrency, before) in [(1, 0), (cores, 0), (32, 0), (32, ended)] {
            rows.push(queued(on, changes, concurrency, before).await);
        }
        let heads = [
            "changes by jobs",
            "jobs that ended before",
            "calls at once",
            "registered per second",
            "done per second",
            "plain inserts per second",
            "done / plain",
        ];
        print_table(heads, &rows);
        let mut rows = Vec::new();
        for people in [people / 10, people] {
            rows.push(all_subjects(on, people).await);
        }
        let heads = [
            "Reprovision All of people",
            "per second",
            "µs a person",
            "plain inserts per second",
            "done / plain",
        ];
        print_table(heads, &rows);
    });
}

#[derive(Clone, Copy)]
enum Database {
    Sqlite,
    Postgres,
}

/// A host on a fresh database, and how that is reached.
struct Bench {
    test: TestHost,
    url: Option<String>,
}

impl Bench {
    async fn start(on: Database, change: impl FnOnce(&mut Configuration)) -> Self {
        let url = match on {
            Database::Sqlite => None,
            Database::Postgres => Some(durable_database().await.expect("a database")),
        };
        let test = TestHost::start_with(|configuration| {
            configuration.sandbox.instances = 64;
            configuration.database_url.clone_from(&url);
            change(configuration);
        })
        .await;
        Self { test, url }
    }

    fn file(&self) -> PathBuf {
        self.test.host.configuration.data_directory.join("provender.db")
    }

    /// Stops the host, and gives the time of plain inserts of the rows that its runs left.
    async fn plain(self) -> Duration {
        let (database, folder) = (self.file(), self.test.folder("plain"));
        self.test.host.stop().await;
        match self.url {
            Some(url) => plain::postgres::insert(&url, &TABLES).await,
            None => plain::insert(&database, &folder.join("plain.db"), &TABLES).await,
        }
    }
}

/// What a run leaves rows in.
const TABLES: [&str; 5] =
    ["invocations", "transcripts", "provisioned_services", "provisioned_records", "provisioning_history"];

/// Changes of as many people, by jobs.
async fn queued(on: Database, changes: usize, concurrency: u32, ended: usize) -> [String; 7] {
    // Jobs run when they are told to.
    let bench = Bench::start(on, |configuration| configuration.workers.jobs = 0).await;
    let test = &bench.test;
    let settings = json!({"mode": "queue", "concurrency": concurrency});
    let file = test.changelog("changelog", settings).await;
    finished_jobs(&bench, ended).await;
    let registering = timed(import_people(test, changes)).await;
    let doing = timed(async {
        test.host.jobs.run_due(None, None).await.expect("jobs");
    })
    .await;
    let written = std::fs::read_to_string(file).expect("the changelog").lines().count();
    assert_eq!(written, changes, "every change is in the changelog");
    let plain = bench.plain().await;
    let rate = |time: Duration| changes as f64 / time.as_secs_f64();
    [
        changes.to_string(),
        ended.to_string(),
        concurrency.to_string(),
        format!("{:.0}", rate(registering)),
        format!("{:.0}", rate(doing)),
        format!("{:.0}", rate(plain)),
        format!("{:.2}", rate(doing) / rate(plain)),
    ]
}

/// All people of a collaboration by one job, and single changes meanwhile.
async fn all_subjects(on: Database, people: usize) -> [String; 5] {
    let bench = Bench::start(on, |_| {}).await;
    let test = &bench.test;
    import_people(test, people).await;
    test.changelog("changelog", json!({"concurrency": 32})).await;
    // The first call loads the plugin.
    test.host.pipeline.provision(CO, "changelog", &person_key("p0")).await.expect("an outcome");
    let idle = effects(test, people, "idle", None).await;
    let job =
        reprovision_all(&test.host.store, CO, "changelog", "bench", Timestamp::now()).await.expect("a job");
    test.host.jobs.wake();
    let busy = effects(test, people, "during Reprovision All", Some(job.id)).await;
    let taken = loop {
        let job = test.host.store.job(CO, job.id).await.expect("a store").expect("the job");
        if let (Some(started), Some(ended)) = (job.started, job.ended) {
            assert_eq!((job.done, job.failed), (job.total, 0));
            break ended.duration_since(started).as_secs_f64();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!("{idle}\n{busy}");
    let plain = bench.plain().await.as_secs_f64();
    let (rate, plain) = (people as f64 / taken, people as f64 / plain);
    [
        people.to_string(),
        format!("{rate:.0}"),
        format!("{:.0}", 1e6 / rate),
        format!("{plain:.0}"),
        format!("{:.2}", rate / plain),
    ]
}

/// The time from a commit to its committed outcome, as long as a job runs if one is named.
async fn effects(test: &TestHost, people: usize, when: &str, during: Option<i64>) -> String {
    let mut times = Vec::with_capacity(WAITED_FOR);
    for number in 0..WAITED_FOR {
        let id = format!("p{}", number * 7 % people);
        let name = Name {
            given: Some(format!("{when} {number}")),
            name_type: "official".to_owned(),
            primary: true,
            ..Name::default()
        };
        let record = Record::Person(Box::new(Person { names: vec![name], ..Person::default() }));
        let written =
            test.host.registry.put(CO, person_key(&id), record, &by_test()).await.expect("a person");
        let committed = Instant::now();
        test.host.pipeline.submit(CO, &written.planned);
        let ids: Vec<_> = written.planned.iter().map(|planned| planned.id).collect();
        test.host.pipeline.outcomes(CO, &ids).await.expect("outcomes");
        times.push(committed.elapsed());
        if let Some(job) = during
            && test.host.store.job(CO, job).await.expect("a store").is_none_or(|job| job.ended.is_some())
        {
            break;
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[(share * times.len() as f64) as usize].as_secs_f64() * 1e3;
    format!(
        "of {people} people, commit to effect {when}: median {:.1} ms, 95th percentile {:.1} ms, {} writes",
        at(0.5),
        at(0.95),
        times.len()
    )
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}

async fn import_people(test: &TestHost, people: usize) {
    let lines: String = (0..people)
        .map(|number| {
            let names = json!([{"given": "Ágnes", "family": format!("Kovács {number}"), "primary": true}]);
            let mails = json!([{"mail": format!("p{number}@example.org"), "verified": true}]);
            let record =
                json!({"meta": {"id": format!("p{number}")}, "names": names, "email_addresses": mails});
            json!({"kind": "person", "record": record}).to_string() + "\n"
        })
        .collect();
    let options = ImportOptions::default();
    let summary = import(&test.host.registry, CO, lines.as_bytes(), &options, &by_test(), |_| {}).await;
    assert_eq!(summary.expect("an import").progress.stored, people as u64);
}

/// Jobs that ended long ago, written straight into the table.
async fn finished_jobs(bench: &Bench, count: usize) {
    if count == 0 {
        return;
    }
    let no_worker = if bench.url.is_some() { "''" } else { "x''" };
    let statements = [
        format!(
            "INSERT INTO jobs (co, id, kind, target, subject_kind, subject_id, action, status, asked_by, registered, \
             start_after, started, ended, retries, worker) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             SELECT '{CO}', i, 'provision', 'changelog', 'person', 'p' || (i % 20000), 'updated', 'complete', 'bench', i, i, \
             i, i, 0, {no_worker} FROM n"
        ),
        format!("INSERT INTO job_numbers VALUES ('{CO}', {count})"),
        // SQLite's planner is told by the schema.
        if bench.url.is_some() { "ANALYZE jobs" } else { "SELECT 1" }.to_owned(),
    ];
    install_default_drivers();
    let url = bench.url.clone().unwrap_or_else(|| format!("sqlite://{}", bench.file().display()));
    let mut connection = AnyConnection::connect(&url).await.expect("the database");
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("jobs that ended");
    }
    connection.close().await.expect("a closed connection");
}
