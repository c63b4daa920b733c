//! Planned work, its outcomes, and what subjects and plugins keep of it.

use provender::provisioning::{
    Action, Delivery, FailureClass, Invocation, InvocationOutcome, InvocationState, NotEligible,
    PlannedInvocation, ProvisionedService, Usage,
};
use provender::registry::record::SubjectKey;
use provender::store::{
    FinishedInvocation, InvocationFilter, PendingInvocation, RecordChange, StateChange, Store, StoreError,
};
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, create_collaboration};
use crate::samples::{at, group_key, person_key, plan, planned, plugin, target};

on_both_databases!(
    a_planned_invocation_is_read_as_it_was_written,
    unfinished_invocations_come_in_pages_over_all_collaborations,
    a_finished_invocation_has_outcome_usage_and_transcript,
    an_invocation_is_finished_once,
    hundreds_of_invocations_are_finished_together,
    invocations_are_listed_by_target_subject_and_failure,
    pruning_removes_what_ended_before_and_its_transcript,
    deleting_a_target_removes_its_state_services_and_unfinished_work,
    a_provisioned_service_is_read_as_it_was_written,
    the_last_provisioned_record_is_replaced_and_removed,
    plugin_state_is_kept_per_target_and_subject,
    keys_of_plugin_state_come_in_pages_by_prefix,
);

pub(crate) fn applied() -> InvocationOutcome {
    InvocationOutcome::Applied { history: vec!["added cn=Ζωή".to_owned()] }
}

fn failed() -> InvocationOutcome {
    InvocationOutcome::Failed {
        class: FailureClass::Conflict,
        message: "the name is taken".to_owned(),
        location: Some("/base".to_owned()),
        retry_after_seconds: Some(60),
        filter: None,
    }
}

fn sent(action: Action) -> Delivery {
    let why = NotEligible::Filter { filter: "f".to_owned(), message: "no consent".to_owned() };
    Delivery { sent: Some(action), not_eligible: Some(why), as_of: Some(7), settings: None }
}

pub(crate) fn ended(co: &str, id: Uuid, second: i64, outcome: InvocationOutcome) -> FinishedInvocation {
    FinishedInvocation {
        co: co.to_owned(),
        id,
        worker: Uuid::nil(),
        outcome,
        delivery: sent(Action::Deleted),
        usage: Usage { fuel: u64::MAX, memory_bytes: 1 << 20, effects: 3, duration_us: 1234 },
        finished: at(second),
        transcript: json!({"effects": [1, 2, 3]}).to_string(),
    }
}

pub(crate) async fn finish(store: &Store, finished: Vec<FinishedInvocation>) -> Vec<Uuid> {
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.finish_invocations(&finished).await })
        })
        .await
        .unwrap()
}

async fn ids(store: &Store, filter: InvocationFilter) -> Vec<Uuid> {
    store.invocations("co", &filter, None, 100).await.unwrap().into_iter().map(|listed| listed.id).collect()
}

async fn a_planned_invocation_is_read_as_it_was_written(database: Database) {
    let store = database.open_with_collaboration().await;
    let work = PlannedInvocation {
        action: Action::EnteredGracePeriod,
        change: Some(42),
        cause: Some("ç".to_owned()),
        job: Some(7),
        bulk: true,
        ..planned("ldap", group_key("g"))
    };
    plan(&store, "co", vec![work.clone()]).await;
    let expected = Invocation {
        id: work.id,
        target: "ldap".to_owned(),
        subject: group_key("g"),
        action: Action::EnteredGracePeriod,
        change: Some(42),
        cause: Some("ç".to_owned()),
        state: InvocationState::Planned,
        attempt: 0,
        planned: at(0),
        finished: None,
        outcome: None,
        delivery: Delivery::default(),
        usage: Usage::default(),
        job: Some(7),
        bulk: true,
    };
    assert_eq!(store.invocation("co", work.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.invocation("oc", work.id).await.unwrap(), None);
    assert_eq!(store.transcript("co", work.id).await.unwrap(), None);
    let pending = PendingInvocation { co: "co".to_owned(), invocation: expected.clone() };
    assert_eq!(store.unfinished_invocations(9, None).await.unwrap(), [pending]);
    let inside = store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move { transaction.invocation("co", work.id).await })
        })
        .await;
    assert_eq!(inside.unwrap(), Some(expected));
}

