//! What a change of a target's settings means for the records: counted, and done by a job.

use super::reprovision_all::quiet_people;
use super::*;
use provender::jobs;
use provender::provisioning::{Job, JobKind, JobStatus};
use provender_tests::waiting::eventually;

async fn begin(host: &TestHost, target: &str) -> Job {
    let now = host.host.clock().now();
    jobs::re_evaluate(&host.host.store, CO, target, "eve", now).await.unwrap()
}

/// Re-evaluates `t`, and gives the job with what it ran.
async fn re_evaluated(host: &TestHost) -> (Job, Vec<Invocation>) {
    let before = host.invocations("t").await.len();
    let job = host.ended(begin(host, "t").await.id).await;
    assert_eq!((job.kind, job.done, job.percent), (JobKind::Reevaluate, job.total, 100), "{job:?}");
    (job, host.invocations("t").await.split_off(before))
}

/// A subject with what was sent.
type Sent<'a> = (&'a str, Option<Action>);

/// Subjects with what was sent, in order.
fn sent(done: &[Invocation]) -> Vec<Sent<'_>> {
    let mut sent: Vec<_> = done.iter().map(|done| (done.subject.id.as_str(), done.delivery.sent)).collect();
    sent.sort_by_key(|(id, _)| *id);
    sent
}

#[tokio::test]
async fn records_that_would_be_added_updated_and_removed_are_counted_and_nothing_is_sent() {
    let host = TestHost::start().await;
    host.misbehaving_filter("f", json!({"do": "mark", "name": "m"})).await;
    let target = async |settings: Value| {
        host.misbehaving_target_with("t", json!([{"do": "report"}]), settings).await;
    };
    target(json!({"filters": ["f"]})).await;
    host.put(group_key("staff"), group("staff")).await;
    for id in ["anna", "bela", "gone"] {
        host.put(person_key(id), person(id)).await;
    }
    host.put_membership(membership("staff", "anna")).await;
    host.delete(&person_key("gone")).await;
    let before = host.invocations("t").await.len();
    let evaluated = async || {
        let found = host.host.pipeline.re_evaluate(CO, "t").await.unwrap();
        (found.examined, found.added, found.updated, found.unchanged, found.removed, found.left_out)
    };
    assert_eq!(evaluated().await, (4, 0, 0, 3, 0, 1), "nothing changed");

    target(json!({"filters": ["f"], "provisioning_group": "staff"})).await;
    assert_eq!(evaluated().await, (4, 0, 0, 2, 1, 1), "bela is not in the group");

    target(json!({})).await;
    assert_eq!(evaluated().await, (4, 0, 3, 0, 0, 1), "the filter marked all");

    host.misbehaving_target("t2", json!([])).await;
    let found = host.host.pipeline.re_evaluate(CO, "t2").await.unwrap();
    assert_eq!((found.added, found.left_out), (3, 1), "a new target has nothing");

    host.misbehaving_filter("f", json!({"do": "fail", "message": "why"})).await;
    target(json!({"filters": ["f"]})).await;
    let found = host.host.pipeline.re_evaluate(CO, "t").await.unwrap();
    assert_eq!((found.failed, found.failures.len(), found.left_out), (3, 3, 1));
    assert_eq!(found.failures[0].message, "why");
    assert_eq!(host.invocations("t").await.len(), before, "nothing was run");
}

#[tokio::test]
async fn a_write_of_a_target_or_filter_tells_whether_looking_is_advisable() {
    let host = TestHost::start().await;
    let plugin = host.install(provender_tests::guests::MISBEHAVING).await.digest;
    let put = async |settings: Value| {
        let mut input = json!({"plugin": plugin});
        input.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let input = serde_json::from_value(input).unwrap();
        host.host.administration.put_target(CO, "t", input).await.unwrap().0.re_evaluation_advisable
    };
    assert!(!put(json!({})).await, "there is no record");
    host.put(group_key("staff"), group("staff")).await;
    host.misbehaving_filter("f", json!({"do": "mark", "name": "m"})).await;
    assert!(!put(json!({"description": "words", "order": 7})).await);
    for settings in [
        json!({"provisioning_group": "staff"}),
        json!({"skip_source": "hr"}),
        json!({"filters": ["f"]}),
        json!({"filters": ["f"], "mode": "manual"}),
        json!({"configuration": {"provision": []}}),
    ] {
        assert!(put(settings.clone()).await, "{settings}");
        assert!(!put(settings.clone()).await, "the same again: {settings}");
    }
}

const AGAIN: Option<Action> = Some(Action::ReprovisionRequested);
const DELETED: Option<Action> = Some(Action::Deleted);

