//! Resident memory of a host after 100, 1,000 and 10,000 calls through a filter and the changelog.
//!
//! `cargo bench -p provender-tests --bench memory`

use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{person, person_key};
use serde_json::json;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let test = TestHost::start().await;
        test.install_bundled("group-name").await;
        let filter = json!({"plugin": "group-name", "configuration": {"identifier_type": "posix"}});
        let filter = serde_json::from_value(filter).expect("a filter");
        test.host.administration.put_filter(CO, "names", filter).await.expect("a stored filter");
        test.changelog("changelog", json!({"filters": ["names"]})).await;
        let mut calls = 0;
        for until in [1, 100, 1_000, 10_000, 20_000, 40_000] {
            while calls < until {
                calls += 1;
                let key = person_key(&format!("p{}", calls % 500));
                let record = person(&key.id);
                test.host.registry.put(CO, key.clone(), record, &by_test()).await.expect("a stored record");
                test.host.pipeline.provision(CO, "changelog", &key).await.expect("an outcome");
            }
            println!("after {calls:>6} provisionings: {:>7} KiB resident", resident_kib());
        }
        test.host.stop().await;
    });
}

/// `VmRSS` of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