async fn unfinished_invocations_come_in_pages_over_all_collaborations(database: Database) {
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    let mut expected = Vec::new();
    for number in 0..150 {
        let co = if number % 3 == 0 { "oc" } else { "co" };
        let work = planned("t", person_key("p"));
        expected.push((co.to_owned(), work.id));
        plan(&store, co, vec![work]).await;
    }
    let (co, gone) = expected.remove(75);
    finish(&store, vec![ended(&co, gone, 1, InvocationOutcome::Unchanged)]).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.unfinished_invocations(40, after).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.invocation.id);
        seen.extend(page.into_iter().map(|pending| (pending.co, pending.invocation.id)));
    }
    assert_eq!(seen, expected);
}

async fn a_finished_invocation_has_outcome_usage_and_transcript(database: Database) {
    let store = database.open_with_collaboration().await;
    let outcomes = [
        applied(),
        InvocationOutcome::Unchanged,
        InvocationOutcome::Skipped { reason: "no uid".into() },
        failed(),
    ];
    for outcome in outcomes {
        let work = planned("t", person_key("p"));
        plan(&store, "co", vec![work.clone()]).await;
        assert_eq!(finish(&store, vec![ended("co", work.id, 5, outcome.clone())]).await, [work.id]);
        let invocation = store.invocation("co", work.id).await.unwrap().unwrap();
        assert_eq!(invocation.state, InvocationState::Finished);
        assert_eq!(invocation.finished, Some(at(5)));
        assert_eq!(invocation.outcome, Some(outcome));
        // Units of fuel beyond what a column holds are all the same.
        let usage = Usage { fuel: i64::MAX as u64, memory_bytes: 1 << 20, effects: 3, duration_us: 1234 };
        assert_eq!(invocation.usage, usage);
        assert_eq!(
            store.transcript("co", work.id).await.unwrap(),
            Some(json!({"effects": [1, 2, 3]}).to_string())
        );
        assert_eq!(store.transcript("oc", work.id).await.unwrap(), None);
    }
    assert_eq!(store.unfinished_invocations(9, None).await.unwrap(), []);
}

async fn an_invocation_is_finished_once(database: Database) {
    let store = database.open_with_collaboration().await;
    let work = planned("t", person_key("p"));
    plan(&store, "co", vec![work.clone()]).await;
    let twice = vec![ended("co", work.id, 1, applied()), ended("co", work.id, 2, failed())];
    assert_eq!(finish(&store, twice).await, [work.id]);
    let first = store.invocation("co", work.id).await.unwrap();
    let again = vec![ended("co", work.id, 3, applied()), ended("co", Uuid::now_v7(), 3, applied())];
    assert_eq!(finish(&store, again).await, Vec::<Uuid>::new());
    assert_eq!(store.invocation("co", work.id).await.unwrap(), first);
}

async fn hundreds_of_invocations_are_finished_together(database: Database) {
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    let ours: Vec<_> = (0..150).map(|_| planned("t", person_key("p"))).collect();
    let theirs: Vec<_> = (0..151).map(|_| planned("t", person_key("p"))).collect();
    plan(&store, "co", ours.clone()).await;
    plan(&store, "oc", theirs.clone()).await;
    let all = ours.iter().map(|work| ("co", work.id)).chain(theirs.iter().map(|work| ("oc", work.id)));
    let finished = finish(&store, all.map(|(co, id)| ended(co, id, 1, applied())).collect()).await;
    assert_eq!(finished.len(), 301);
    assert_eq!(store.unfinished_invocations(9, None).await.unwrap(), []);
    for (co, work) in [("co", &ours[149]), ("oc", &theirs[150])] {
        assert!(store.transcript(co, work.id).await.unwrap().is_some());
    }
}

