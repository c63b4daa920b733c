//! The history of a subject.

use provender::provisioning::HistoryEntry;
use provender::store::HistoryPosition;

use super::*;

async fn history(host: &TestHost, subject: &SubjectKey) -> Vec<HistoryEntry> {
    host.host.store.history(CO, subject, None, 100).await.unwrap()
}

fn events(entries: &[HistoryEntry]) -> Vec<HistoryEvent> {
    entries.iter().map(|entry| entry.event).collect()
}

#[tokio::test]
async fn the_history_of_a_person_has_its_changes_and_what_became_of_them_the_newest_first() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target(
        "t",
        json!([{"do": "finish", "outcome": "applied", "lines": 1, "characters": 3}]),
    )
    .await;
    host.put(anna.clone(), person("anna")).await;
    let pipeline = &host.host.pipeline;
    pipeline.provision_for(Some("key 1f (help desk)"), CO, "t", &anna).await.unwrap();
    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(anna.clone(), named("anna", "Anne")).await;
    host.misbehaving_target("t", json!([])).await;
    host.delete(&anna).await;

    let entries = history(&host, &anna).await;
    use HistoryEvent::{Created, Deleted, Failed, ManuallyProvisioned, Provisioned, Removed, Updated};
    let expected = [Removed, Deleted, Failed, Updated, ManuallyProvisioned, Provisioned, Created];
    assert_eq!(events(&entries), expected);
    let [removed, deleted, failed, updated, manually, provisioned, created] = &entries[..] else { panic!() };
    assert_eq!((removed.code, removed.actor.as_deref()), (Some("PD"), Some("test")));
    assert_eq!(removed.change, deleted.change);
    assert_eq!(
        (failed.class, failed.message.as_deref()),
        (Some(FailureClass::Conflict), Some("uid is taken"))
    );
    assert_eq!((failed.target.as_deref(), failed.change), (Some("t"), updated.change));
    assert_eq!(updated.parts, ["names"]);
    assert_eq!((manually.actor.as_deref(), manually.change), (Some("key 1f (help desk)"), None));
    assert_eq!((manually.code, provisioned.code), (Some("PR"), Some("PA")));
    assert_eq!(provisioned.lines, ["xxx"]);
    assert_eq!((created.actor.as_deref(), created.provision), (Some("test"), Some(true)));
    host.assert_healthy().await;
}

#[tokio::test]
async fn pages_of_a_history_make_the_whole_of_it() {
    let host = TestHost::start().await;
    let anna = person_key("anna");
    host.misbehaving_target("a", json!([])).await;
    host.misbehaving_target("b", json!([])).await;
    for given in ["Anna", "Anne", "Ann", "Anya"] {
        host.put(anna.clone(), named("anna", given)).await;
    }
    host.put(person_key("bela"), person("bela")).await;
    let whole = history(&host, &anna).await;
    assert_eq!(whole.len(), 12);
    for size in [1, 2, 5] {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let page = host.host.store.history(CO, &anna, before, size).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(HistoryPosition::of(last));
            pages.extend(page);
        }
        assert_eq!(pages, whole, "pages of {size}");
    }
}

#[tokio::test]
async fn every_kind_of_subject_has_a_history() {
    let host = TestHost::start().await;
    host.changelog("t", json!({})).await;
    let service = Service { name: "Wiki".to_owned(), ..Service::default() };
    let list = provender::registry::record::EmailList { name: "All".to_owned(), ..Default::default() };
    let key = |kind| SubjectKey { kind, id: "x".to_owned() };
    for (key, record) in [
        (key(RecordKind::Person), person("x")),
        (key(RecordKind::Group), group("x")),
        (key(RecordKind::EmailList), Record::EmailList(Box::new(list))),
        (key(RecordKind::Service), Record::Service(Box::new(service))),
    ] {
        host.put(key.clone(), record).await;
        assert_eq!(events(&history(&host, &key).await), [HistoryEvent::Provisioned, HistoryEvent::Created]);
    }
}

#[tokio::test]
async fn what_is_skipped_is_not_in_the_history() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([{"do": "finish", "outcome": "skipped", "reason": "no uid"}])).await;
    host.put(person_key("anna"), person("anna")).await;
    assert_eq!(events(&history(&host, &person_key("anna")).await), [HistoryEvent::Created]);
}
