//! Which change reaches a target of which mode, and when: the whole matrix.

use super::*;
use provender::provisioning::{Job, JobStatus};
use provender::store::JobFilter;
use provender_tests::waiting::eventually;

async fn jobs(host: &TestHost, target: &str) -> Vec<Job> {
    let filter = JobFilter { target: Some(target.to_owned()), ..JobFilter::default() };
    let mut jobs = host.host.store.jobs(CO, &filter, None, 1_000).await.unwrap();
    jobs.reverse();
    jobs
}

/// Waits until no job of a target is queued for now or runs, and gives all of them.
async fn jobs_done(host: &TestHost, target: &str) -> Vec<Job> {
    eventually("jobs to end", async || {
        let jobs = jobs(host, target).await;
        let now = host.host.clock().now();
        let open = jobs.iter().any(|job| match job.status {
            JobStatus::Queued => job.start_after <= now,
            JobStatus::InProgress => true,
            _ => false,
        });
        (!open).then_some(jobs)
    })
    .await
}

#[tokio::test]
async fn a_change_and_a_request_reach_each_mode_as_the_matrix_says() {
    // (mode, whether the target fails, runs right after a change, jobs that follow, whether a request is refused)
    for (mode, fails, at_once, queued, refused) in [
        ("automatic", false, 1, 0, false),
        ("automatic", true, 1, 0, false),
        ("queue", false, 0, 1, false),
        ("queue", true, 0, 2, false),
        ("queue_on_error", false, 1, 0, false),
        ("queue_on_error", true, 1, 1, false),
        ("enrollment", false, 0, 0, false),
        ("manual", false, 0, 0, false),
        ("disabled", false, 0, 0, true),
    ] {
        let case = format!("{mode}, fails: {fails}");
        let host = TestHost::start().await;
        let steps = match fails {
            true => json!([{"do": "fail", "failure": "transient", "message": "later"}]),
            false => json!([]),
        };
        host.misbehaving_target_with("t", steps, json!({"mode": mode})).await;
        let done = host.put(person_key("anna"), person("anna")).await;
        assert_eq!(done.len(), at_once, "{case}");
        let jobs = jobs_done(&host, "t").await;
        assert_eq!(jobs.len(), queued, "{case}: {jobs:?}");
        if let Some(retry) = jobs.last().filter(|_| fails) {
            assert_eq!((retry.status, retry.retries), (JobStatus::Queued, 1), "{case}");
        }
        let request = host.host.pipeline.provision(CO, "t", &person_key("anna")).await;
        assert_eq!(request.is_err(), refused, "{case}");
        assert_eq!(jobs_done(&host, "t").await.len(), queued, "{case}: a request is never queued");
        host.assert_healthy().await;
    }
}

#[tokio::test]
async fn queueing_harms_no_other_target_of_the_same_change() {
    let host = TestHost::start().await;
    host.misbehaving_target_with("first", json!([]), json!({"order": 1, "mode": "queue"})).await;
    host.misbehaving_target_with("second", json!([]), json!({"order": 2})).await;
    for given in ["one", "two", "three"] {
        let done = host.put(person_key("anna"), named("anna", given)).await;
        assert_eq!(done.len(), 1, "the automatic target is called every time");
    }
    jobs_done(&host, "first").await;
    assert_eq!(host.service("first", &person_key("anna")).await.unwrap().status, ServiceStatus::Provisioned);
}

#[tokio::test]
async fn what_is_deleted_goes_from_the_targets_in_descending_order() {
    let host = TestHost::start().await;
    for (id, order) in [("b", 2), ("a", 1), ("c", 3)] {
        host.misbehaving_target_with(id, json!([]), json!({"order": order})).await;
    }
    let targets = |done: &[provender::provisioning::Invocation]| -> Vec<String> {
        done.iter().map(|done| done.target.clone()).collect()
    };
    let added = host.put(person_key("anna"), person("anna")).await;
    assert_eq!(targets(&added), ["a", "b", "c"]);
    let suspended = host.put(person_key("anna"), of_status("anna", Status::Pending)).await;
    assert_eq!(targets(&suspended), ["c", "b", "a"]);
    for pair in suspended.windows(2) {
        assert!(pair[0].finished <= pair[1].finished, "one after the other");
    }
}

#[tokio::test]
async fn a_target_that_hangs_keeps_no_other_target_and_no_other_subject_waiting() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let hanging = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    host.misbehaving_target_with("hangs", hanging, json!({"order": 1, "slots": {"web": "web"}})).await;
    host.misbehaving_target_with("works", json!([]), json!({"order": 2})).await;
    receiver.hold();
    for number in 0..40 {
        let id = format!("p{number}");
        let written = host.host.registry.put(CO, person_key(&id), person(&id), &by_test()).await.unwrap();
        host.host.pipeline.submit(CO, &written.planned);
    }
    eventually("everybody at the other target", async || {
        let done = host.invocations("works").await;
        (done.len() == 40 && done.iter().all(|done| done.finished.is_some())).then_some(())
    })
    .await;
    assert_eq!(receiver.received().len(), 4, "as many calls at once as the target allows");
    receiver.release();
    host.host.pipeline.idle().await;
    assert_eq!(receiver.received().len(), 40);
}