async fn invocations_are_listed_by_target_subject_and_failure(database: Database) {
    let store = database.open_with_collaboration().await;
    let subjects = [person_key("p"), person_key("q"), group_key("p")];
    let mut all = Vec::new();
    for number in 0..24 {
        let target = if number % 2 == 0 { "even" } else { "odd" };
        all.push(planned(target, subjects[number % 3].clone()));
    }
    plan(&store, "co", all.clone()).await;
    let fails = |number: usize| number.is_multiple_of(4);
    let outcomes = all
        .iter()
        .enumerate()
        .map(|(number, work)| ended("co", work.id, 1, if fails(number) { failed() } else { applied() }));
    finish(&store, outcomes.collect()).await;

    let expected = |target: Option<&str>, subject: Option<&SubjectKey>, failed_only: bool| -> Vec<Uuid> {
        let fits = |(number, work): &(usize, &PlannedInvocation)| {
            target.is_none_or(|target| work.target == target)
                && subject.is_none_or(|subject| work.subject == *subject)
                && (!failed_only || fails(*number))
        };
        all.iter().enumerate().filter(fits).map(|(_, work)| work.id).rev().collect()
    };
    for target in [None, Some("even"), Some("none")] {
        for subject in [None, Some(&subjects[0]), Some(&subjects[2])] {
            for failed_only in [false, true] {
                let filter = InvocationFilter {
                    target: target.map(str::to_owned),
                    subject: subject.cloned(),
                    failed_only,
                };
                assert_eq!(
                    ids(&store, filter.clone()).await,
                    expected(target, subject, failed_only),
                    "{filter:?}"
                );
            }
        }
    }
    let filter = InvocationFilter::default();
    let page = store.invocations("co", &filter, Some(all[20].id), 2).await.unwrap();
    assert_eq!(page.iter().map(|listed| listed.id).collect::<Vec<_>>(), [all[19].id, all[18].id]);
}

async fn pruning_removes_what_ended_before_and_its_transcript(database: Database) {
    let store = database.open_with_collaboration().await;
    let all: Vec<_> = (0..6).map(|_| planned("t", person_key("p"))).collect();
    let id = |number: usize| all[number].id;
    plan(&store, "co", all.clone()).await;
    let outcomes = vec![
        ended("co", id(0), 1, applied()),
        ended("co", id(1), 2, failed()),
        ended("co", id(2), 3, applied()),
        ended("co", id(3), 4, failed()),
        ended("co", id(4), 5, applied()),
    ];
    finish(&store, outcomes).await;
    let prune = async |before: i64, keep_failed: bool, limit: u32| {
        store
            .write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move { transaction.prune_invocations(at(before), keep_failed, limit).await })
            })
            .await
            .unwrap()
    };
    assert_eq!(prune(5, true, 1).await, 1);
    assert_eq!(prune(5, true, 100).await, 1);
    assert_eq!(ids(&store, InvocationFilter::default()).await, [id(5), id(4), id(3), id(1)]);
    assert_eq!(store.transcript("co", id(0)).await.unwrap(), None);
    assert!(store.transcript("co", id(1)).await.unwrap().is_some());
    assert_eq!(prune(4, false, 100).await, 1);
    assert_eq!(prune(i64::from(u32::MAX), false, 100).await, 2);
    assert_eq!(ids(&store, InvocationFilter::default()).await, [id(5)], "what is unfinished stays");
}