#[tokio::test]
async fn each_change_of_a_target_reaches_by_a_job_whom_it_concerns_and_only_once() {
    let host = TestHost::start().await;
    host.server(
        "web",
        json!({"kind": "http", "base_url": "http://127.0.0.1:1", "allow_private_addresses": true}),
    )
    .await;
    host.misbehaving_filter("f", json!({"do": "mark", "name": "m"})).await;
    host.misbehaving_target_with("t", json!([]), json!({})).await;
    host.put(group_key("staff"), group("staff")).await;
    let mut from_hr = plain_person("anna");
    from_hr
        .org_identities
        .push(OrgIdentity { identity_source: Some("hr".to_owned()), ..OrgIdentity::default() });
    host.put(person_key("anna"), Record::Person(Box::new(from_hr))).await;
    host.put(person_key("bela"), person("bela")).await;
    host.put_membership(membership("staff", "anna")).await;
    let all = [("anna", AGAIN), ("bela", AGAIN), ("staff", AGAIN)];
    let in_group = json!({"provisioning_group": "staff"});
    let report = json!([{"do": "report"}]);
    let none: [Sent<'_>; 0] = [];
    type Change<'a> = (&'a str, Value, Value, &'a [Sent<'a>]);
    let changes: [Change<'_>; 12] = [
        ("nothing", json!([]), json!({}), &none),
        ("a description", json!([]), json!({"description": "words", "order": 9}), &none),
        ("a group", json!([]), in_group.clone(), &[("bela", DELETED)]),
        ("no group", json!([]), json!({}), &[("bela", AGAIN)]),
        ("a source", json!([]), json!({"skip_source": "hr"}), &[("anna", DELETED)]),
        (
            "both",
            json!([]),
            json!({"skip_source": "hr", "provisioning_group": "staff"}),
            &[("bela", DELETED)],
        ),
        ("the group alone", json!([]), in_group, &[("anna", AGAIN)]),
        ("neither", json!([]), json!({}), &[("bela", AGAIN)]),
        ("a filter", json!([]), json!({"filters": ["f"]}), &all),
        ("a configuration", report.clone(), json!({"filters": ["f"]}), &all),
        ("a server", report.clone(), json!({"filters": ["f"], "slots": {"web": "web"}}), &all),
        ("no filter", report, json!({"slots": {"web": "web"}}), &all),
    ];
    for (change, steps, settings, expected) in changes {
        host.misbehaving_target_with("t", steps, settings).await;
        let counted = host.host.pipeline.re_evaluate(CO, "t").await.unwrap();
        let (job, done) = re_evaluated(&host).await;
        assert_eq!((job.status, sent(&done).as_slice()), (JobStatus::Complete, expected), "{change}");
        let number = expected.len() as u64;
        assert_eq!(counted.added + counted.updated + counted.removed, number, "{change}: {counted:?}");
        assert_eq!(
            job.message.unwrap(),
            format!("{number} of {} subjects sent, none of them failed", counted.examined),
            "{change}"
        );
        let (_, again) = re_evaluated(&host).await;
        assert_eq!(sent(&again), none, "{change}, once more");
    }
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_job_makes_up_for_what_a_manual_target_was_not_told() {
    let host = TestHost::start().await;
    let target = async |mode: &str| {
        host.misbehaving_target_with("t", json!([]), json!({"mode": mode})).await;
    };
    target("automatic").await;
    for id in ["anna", "bela", "cleo"] {
        host.put(person_key(id), person(id)).await;
    }
    target("manual").await;
    host.put(person_key("anna"), named("anna", "Another")).await;
    host.delete(&person_key("bela")).await;
    host.put(person_key("dora"), person("dora")).await;
    host.put(person_key("emil"), of_status("emil", Status::Pending)).await;
    let (job, done) = re_evaluated(&host).await;
    assert_eq!(sent(&done), [("anna", AGAIN), ("bela", DELETED), ("dora", AGAIN)]);
    let people = job.progress.unwrap().remove(0);
    assert_eq!((people.done, people.failed, people.untouched, people.total), (5, 0, 2, 5));
    assert_eq!(host.service("t", &person_key("bela")).await.unwrap().status, ServiceStatus::Removed);
    assert!(host.service("t", &person_key("emil")).await.is_none(), "nothing is known of who was left out");
    assert!(re_evaluated(&host).await.1.is_empty());
    host.assert_healthy().await;
}

