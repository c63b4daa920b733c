//! Every way to crash, and to use up what a call has, in every export of both worlds.

use provender::capabilities::plugin::Plugin;
use provender_guest_crash::WAYS;
use provender_tests::calls::{TestCall, load, nothing_granted_at, plugin_host};
use provender_tests::guests::{DESCRIBED_FILTER, described};

use crate::{Told, assert_served, ending};

/// Small, so that the texts come fast.
const LIMITS: [(&str, u64); 3] = [("fuel", 20_000_000), ("memory_bytes", 16 << 20), ("deadline_ms", 600_000)];

fn crashing(how: &str) -> TestCall {
    LIMITS.iter().fold(TestCall::crashing(how), |call, (word, value)| call.limit(word, *value))
}

/// How every way ends in `describe`, which is told its way by the clock.
async fn in_describe(plugin: &Plugin) -> String {
    let mut told = Told::default();
    for (place, how) in (0..).zip(WAYS) {
        let end = plugin_host().describe(plugin, nothing_granted_at(place, &LIMITS)).await;
        told.add_end(how, &end);
    }
    told.0
}

#[tokio::test]
async fn every_way_ends_in_its_fault_in_every_export_of_a_provisioner() {
    let plugin = load(&described("by clock")).await.expect("a plugin");
    insta::assert_snapshot!("provisioner_describe", in_describe(&plugin).await);
    let [mut check, mut prepare, mut provision, mut inspect] = [const { Told(String::new()) }; 4];
    for how in WAYS {
        check.add(how, &ending(&crashing(how).check().await.result));
        prepare.add(how, &ending(&crashing(how).prepare().await.result));
        provision.add(how, &ending(&crashing(how).provision().await.result));
        inspect.add(how, &ending(&crashing(how).inspect().await.result));
        assert_served().await;
    }
    insta::assert_snapshot!("provisioner_provision", provision.0);
    // The others are told the same, but for the name of the export and what only a call that ends well gives.
    for (export, told) in [("check", check), ("prepare", prepare), ("inspect", inspect)] {
        let crashes = |text: &str, export: &str| -> Vec<String> {
            let named = text.lines().filter(|line| line.contains(&format!("in `{export}`")));
            named.map(|line| line.replace(&format!("in `{export}`"), "")).collect()
        };
        assert_eq!(crashes(&told.0, export), crashes(&provision.0, "provision"));
        assert_eq!(crashes(&told.0, export).len(), WAYS.len());
    }
}

#[tokio::test]
async fn every_way_ends_in_its_fault_in_every_export_of_a_data_filter() {
    let plugin = load(DESCRIBED_FILTER).await.expect("a plugin");
    insta::assert_snapshot!("data_filter_describe", in_describe(&plugin).await);
    let [mut check, mut filter] = [const { Told(String::new()) }; 2];
    for how in WAYS {
        check.add(how, &ending(&crashing(how).check_filter().await.result));
        filter.add(how, &ending(&crashing(how).filter().await.result));
        assert_served().await;
    }
    insta::assert_snapshot!("data_filter_check", check.0);
    insta::assert_snapshot!("data_filter_filter", filter.0);
}