async fn deleting_a_target_removes_its_state_services_and_unfinished_work(database: Database) {
    let store = database.open_with_collaboration().await;
    let mut work: Vec<_> = ["gone", "gone", "kept"].map(|target| planned(target, person_key("p"))).into();
    let deleted = work.clone();
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_plugin(&plugin("d1", "directory"), b"wasm").await?;
                transaction.plan_invocations("co", &mut work, at(0)).await?;
                for id in ["gone", "kept"] {
                    transaction.put_target("co", &target(id, "d1")).await?;
                    let value = Some(b"v".to_vec());
                    let change =
                        StateChange { target: id.to_owned(), subject: None, key: "k".to_owned(), value };
                    transaction.set_plugin_state("co", &[change]).await?;
                    let service = ProvisionedService::never(id.to_owned(), person_key("p"));
                    transaction.put_provisioned_services("co", &[service]).await?;
                    let record = RecordChange { record: Some("{}".to_owned()), ..record_of("p", id) };
                    transaction.change_provisioned_records("co", &[record]).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    finish(&store, vec![ended("co", deleted[0].id, 1, applied())]).await;
    let delete = async || {
        store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.delete_target("co", "gone").await })
            })
            .await
            .unwrap()
    };
    assert!(delete().await);
    assert!(!delete().await);
    assert_eq!(store.targets("co").await.unwrap(), [target("kept", "d1")]);
    assert_eq!(store.plugin_state("co", "gone", None, "k").await.unwrap(), None);
    assert_eq!(store.plugin_state("co", "kept", None, "k").await.unwrap(), Some(b"v".to_vec()));
    assert_eq!(store.provisioned_record("co", "gone", &person_key("p")).await.unwrap(), None);
    assert!(store.provisioned_record("co", "kept", &person_key("p")).await.unwrap().is_some());
    let services = store.provisioned_services("co", &person_key("p")).await.unwrap();
    assert_eq!(services.into_iter().map(|service| service.target).collect::<Vec<_>>(), ["kept"]);
    assert_eq!(ids(&store, InvocationFilter::default()).await, [deleted[2].id, deleted[0].id]);
    // An outcome that comes too late is left out, and harms no other.
    let late = vec![ended("co", deleted[1].id, 2, applied()), ended("co", deleted[2].id, 2, applied())];
    assert_eq!(finish(&store, late).await, [deleted[2].id]);
    assert_eq!(store.transcript("co", deleted[1].id).await.unwrap(), None);
}

async fn a_provisioned_service_is_read_as_it_was_written(database: Database) {
    let store = database.open_with_collaboration().await;
    let never = |target: &str| ProvisionedService::never(target.to_owned(), person_key("p"));
    let first = never("b").after(Uuid::now_v7(), &sent(Action::Added), &applied(), at(1));
    let second = first.clone().after(Uuid::now_v7(), &sent(Action::Updated), &failed(), at(2));
    let services = vec![first.clone(), never("a"), second.clone()];
    let inside = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_provisioned_services("co", &[first]).await?;
                transaction.put_provisioned_services("co", &services).await?;
                transaction.provisioned_service("co", "b", &person_key("p")).await
            })
        })
        .await;
    assert_eq!(inside.unwrap(), Some(second.clone()));
    assert_eq!(store.provisioned_service("co", "b", &person_key("p")).await.unwrap(), Some(second.clone()));
    assert_eq!(store.provisioned_service("co", "b", &group_key("p")).await.unwrap(), None);
    assert_eq!(store.provisioned_services("co", &person_key("p")).await.unwrap(), [never("a"), second]);
}

fn record_of(person: &str, target: &str) -> RecordChange {
    RecordChange { target: target.to_owned(), subject: person_key(person), record: None }
}

