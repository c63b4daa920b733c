//! Groups of thousands, whose members come by pages and go by pieces.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use provender::provisioning::{Invocation, InvocationOutcome};
use provender::registry::import::{ImportOptions, import};
use provender::registry::record::Record;
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, TestHost, history};
use provender_tests::people::{group, group_key, membership};
use provender_tests::relay::Relay;
use provender_tests::scim::tenant;
use serde_json::json;

use super::host_at;
use super::life::get;

const MEMBERS: usize = 3_000;

/// Writes a group of people who are users at the target already.
async fn seed(host: &TestHost) {
    let group = json!({"kind": "group", "record": {"meta": {"id": "large"}, "name": "Large"}});
    let people = (0..MEMBERS).map(|number| {
        let written = json!({
            "type": "provisioningtarget", "identifier": user(number), "provisioning_target": "t",
        });
        json!({
            "kind": "person",
            "record": {"meta": {"id": person(number)}, "names": [{"given": "A", "primary": true}], "identifiers": [written]},
            "memberships": [{"group": "large"}],
        })
    });
    let lines: String = std::iter::once(group).chain(people).map(|line| format!("{line}\n")).collect();
    let summary =
        import(&host.host.registry, CO, lines.as_bytes(), &ImportOptions::default(), &quietly(), |_| {})
            .await;
    assert_eq!(summary.unwrap().progress.stored as usize, MEMBERS + 1);
}

fn quietly() -> WriteOptions {
    WriteOptions { provision: false, ..WriteOptions::by("test") }
}

fn person(number: usize) -> String {
    format!("p{number}")
}

/// The identifier of a person at the server.
fn user(number: usize) -> String {
    format!("0b62eaf3-6a6b-4d35-a7f8-{number:012}")
}

async fn provision(host: &TestHost) -> Invocation {
    host.host.pipeline.provision(CO, "t", &group_key("large")).await.unwrap()
}

/// That the group has these members and no others, each once.
fn holds(server: SocketAddr, tenant: &str, expected: impl Iterator<Item = usize>) {
    let groups = get(server, &format!("{tenant}/Groups"));
    let members = groups["Resources"][0]["members"].as_array().cloned().unwrap_or_default();
    let found: BTreeSet<String> =
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!((found.len(), found), (members.len(), expected.map(user).collect()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_thousands_is_kept_by_patch_in_pieces_and_by_put_as_a_whole() {
    for (update, pieces) in [("patch", MEMBERS.div_ceil(250)), ("put", 1)] {
        let (server, tenant) = tenant().unwrap();
        let relay = Relay::to("http", server).await;
        let configuration = json!({"update": update, "members_per_request": 250});
        let host = host_at(&format!("http://{}{tenant}", relay.address()), configuration).await;
        seed(&host).await;
        let made = provision(&host).await;
        let told = history(&made);
        assert!(told[1].starts_with("added 3000 members") && told[1].ends_with("removed 0"), "{told:?}");
        holds(server, &tenant, 0..MEMBERS);
        // The server counts what is written: the group, and its members after it.
        let read = get(server, &format!("{tenant}/Groups"))["Resources"][0].clone();
        assert_eq!(read["meta"]["version"], format!("W/\"{}\"", 1 + pieces), "{update}");
        let outcome = provision(&host).await.outcome;
        assert!(matches!(outcome, Some(InvocationOutcome::Unchanged)), "{update}: {outcome:?}");

        // One goes, one comes: found in a list of the same length.
        let registry = &host.host.registry;
        registry.delete_membership(CO, "large", &person(7), &quietly()).await.unwrap();
        let told = history(&provision(&host).await).to_vec();
        assert!(told[0].starts_with("added 0") && told[0].ends_with("removed 1"), "{told:?}");
        holds(server, &tenant, (0..MEMBERS).filter(|number| *number != 7));
        registry.delete_membership(CO, "large", &person(2_000), &quietly()).await.unwrap();
        host.put_membership(membership("large", &person(7))).await;
        holds(server, &tenant, 0..MEMBERS);
        let told = history(&provision(&host).await).to_vec();
        assert!(told[0].starts_with("added 0") && told[0].ends_with("removed 1"), "{told:?}");
        holds(server, &tenant, (0..MEMBERS).filter(|number| *number != 2_000));

        // Nobody is in it any more.
        let Record::Group(mut suspended) = group("large") else { unreachable!() };
        suspended.status = provender::registry::record::Status::Suspended;
        host.put(group_key("large"), Record::Group(suspended)).await;
        holds(server, &tenant, 0..0);
    }
}
