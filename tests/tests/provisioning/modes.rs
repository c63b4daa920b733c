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

/// What a trigger does at a target.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    /// The target is not called.
    Nothing,
    /// It is called before the answer, and that is all.
    Now,
    /// It is called before the answer, and by a job when that failed.
    NowAndAgain,
    /// It is called by a job, and by another one when that failed.
    Job,
    /// It is called by a job for all subjects, once.
    All,
    Refused,
}
use Cell::{All, Job as ByJob, Nothing, Now, NowAndAgain, Refused};

const MODES: [&str; 6] = ["automatic", "queue", "queue_on_error", "enrollment", "manual", "disabled"];

const MATRIX: [(&str, [Cell; 6]); 5] = [
    ("change", [Now, ByJob, NowAndAgain, Nothing, Nothing, Nothing]),
    ("enrollment finalized", [Now, ByJob, NowAndAgain, Now, Nothing, Nothing]),
    ("request", [Now, Now, Now, Now, Now, Refused]),
    ("reprovision all", [All, All, All, All, All, Refused]),
    ("re-evaluate", [All, All, All, All, All, Refused]),
];

/// Pulls a trigger for a person whom no target knows; tells which targets refuse.
async fn pull(host: &TestHost, trigger: &str, anna: &SubjectKey) -> Vec<&'static str> {
    let (registry, store, now) = (&host.host.registry, &host.host.store, host.host.clock().now());
    let quiet = WriteOptions { provision: false, ..by_test() };
    registry.put(CO, anna.clone(), person(&anna.id), &quiet).await.unwrap();
    let mut refused = Vec::new();
    match trigger {
        "change" => drop(host.put(anna.clone(), named(&anna.id, "Another")).await),
        "enrollment finalized" => {
            let written = registry.finalize_enrollment(CO, &anna.id, &by_test()).await.unwrap();
            let ids: Vec<_> = written.planned.iter().map(|planned| planned.id).collect();
            host.host.pipeline.submit(CO, &written.planned);
            host.host.pipeline.outcomes(CO, &ids).await.unwrap();
        }
        _ => {
            for mode in MODES {
                let is_refused = match trigger {
                    "request" => host.host.pipeline.provision(CO, mode, anna).await.is_err(),
                    "reprovision all" => {
                        begun(host, provender::jobs::reprovision_all(store, CO, mode, "eve", now).await).await
                    }
                    _ => begun(host, provender::jobs::re_evaluate(store, CO, mode, "eve", now).await).await,
                };
                refused.extend(is_refused.then_some(mode));
            }
        }
    }
    refused
}

/// Waits for the end of a job for all; tells whether it was refused.
async fn begun(host: &TestHost, job: Result<Job, provender::jobs::BulkError>) -> bool {
    match job {
        Ok(job) => {
            host.ended(job.id).await;
            false
        }
        Err(provender::jobs::BulkError::Disabled(_)) => true,
        Err(error) => panic!("{error}"),
    }
}

/// The jobs of a person at a target, once none is left to run now; and whether each run was of a job.
async fn followed(host: &TestHost, target: &str, anna: &SubjectKey) -> (Vec<Job>, Vec<bool>) {
    let jobs = jobs_done(host, target).await;
    let jobs = jobs.into_iter().filter(|job| job.subject.as_ref() == Some(anna)).collect();
    let runs = host.invocations(target).await;
    let runs = runs.into_iter().filter(|run| run.subject == *anna);
    let runs = runs.map(|run| {
        assert!(run.outcome.is_some(), "{run:?}");
        run.job.is_some()
    });
    (jobs, runs.collect())
}

async fn whole_matrix(fails: bool) {
    let host = TestHost::start().await;
    let steps = match fails {
        true => json!([{"do": "fail", "failure": "transient", "message": "later"}]),
        false => json!([]),
    };
    for mode in MODES {
        host.misbehaving_target_with(mode, steps.clone(), json!({"mode": mode})).await;
    }
    for (number, (trigger, cells)) in MATRIX.into_iter().enumerate() {
        let anna = person_key(&format!("anna{number}"));
        let refused = pull(&host, trigger, &anna).await;
        for (mode, cell) in MODES.into_iter().zip(cells) {
            let case = format!("{trigger} at a target of mode {mode}, fails: {fails}");
            assert_eq!(refused.contains(&mode), cell == Refused, "{case}");
            let (jobs, runs) = followed(&host, mode, &anna).await;
            let (by_job, again) = match cell {
                Nothing | Refused => (vec![], false),
                Now => (vec![false], false),
                NowAndAgain => (vec![false], fails),
                ByJob => (vec![true], fails),
                All => (vec![true], false),
            };
            assert_eq!(runs, by_job, "{case}: whether each run was of a job");
            let ran = jobs.iter().filter(|job| job.ended.is_some()).count();
            assert_eq!(ran, usize::from(cell == ByJob), "{case}: {jobs:?}");
            let retries: Vec<_> =
                jobs.iter().filter(|job| job.ended.is_none()).map(|job| (job.status, job.retries)).collect();
            assert_eq!(retries, vec![(JobStatus::Queued, 1); usize::from(again)], "{case}");
            let stands = host.service(mode, &anna).await.map(|service| service.status);
            let after = if fails { ServiceStatus::Failed } else { ServiceStatus::Provisioned };
            assert_eq!(stands, (!runs.is_empty()).then_some(after), "{case}");
        }
    }
    host.assert_healthy().await;
}

#[tokio::test]
async fn each_trigger_reaches_a_target_of_each_mode_as_the_matrix_says() {
    whole_matrix(false).await;
}

#[tokio::test]
async fn each_trigger_is_followed_by_what_the_matrix_says_where_the_target_fails() {
    whole_matrix(true).await;
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