#[tokio::test]
async fn what_failed_is_sent_again_and_what_fails_again_is_listed() {
    let host = TestHost::start().await;
    let fails = json!([{"do": "fail", "failure": "transient", "message": "not now"}]);
    host.misbehaving_target("t", json!([])).await;
    host.put(person_key("anna"), person("anna")).await;
    host.misbehaving_target("t", fails.clone()).await;
    host.put(person_key("anna"), named("anna", "Another")).await;
    host.put(person_key("bela"), person("bela")).await;
    let (job, done) = re_evaluated(&host).await;
    assert_eq!(sent(&done), [("anna", AGAIN), ("bela", AGAIN)]);
    assert_eq!(
        (job.status, job.failed, job.message.as_deref()),
        (JobStatus::Failed, 2, Some("2 of 2 subjects sent, 2 of them failed"))
    );
    let lines = host.host.store.job_history(CO, job.id).await.unwrap();
    let mut failed: Vec<String> = lines.into_iter().filter_map(|line| Some(line.subject?.id)).collect();
    failed.sort();
    assert_eq!(failed, ["anna", "bela"]);
    // The record that anna was given before, and by the same settings, but her last delivery failed.
    host.misbehaving_target("t", json!([])).await;
    host.put(person_key("anna"), person("anna")).await;
    host.misbehaving_target("t", fails).await;
    assert!(matches!(
        host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap().outcome,
        Some(InvocationOutcome::Failed { .. })
    ));
    host.misbehaving_target("t", json!([])).await;
    assert_eq!(sent(&re_evaluated(&host).await.1), [("anna", AGAIN), ("bela", AGAIN)]);
    assert!(re_evaluated(&host).await.1.is_empty());
    host.assert_healthy().await;
}

#[tokio::test]
async fn who_failed_and_belongs_there_no_more_fails_no_more() {
    let host = TestHost::start().await;
    host.misbehaving_filter("f", json!({"do": "fail", "message": "why"})).await;
    host.misbehaving_target_with("t", json!([]), json!({"filters": ["f"]})).await;
    host.put(person_key("anna"), person("anna")).await;
    host.put(group_key("staff"), group("staff")).await;
    host.misbehaving_target_with("t", json!([]), json!({"provisioning_group": "staff"})).await;
    let (_, done) = re_evaluated(&host).await;
    assert_eq!(sent(&done), [("anna", None), ("staff", AGAIN)]);
    assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::NotEligible);
    assert!(re_evaluated(&host).await.1.is_empty());
    host.assert_healthy().await;
}

#[tokio::test]
async fn who_is_found_there_as_is_to_be_is_stale_no_more() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([])).await;
    host.put(group_key("staff"), group("staff")).await;
    host.put(person_key("anna"), person("anna")).await;
    let (registry, quiet) = (&host.host.registry, WriteOptions { provision: false, ..by_test() });
    registry.put_membership(CO, membership("staff", "anna"), &quiet).await.unwrap();
    registry.delete_membership(CO, "staff", "anna", &quiet).await.unwrap();
    let state = async || {
        let services = host.host.pipeline.services(CO, &person_key("anna")).await.unwrap();
        serde_json::to_value(services.unwrap().remove(0).status).unwrap()
    };
    assert_eq!(state().await, "stale");
    assert!(re_evaluated(&host).await.1.is_empty());
    assert_eq!(state().await, "provisioned");
    host.assert_healthy().await;
}

#[tokio::test]
async fn one_job_for_all_at_a_time_which_can_be_canceled_and_goes_on_after_a_restart() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    let settings = json!({"concurrency": 1, "slots": {"web": "web"}});
    host.misbehaving_target_with("t", steps, settings).await;
    for id in ["anna", "bela"] {
        host.put(person_key(id), person(id)).await;
    }
    quiet_people(&host, 50).await;
    receiver.hold();
    let begun = begin(&host, "t").await;
    assert_eq!((begun.status, begun.total, begun.done), (JobStatus::InProgress, 52, 0));
    receiver.wait_for(3).await;
    let now = host.host.clock().now();
    let refused = jobs::reprovision_all(&host.host.store, CO, "t", "eve", now).await.unwrap_err();
    assert!(matches!(refused, jobs::BulkError::UnderWay(id) if id == begun.id), "{refused}");
    jobs::cancel(&host.host.store, CO, begun.id, "eve", now).await.unwrap();
    receiver.release();
    let job = host.ended(begun.id).await;
    assert_eq!((job.status, job.done), (JobStatus::Canceled, 3), "two who are there, and the one that ran");
    assert_eq!(receiver.received().len(), 3);

    let begun = begin(&host, "t").await;
    eventually("some subjects to be done", async || {
        host.host.store.job(CO, begun.id).await.unwrap().filter(|job| job.done > 6)
    })
    .await;
    let host = host.restart().await;
    let job = host.ended(begun.id).await;
    assert_eq!((job.status, job.done, job.total), (JobStatus::Complete, 52, 52));
    assert_eq!(receiver.received().len(), 52, "nobody twice");
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_disabled_target_is_not_re_evaluated() {
    let host = TestHost::start().await;
    host.misbehaving_target_with("t", json!([]), json!({"mode": "disabled"})).await;
    let refused =
        jobs::re_evaluate(&host.host.store, CO, "t", "eve", host.host.clock().now()).await.unwrap_err();
    assert!(matches!(refused, jobs::BulkError::Disabled(_)), "{refused}");
}
