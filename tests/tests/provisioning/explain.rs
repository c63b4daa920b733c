//! Why a subject is at a target or not.

use provender::pipeline::{Question, Would};

use super::*;

/// What is asked, whether the way goes on, and what is said.
async fn explained(
    host: &TestHost,
    target: &str,
    subject: &SubjectKey,
) -> (Would, Vec<(Question, bool, String)>) {
    let explanation = host.host.pipeline.explain(CO, target, subject).await.unwrap();
    let steps = explanation.steps.into_iter().map(|step| (step.question, step.passed, step.text));
    (explanation.would, steps.collect())
}

fn step(steps: &[(Question, bool, String)], question: Question) -> (bool, &str) {
    let found = steps.iter().find(|(asked, ..)| *asked == question);
    let (_, passed, text) = found.unwrap_or_else(|| panic!("no {question:?}: {steps:?}"));
    (*passed, text)
}

#[tokio::test]
async fn the_way_of_a_record_is_told_step_by_step() {
    let host = TestHost::start().await;
    host.put(group_key("staff"), group("staff")).await;
    host.misbehaving_filter("mark", json!({"do": "mark", "name": "m"})).await;
    let settings = json!({"provisioning_group": "staff", "filters": ["mark"], "mode": "manual"});
    host.misbehaving_target_with("t", json!([]), settings).await;
    let anna = person_key("anna");
    host.put(anna.clone(), person("anna")).await;

    let (would, steps) = explained(&host, "t", &anna).await;
    assert_eq!(would, Would::LeaveOut);
    assert_eq!(step(&steps, Question::Mode), (false, "mode manual: called on request only"));
    assert_eq!(step(&steps, Question::Eligibility), (false, "not in provisioning group `staff`"));
    assert!(!steps.iter().any(|(question, ..)| *question == Question::Filter), "{steps:?}");

    host.put_membership(membership("staff", "anna")).await;
    let (would, steps) = explained(&host, "t", &anna).await;
    assert_eq!(would, Would::Send);
    let (passed, text) = step(&steps, Question::Change);
    assert!(passed && text.contains("by test, updated: memberships"), "{text}");
    let (passed, text) = step(&steps, Question::Filter);
    assert!(passed && text.contains("filter `mark`") && text.contains("changes it in 1 places"), "{text}");
    assert!(step(&steps, Question::Plugin).1.contains("gets a record of"));
    assert_eq!(host.invocations("t").await, [], "nothing was run");

    host.host.pipeline.provision(CO, "t", &anna).await.unwrap();
    host.misbehaving_filter("mark", json!({"do": "drop", "reason": "no consent"})).await;
    let (would, steps) = explained(&host, "t", &anna).await;
    assert_eq!(would, Would::Remove);
    assert!(step(&steps, Question::Filter).1.ends_with("drops it: no consent"));
}

#[tokio::test]
async fn what_nobody_knows_is_not_explained() {
    let host = TestHost::start().await;
    host.misbehaving_target("t", json!([])).await;
    let error = host.host.pipeline.explain(CO, "t", &person_key("nobody")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no person `nobody` and never was");
    host.put(person_key("anna"), person("anna")).await;
    let error = host.host.pipeline.explain(CO, "u", &person_key("anna")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no target `u`");
}
