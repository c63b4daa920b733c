//! Jobs: one waits for the same, failures are tried again, and people have the last word.

use super::*;
use std::time::Duration;

use provender::jobs;
use provender::provisioning::{Job, JobStatus};
use provender::store::JobFilter;
use provender_tests::waiting::eventually;

const FAILS: &str = "transient";

fn fails(failure: &str) -> Value {
    json!([{"do": "fail", "failure": failure, "message": "not now"}])
}

async fn jobs(host: &TestHost) -> Vec<Job> {
    let mut jobs = host.host.store.jobs(CO, &JobFilter::default(), None, 1_000).await.unwrap();
    jobs.reverse();
    jobs
}

/// A host that runs jobs only when it is asked to.
async fn host() -> TestHost {
    TestHost::start_with(|configuration| configuration.workers.jobs = 0).await
}

async fn run(host: &TestHost) -> u64 {
    host.host.jobs.run_due(None, None).await.unwrap()
}

fn statuses(jobs: &[Job]) -> Vec<JobStatus> {
    jobs.iter().map(|job| job.status).collect()
}

#[tokio::test]
async fn one_job_waits_for_the_same_and_delivers_the_state_of_the_moment() {
    let host = host().await;
    let log = host.changelog("t", json!({"mode": "queue"})).await;
    for given in ["one", "two", "three"] {
        host.put(person_key("anna"), named("anna", given)).await;
    }
    let waiting = jobs(&host).await;
    assert_eq!(
        statuses(&waiting),
        [JobStatus::Queued, JobStatus::Queued, JobStatus::Failed],
        "added, updated"
    );
    assert_eq!((waiting[2].superseded_by, waiting[2].gave_up), (Some(2), false));
    assert_eq!(waiting[1].change, Some(3), "it does what the superseded one was to do");
    assert_eq!(run(&host).await, 2);
    assert_eq!(statuses(&jobs(&host).await)[..2], [JobStatus::Complete; 2]);
    let written = lines(&log);
    assert!(written.iter().all(|line| line.to_string().contains("three")), "{written:?}");
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_change_that_comes_while_a_job_runs_gets_a_job_of_its_own() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let steps = json!([{"do": "request", "slot": "web", "url": "/x"}]);
    host.misbehaving_target_with("t", steps, json!({"mode": "queue", "slots": {"web": "web"}})).await;
    host.put(person_key("anna"), named("anna", "one")).await;
    receiver.wait_for(1).await;
    host.host.pipeline.idle().await;
    receiver.hold();
    host.put(person_key("anna"), named("anna", "two")).await;
    receiver.wait_for(2).await;
    host.put(person_key("anna"), named("anna", "three")).await;
    let waiting = jobs(&host).await;
    assert_eq!(statuses(&waiting)[1..], [JobStatus::InProgress, JobStatus::Queued]);
    receiver.release();
    receiver.wait_for(3).await;
}

#[tokio::test]
async fn update_delete_update_ends_with_the_subject_present_and_delete_with_it_gone() {
    let host = host().await;
    let log = host.changelog("t", json!({"mode": "queue"})).await;
    host.put(person_key("anna"), named("anna", "one")).await;
    run(&host).await;
    host.put(person_key("anna"), named("anna", "two")).await;
    host.put(person_key("anna"), of_status("anna", Status::Pending)).await;
    host.put(person_key("anna"), named("anna", "three")).await;
    run(&host).await;
    assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::Provisioned);
    assert_ne!(lines(&log).last().unwrap()["action"], "deleted");
    host.put(person_key("anna"), named("anna", "four")).await;
    host.delete(&person_key("anna")).await;
    run(&host).await;
    assert_eq!(host.service("t", &person_key("anna")).await.unwrap().status, ServiceStatus::Removed);
    assert_eq!(lines(&log).last().unwrap()["action"], "deleted");
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_failed_job_is_tried_again_as_often_as_the_target_says_and_then_gives_up() {
    // (mode, interval, maximum, executions in all)
    for (mode, interval, maximum, executions) in [
        ("queue", 900, 3, 4),
        ("queue", 900, 1, 2),
        ("queue", 0, 3, 1),
        ("queue_on_error", 900, 3, 4),
        ("queue_on_error", 0, 3, 1),
        ("automatic", 900, 3, 1),
    ] {
        let case = format!("{mode} {interval} {maximum}");
        let host = host().await;
        let settings = json!({"mode": mode, "retry_interval_s": interval, "max_retry": maximum});
        host.misbehaving_target_with("t", fails(FAILS), settings).await;
        host.put(person_key("anna"), person("anna")).await;
        for _ in 0..8 {
            run(&host).await;
            host.host.clock().advance(Duration::from_secs(900));
        }
        assert_eq!(host.invocations("t").await.len(), executions, "{case}");
        let jobs = jobs(&host).await;
        assert!(jobs.iter().all(|job| job.status == JobStatus::Failed), "{case}: {jobs:?}");
        let given_up: Vec<i64> = jobs.iter().filter(|job| job.gave_up).map(|job| job.id).collect();
        let last: Vec<i64> = jobs.iter().map(|job| job.id).max().into_iter().collect();
        assert_eq!(given_up, last, "{case}: the last one says so");
        for pair in jobs.windows(2) {
            assert_eq!(pair[1].retry_of, Some(pair[0].id), "{case}");
        }
        host.assert_healthy().await;
    }
}