async fn the_last_provisioned_record_is_replaced_and_removed(database: Database) {
    let store = database.open_with_collaboration().await;
    let change = async |changes: Vec<RecordChange>| {
        store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.change_provisioned_records("co", &changes).await })
            })
            .await
            .unwrap();
    };
    let put =
        |person: &str, text: &str| RecordChange { record: Some(text.to_owned()), ..record_of(person, "t") };
    let records = async |people: &[&str]| {
        let places: Vec<_> = people.iter().map(|id| ("t".to_owned(), person_key(id))).collect();
        let mut found = store.provisioned_records_at("co", &places).await.unwrap();
        found.sort();
        found
    };
    change(vec![put("p", "1"), put("q", "2"), put("p", "3")]).await;
    let expected = [(person_key("p"), "3".to_owned()), (person_key("q"), "2".to_owned())];
    assert_eq!(records(&["p", "q", "r"]).await, expected);
    change(vec![put("p", "4"), record_of("p", "t"), put("q", "5"), record_of("r", "t")]).await;
    assert_eq!(store.provisioned_record("co", "t", &person_key("p")).await.unwrap(), None);
    assert_eq!(records(&["p", "q"]).await, [(person_key("q"), "5".to_owned())]);
}

async fn set(store: &Store, target: &str, mut changes: Vec<StateChange>) {
    changes.iter_mut().for_each(|change| target.clone_into(&mut change.target));
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move { transaction.set_plugin_state("co", &changes).await })
        })
        .await
        .unwrap();
}

fn value(subject: Option<SubjectKey>, key: &str, value: Option<&[u8]>) -> StateChange {
    StateChange { target: String::new(), subject, key: key.to_owned(), value: value.map(<[u8]>::to_vec) }
}

async fn plugin_state_is_kept_per_target_and_subject(database: Database) {
    let store = database.open_with_collaboration().await;
    let (person, group) = (person_key("p"), group_key("p"));
    let changes = vec![
        value(None, "k", Some(b"of the target")),
        value(Some(person.clone()), "k", Some(b"first")),
        value(Some(person.clone()), "k", Some(b"of the person")),
        value(Some(person.clone()), "", Some(b"")),
        value(Some(person.clone()), "nul \0 key", Some(&[0, 255, 0])),
    ];
    set(&store, "t", changes).await;
    let state =
        async |subject: Option<&SubjectKey>, key| store.plugin_state("co", "t", subject, key).await.unwrap();
    assert_eq!(state(None, "k").await, Some(b"of the target".to_vec()));
    assert_eq!(state(Some(&person), "k").await, Some(b"of the person".to_vec()));
    assert_eq!(state(Some(&person), "").await, Some(Vec::new()));
    assert_eq!(state(Some(&person), "nul \0 key").await, Some(vec![0, 255, 0]));
    assert_eq!(state(Some(&group), "k").await, None);
    assert_eq!(store.plugin_state("co", "other", None, "k").await.unwrap(), None);

    let removed =
        vec![value(Some(person.clone()), "k", None), value(None, "unknown", None), value(None, "k", None)];
    set(&store, "t", removed).await;
    assert_eq!(state(Some(&person), "k").await, None);
    assert_eq!(state(None, "k").await, None);
    assert_eq!(state(Some(&person), "").await, Some(Vec::new()));
}

async fn keys_of_plugin_state_come_in_pages_by_prefix(database: Database) {
    let store = database.open_with_collaboration().await;
    let keys = ["", "a", "ab", "ab%", "ab_", "abc", "aß", "b", "é"];
    set(&store, "t", keys.iter().map(|key| value(None, key, Some(b"v"))).collect()).await;
    set(&store, "t", vec![value(Some(person_key("p")), "abz", Some(b"v"))]).await;
    let page = async |prefix: &str, after: Option<&str>, limit| {
        store.plugin_state_keys("co", "t", None, prefix, after, limit).await.unwrap()
    };
    assert_eq!(page("", None, 99).await, keys);
    assert_eq!(page("ab", None, 99).await, ["ab", "ab%", "ab_", "abc"]);
    assert_eq!(page("ab", None, 2).await, ["ab", "ab%"]);
    assert_eq!(page("ab", Some("ab%"), 99).await, ["ab_", "abc"]);
    assert_eq!(page("ab", Some("a"), 1).await, ["ab"]);
    assert_eq!(page("ab", Some("b"), 99).await, Vec::<String>::new());
    assert_eq!(page("", Some(""), 2).await, ["a", "ab"]);
}
