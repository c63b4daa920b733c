//! Import of 10,000 people into SQLite, then all of them through a filter and the changelog, beside plain inserts of the
//! rows that this left: people per second, medians of several runs taken in turn in one process.
//!
//! `cargo bench -p provender-tests --bench import [-- PEOPLE [RUNS]]`

mod plain;

use std::time::{Duration, Instant};

use provender::registry::import::{ImportOptions, import};
use provender_tests::bench::people::provision_all;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::person_key;
use serde_json::json;

const GROUPS: usize = 12;

/// People per second.
struct Rates {
    import: f64,
    provisioning: f64,
    plain_import: f64,
    plain_provisioning: f64,
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let people: usize = numbers.next().unwrap_or(10_000);
    let runs: usize = numbers.next().unwrap_or(3);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut results = Vec::new();
    for run in 1..=runs {
        let rates = runtime.block_on(one_run(people));
        println!(
            "run {run}: import {:.0} (plain {:.0}), filter and changelog {:.0} (plain {:.0}) people/s",
            rates.import, rates.plain_import, rates.provisioning, rates.plain_provisioning
        );
        results.push(rates);
    }
    let median = |of: &dyn Fn(&Rates) -> f64| {
        let mut values: Vec<f64> = results.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let both = |first: f64, second: f64| 1.0 / (1.0 / first + 1.0 / second);
    println!("\nmedians of {runs} runs, {people} people with 2 memberships each, people per second");
    println!("                        Provender   plain inserts   ratio");
    let row = |name, ours: &dyn Fn(&Rates) -> f64, plain: &dyn Fn(&Rates) -> f64| {
        let ratio = median(&|rates| ours(rates) / plain(rates));
        println!("{name:<22} {:>10.0} {:>15.0} {ratio:>7.2}", median(ours), median(plain));
    };
    row("import", &|rates| rates.import, &|rates| rates.plain_import);
    row("filter and changelog", &|rates| rates.provisioning, &|rates| rates.plain_provisioning);
    row("both, one after other", &|rates| both(rates.import, rates.provisioning), &|rates| {
        both(rates.plain_import, rates.plain_provisioning)
    });
}

async fn one_run(people: usize) -> Rates {
    let test = TestHost::start_with(|configuration| configuration.sandbox.instances = 64).await;
    import_lines(&test, groups()).await;
    let import = timed(import_lines(&test, people_lines(people))).await;

    test.install_bundled("group-name").await;
    let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "posix"}});
    let filter = serde_json::from_value(filter).expect("a filter");
    test.host.administration.put_filter(CO, "names", filter).await.expect("a stored filter");
    let file = test.changelog("changelog", json!({"filters": ["names"]})).await;
    // The first call loads both plugins.
    test.host.pipeline.provision(CO, "changelog", &person_key("p0")).await.expect("an outcome");
    let provisioning = timed(provision_all(&test, "changelog", people)).await;
    let written = std::fs::read_to_string(file).expect("the changelog").lines().count();
    assert_eq!(written, people + 1, "everybody is in the changelog");

    let source = test.host.configuration.data_directory.join("provender.db");
    let folder = test.folder("plain");
    test.host.stop().await;
    let imported = ["records", "memberships", "changes"];
    let provisioned = ["invocations", "transcripts", "provisioned_services"];
    let plain_import = plain::insert(&source, &folder.join("import.db"), &imported).await;
    let plain_provisioning = plain::insert(&source, &folder.join("provisioning.db"), &provisioned).await;
    let rate = |time: Duration| people as f64 / time.as_secs_f64();
    Rates {
        import: rate(import),
        provisioning: rate(provisioning),
        plain_import: rate(plain_import),
        plain_provisioning: rate(plain_provisioning),
    }
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}

async fn import_lines(test: &TestHost, lines: String) {
    let count = lines.lines().count() as u64;
    let options = ImportOptions::default();
    let summary = import(&test.host.registry, CO, lines.as_bytes(), &options, &by_test(), |_| {}).await;
    assert_eq!(summary.expect("an import").progress.stored, count);
}

fn groups() -> String {
    (0..GROUPS)
        .map(|group| {
            let identifiers = json!([{"identifier": format!("px{group}"), "type": "posix"}]);
            let record = json!({"meta": {"id": format!("g{group}")}, "name": format!("Group {group}"), "identifiers": identifiers});
            json!({"kind": "group", "record": record}).to_string() + "\n"
        })
        .collect()
}

fn people_lines(people: usize) -> String {
    (0..people)
        .map(|number| {
            let id = format!("p{number}");
            let record = json!({
                "meta": {"id": id},
                "names": [
                    {"given": "Ágnes", "family": format!("Kovács {number}"), "language": "hu", "primary": true},
                    {"given": "Agnes", "family": "Kovacs", "type": "alternate"},
                ],
                "email_addresses": [
                    {"mail": format!("{id}@example.org"), "verified": true},
                    {"mail": format!("{id}@home.example"), "type": "personal"},
                ],
                "identifiers": [
                    {"identifier": id, "type": "uid", "login": true},
                    {"identifier": format!("{id}@example.org"), "type": "eppn"},
                ],
                "roles": [{"affiliation": "staff", "title": "Researcher", "organization": "Example University"}],
            });
            let memberships =
                json!([{"group": format!("g{}", number % GROUPS)}, {"group": format!("g{}", (number + 5) % GROUPS)}]);
            json!({"kind": "person", "record": record, "memberships": memberships}).to_string() + "\n"
        })
        .collect()
}