#[tokio::test]
async fn without_a_maximum_there_is_no_end() {
    let host = host().await;
    let settings = json!({"mode": "queue", "max_retry": 0});
    host.misbehaving_target_with("t", fails(FAILS), settings).await;
    host.put(person_key("anna"), person("anna")).await;
    for _ in 0..20 {
        assert_eq!(run(&host).await, 1);
        assert_eq!(run(&host).await, 0, "not before its time");
        host.host.clock().advance(Duration::from_secs(900));
    }
}

#[tokio::test]
async fn failures_that_another_attempt_would_not_help_are_not_tried_again_and_say_so() {
    for (failure, says) in
        [("permanent", "permanent"), ("invalid-data", "as it is"), ("configuration", "cannot work")]
    {
        let host = host().await;
        host.misbehaving_target_with("t", fails(failure), json!({"mode": "queue"})).await;
        host.put(person_key("anna"), person("anna")).await;
        assert_eq!(run(&host).await, 1);
        let [job] = &jobs(&host).await[..] else { panic!("{failure}: one job") };
        assert!(job.gave_up && job.message.as_ref().unwrap().contains(says), "{failure}: {job:?}");
        let history = jobs::history(&host.host.store, CO, job).await.unwrap();
        assert!(history.iter().any(|line| line.text.contains(says)), "{history:?}");
    }
}

#[tokio::test]
async fn what_a_rate_limited_counterpart_asks_for_is_honoured_when_it_is_longer() {
    let host = host().await;
    let steps = json!([{"do": "fail", "failure": "rate-limited", "message": "slow", "retry-after": 5_000}]);
    host.misbehaving_target_with("t", steps, json!({"mode": "queue"})).await;
    host.put(person_key("anna"), person("anna")).await;
    run(&host).await;
    host.host.clock().advance(Duration::from_secs(4_900));
    assert_eq!(run(&host).await, 0);
    host.host.clock().advance(Duration::from_secs(200));
    assert_eq!(run(&host).await, 1);
}

#[tokio::test]
async fn a_later_success_drops_waiting_retries_and_forgets_what_gave_up() {
    let host = host().await;
    let settings = json!({"mode": "queue", "max_retry": 1});
    host.misbehaving_target_with("t", fails("permanent"), settings.clone()).await;
    host.put(person_key("anna"), person("anna")).await;
    run(&host).await;
    host.misbehaving_target_with("t", fails(FAILS), settings.clone()).await;
    host.put(person_key("anna"), named("anna", "two")).await;
    run(&host).await;
    assert_eq!(jobs(&host).await.last().unwrap().status, JobStatus::Queued, "a retry waits");
    host.misbehaving_target_with("t", json!([]), settings).await;
    host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    let after = jobs(&host).await;
    assert_eq!(after.last().unwrap().status, JobStatus::Canceled);
    assert!(after.iter().all(|job| !job.gave_up), "{after:?}");
    host.host.clock().advance(Duration::from_secs(900));
    assert_eq!(run(&host).await, 0);
}

#[tokio::test]
async fn a_new_change_pulls_a_waiting_retry_forward_and_starts_its_count_anew() {
    let host = host().await;
    host.misbehaving_target_with("t", fails(FAILS), json!({"mode": "queue", "max_retry": 1})).await;
    host.put(person_key("anna"), person("anna")).await;
    run(&host).await;
    host.put(person_key("anna"), named("anna", "two")).await;
    run(&host).await;
    host.put(person_key("anna"), named("anna", "three")).await;
    let last = jobs(&host).await;
    let waiting: Vec<&Job> = last.iter().filter(|job| job.status == JobStatus::Queued).collect();
    let updated = waiting.iter().find(|job| job.change == Some(3)).unwrap();
    assert_eq!(updated.retries, 0);
    assert_eq!(run(&host).await, 1, "at once");
}

