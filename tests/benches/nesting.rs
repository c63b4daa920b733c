//! A group with many members is nested in another and taken out again, and one member comes and goes: time of each, for
//! sources of several sizes, without and with a target that is to be told of everybody.
//!
//! `cargo bench -p provender-tests --bench nesting [-- MEMBERS...]`

use std::time::{Duration, Instant};

use provender::registry::import::{ImportOptions, import};
use provender::registry::record::GroupNesting;
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use serde_json::json;

fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![1_000, 10_000, 20_000] } else { given };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{:>10} {:>12} {:>14} {:>12} {:>12}", "members", "nest", "us per member", "one joins", "unnest");
    for members in sizes {
        let [nest, join, unnest] = runtime.block_on(measured(members));
        println!(
            "{members:>10} {:>12.1?} {:>14.1} {:>12.1?} {:>12.1?}",
            nest,
            nest.as_secs_f64() * 1e6 / members as f64,
            join,
            unnest
        );
    }
}

async fn measured(members: usize) -> [Duration; 3] {
    let test = TestHost::start().await;
    for id in ["source", "target"] {
        test.put(group_key(id), group(id)).await;
    }
    let mut input = String::new();
    for number in 0..members {
        let id = format!("p{number:06}");
        let rows = [membership("source", &id)];
        input.push_str(
            &json!({"kind": "person", "record": plain_person(&id), "memberships": rows}).to_string(),
        );
        input.push('\n');
    }
    let quietly = WriteOptions { provision: false, ..by_test() };
    import(&test.host.registry, CO, input.as_bytes(), &ImportOptions::default(), &quietly, |_| {})
        .await
        .expect("an import");
    let nesting = GroupNesting { group: "target".to_owned(), source: "source".to_owned(), negate: false };
    let started = Instant::now();
    test.host.registry.nest(CO, nesting, &by_test()).await.expect("a nesting");
    let nest = started.elapsed();
    let nested = test.host.store.members_of_group(CO, "target", None, u32::MAX).await.expect("a store");
    assert_eq!(nested.len(), members);
    test.put(person_key("late"), person("late")).await;
    let started = Instant::now();
    test.host.registry.put_membership(CO, membership("source", "late"), &by_test()).await.expect("a member");
    let join = started.elapsed();
    let started = Instant::now();
    test.host.registry.unnest(CO, "target", "source", &by_test()).await.expect("an end of it");
    [nest, join, started.elapsed()]
}
