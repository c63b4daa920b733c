//! All subjects to one target, by a job.

use super::*;
use provender::jobs;
use provender::provisioning::{HistoryEvent, Job, JobStatus};
use provender::registry::record::{RecordKind, SubjectKey};
use provender_tests::waiting::eventually;

/// Stores people without provisioning them.
pub(crate) async fn quiet_people(host: &TestHost, count: usize) {
    let quiet = WriteOptions { provision: false, ..by_test() };
    for number in 0..count {
        let id = format!("p{number:03}");
        host.host.registry.put(CO, person_key(&id), person(&id), &quiet).await.unwrap();
    }
}

#[tokio::test]
async fn everybody_is_provisioned_and_who_is_not_active_is_removed() {
    let host = TestHost::start().await;
    let log = host.changelog("t", json!({})).await;
    host.put(group_key("staff"), group("staff")).await;
    host.put(person_key("anna"), person("anna")).await;
    host.put(person_key("bela"), person("bela")).await;
    let quiet = WriteOptions { provision: false, ..by_test() };
    host.host.registry.put(CO, person_key("bela"), of_status("bela", Status::Pending), &quiet).await.unwrap();
    quiet_people(&host, 60).await;
    let before = lines(&log).len();
    let begun = host.reprovision_all("t").await;
    assert_eq!((begun.status, begun.total, begun.done), (JobStatus::InProgress, 63, 0));
    let job = host.ended(begun.id).await;
    assert_eq!((job.status, job.done, job.total, job.percent), (JobStatus::Complete, 63, 63, 100), "{job:?}");
    let by_kind: Vec<_> = job
        .progress
        .unwrap()
        .into_iter()
        .map(|kind| (kind.kind, kind.done, kind.failed, kind.total))
        .collect();
    assert_eq!(by_kind, [("group".to_owned(), 1, 0, 1), ("person".to_owned(), 62, 0, 62)]);
    assert_eq!(lines(&log).len() - before, 63);
    assert_eq!(host.service("t", &person_key("bela")).await.unwrap().status, ServiceStatus::Removed);
    assert_eq!(host.service("t", &person_key("p059")).await.unwrap().status, ServiceStatus::Provisioned);
    let newest = host.host.store.history(CO, &person_key("p059"), None, 1).await.unwrap().remove(0);
    assert_eq!((newest.event, newest.actor.as_deref()), (HistoryEvent::ManuallyProvisioned, Some("eve")));
    host.assert_healthy().await;
}

#[tokio::test]
async fn subjects_that_fail_are_listed_and_the_job_is_no_success() {
    let host = TestHost::start().await;
    let fails = json!([{"do": "fail", "failure": "transient", "message": "not now"}]);
    host.misbehaving_target_with("t", fails, json!({"mode": "queue_on_error"})).await;
    quiet_people(&host, 5).await;
    let job = host.ended(host.reprovision_all("t").await.id).await;
    assert_eq!(
        (job.status, job.failed, job.message.as_deref()),
        (JobStatus::Failed, 5, Some("5 subjects, 5 of them failed"))
    );
    let lines = host.host.store.job_history(CO, job.id).await.unwrap();
    let mut failed: Vec<String> = lines.into_iter().filter_map(|line| Some(line.subject?.id)).collect();
    failed.sort();
    assert_eq!(failed, ["p000", "p001", "p002", "p003", "p004"]);
    let all = host.host.store.jobs(CO, &Default::default(), None, 10).await.unwrap();
    assert_eq!(all.len(), 1, "each subject is tried once");
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_target_has_one_at_a_time_and_none_while_it_is_disabled() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    let settings = json!({"mode": "manual", "slots": {"web": "web"}});
    host.misbehaving_target_with("t", steps, settings).await;
    quiet_people(&host, 3).await;
    receiver.hold();
    let begun = host.reprovision_all("t").await;
    let now = host.host.clock().now();
    let again = jobs::reprovision_all(&host.host.store, CO, "t", "eve", now).await.unwrap_err();
    assert!(matches!(again, jobs::BulkError::UnderWay(id) if id == begun.id), "{again}");
    receiver.release();
    assert_eq!(host.ended(begun.id).await.status, JobStatus::Complete);
    host.misbehaving_target_with("t", json!([]), json!({"mode": "disabled"})).await;
    let refused = jobs::reprovision_all(&host.host.store, CO, "t", "eve", now).await.unwrap_err();
    assert!(matches!(refused, jobs::BulkError::Disabled(_)), "{refused}");
}

/// A target of one call at a time that reaches a receiver, 50 people, and a job for all of them whose first call hangs.
async fn hanging() -> (TestHost, Receiver, Job) {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    host.misbehaving_target_with("t", steps, json!({"concurrency": 1, "slots": {"web": "web"}})).await;
    quiet_people(&host, 50).await;
    receiver.hold();
    let begun = host.reprovision_all("t").await;
    receiver.wait_for(1).await;
    (host, receiver, begun)
}

#[tokio::test]
async fn it_ends_before_its_next_subject_when_it_is_canceled() {
    let (host, receiver, begun) = hanging().await;
    jobs::cancel(&host.host.store, CO, begun.id, "eve", host.host.clock().now()).await.unwrap();
    receiver.release();
    let job = host.ended(begun.id).await;
    assert_eq!((job.status, job.done), (JobStatus::Canceled, 1));
    assert_eq!(receiver.received().len(), 1);
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_single_change_overtakes_it() {
    let (host, receiver, begun) = hanging().await;
    let single = SubjectKey { kind: RecordKind::Person, id: "single".to_owned() };
    let written = host.host.registry.put(CO, single.clone(), person("single"), &by_test()).await.unwrap();
    host.host.pipeline.submit(CO, &written.planned);
    receiver.release();
    host.ended(begun.id).await;
    let mut order = host.invocations("t").await;
    order.sort_by_key(|done| done.finished);
    let place = order.iter().position(|done| done.subject == single).unwrap();
    assert!(place <= 2, "after what ran already: {place}");
}

#[tokio::test]
async fn it_goes_on_where_it_was_after_a_restart() {
    let (host, receiver, begun) = hanging().await;
    receiver.release();
    eventually("some subjects to be done", async || {
        host.host.store.job(CO, begun.id).await.unwrap().filter(|job| job.done > 3)
    })
    .await;
    let host = host.restart().await;
    let job = host.ended(begun.id).await;
    assert_eq!((job.status, job.done, job.total), (JobStatus::Complete, 50, 50));
    assert_eq!(receiver.received().len(), 50, "nobody twice");
    host.assert_healthy().await;
}