#[tokio::test]
async fn people_cancel_jobs_and_queue_those_anew_that_gave_up() {
    let host = host().await;
    let store = &host.host.store;
    let now = || host.host.clock().now();
    host.misbehaving_target_with("t", fails(FAILS), json!({"mode": "queue", "max_retry": 1})).await;
    host.put(person_key("anna"), person("anna")).await;
    let canceled = jobs::cancel(store, CO, 1, "eve", now()).await.unwrap();
    assert_eq!((canceled.status, canceled.canceled_by.as_deref()), (JobStatus::Canceled, Some("eve")));
    assert_eq!(run(&host).await, 0);
    let error = jobs::cancel(store, CO, 1, "eve", now()).await.unwrap_err();
    assert_eq!(error.to_string(), "job 1 is canceled; only one that waits or runs can be canceled");
    let anew = jobs::requeue(store, CO, 1, "eve", now()).await.unwrap();
    assert_eq!((anew.id, anew.superseded_by), (2, None));
    for _ in 0..3 {
        run(&host).await;
        host.host.clock().advance(Duration::from_secs(900));
    }
    host.put(person_key("bela"), named("bela", "b")).await;
    for _ in 0..3 {
        run(&host).await;
        host.host.clock().advance(Duration::from_secs(900));
    }
    host.misbehaving_target_with("t", json!([]), json!({"mode": "queue"})).await;
    let requeued = jobs::requeue_all(store, CO, Some("t"), "eve", now()).await.unwrap().jobs;
    assert_eq!(requeued.len(), 2, "{requeued:?}");
    assert_eq!(run(&host).await, 2);
    assert!(jobs::requeue_all(store, CO, None, "eve", now()).await.unwrap().jobs.is_empty());
    for id in ["anna", "bela"] {
        assert_eq!(host.service("t", &person_key(id)).await.unwrap().status, ServiceStatus::Provisioned);
    }
    host.assert_healthy().await;
}

#[tokio::test]
async fn a_run_of_so_many_jobs_leaves_the_rest() {
    let host = host().await;
    host.misbehaving_target_with("t", json!([]), json!({"mode": "queue"})).await;
    for number in 0..12 {
        let id = format!("p{number}");
        host.put(person_key(&id), person(&id)).await;
    }
    assert_eq!(host.host.jobs.run_due(Some("other"), None).await.unwrap(), 0);
    assert_eq!(host.host.jobs.run_due(Some(CO), Some(5)).await.unwrap(), 5);
    assert_eq!(run(&host).await, 7);
}

#[tokio::test]
async fn jobs_of_a_disabled_target_wait_and_those_of_a_removed_one_are_canceled() {
    let host = host().await;
    host.misbehaving_target_with("t", json!([]), json!({"mode": "queue"})).await;
    host.put(person_key("anna"), person("anna")).await;
    host.misbehaving_target_with("t", json!([]), json!({"mode": "disabled"})).await;
    assert_eq!(run(&host).await, 0);
    host.misbehaving_target_with("t", json!([]), json!({"mode": "manual"})).await;
    assert_eq!(run(&host).await, 1);
    host.misbehaving_target_with("t", json!([]), json!({"mode": "queue"})).await;
    host.put(person_key("anna"), named("anna", "two")).await;
    host.host.administration.delete_target(CO, "t").await.unwrap();
    assert_eq!(jobs(&host).await.last().unwrap().status, JobStatus::Canceled);
    host.assert_healthy().await;
}

#[tokio::test]
async fn two_hosts_share_the_jobs_of_one_database() {
    let host = host().await;
    let log = host.changelog("t", json!({"mode": "queue"})).await;
    let second = provender::host::Host::start(host.host.configuration.clone()).await.unwrap();
    for number in 0..60 {
        let id = format!("p{number}");
        host.put(person_key(&id), person(&id)).await;
    }
    let (one, two) = tokio::join!(host.host.jobs.run_due(None, None), second.jobs.run_due(None, None));
    eventually("all jobs to end", async || {
        jobs(&host).await.iter().all(|job| job.status == JobStatus::Complete).then_some(())
    })
    .await;
    assert_eq!(one.unwrap() + two.unwrap(), 60, "each by one of them");
    assert_eq!(lines(&log).len(), 60);
    second.stop().await;
    host.assert_healthy().await;
}
