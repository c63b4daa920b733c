//! Whose work is whose: leases, and what becomes of the work of the dead.

use std::time::Duration;

use provender::provisioning::PlannedInvocation;
use provender::store::{FinishedInvocation, Store, StoreError};
use uuid::Uuid;

use crate::database::{Database, create_collaboration, until};
use crate::invocations::{applied, ended, finish};
use crate::samples::{at, person_key, planned};

on_both_databases!(
    a_worker_keeps_its_work_until_its_lease_ends,
    a_lease_that_ended_is_not_renewed,
    work_of_a_pair_goes_to_the_worker_that_has_its_unfinished_work,
    what_is_handed_over_is_given_once,
    an_outcome_counts_only_while_the_work_is_ones_own,
    a_worker_that_retires_is_dead_at_once,
);

const LONG: Duration = Duration::from_secs(600);

async fn plan(store: &Store, co: &'static str, mut work: Vec<PlannedInvocation>) -> Vec<PlannedInvocation> {
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move {
                transaction.plan_invocations(co, &mut work, at(0)).await?;
                Ok(work)
            })
        })
        .await
        .unwrap()
}

async fn a_worker_keeps_its_work_until_its_lease_ends(database: Database) {
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    let other = database.open().await;
    let brief = Duration::from_millis(1);
    let dying = store.register_worker("a", brief).await.unwrap();
    let [one] = &plan(&store, "co", vec![planned("t", person_key("p"))]).await[..] else { panic!("one") };
    let [two] = &plan(&store, "oc", vec![planned("t", person_key("p"))]).await[..] else { panic!("one") };
    assert_eq!((one.worker, two.worker), (dying, dying));
    let heir = other.register_worker("b", LONG).await.unwrap();
    let dead = || async { other.dead_workers().await.unwrap() };
    until(async || !dead().await.is_empty()).await;
    assert_eq!(dead().await, [(dying, "co".to_owned()), (dying, "oc".to_owned())]);
    let taken = other.take_over(dying, "co", heir).await.unwrap();
    assert_eq!(
        taken.iter().map(|it| (it.invocation.id, it.invocation.attempt)).collect::<Vec<_>>(),
        [(one.id, 1)]
    );
    assert_eq!(dead().await, [(dying, "oc".to_owned())]);
}

async fn a_lease_that_ended_is_not_renewed(database: Database) {
    let store = database.open().await;
    let worker = store.register_worker("a", LONG).await.unwrap();
    assert!(store.renew_lease(worker, Duration::from_millis(1)).await.unwrap());
    until(async || !store.renew_lease(worker, Duration::from_millis(1)).await.unwrap()).await;
    assert!(!store.renew_lease(worker, LONG).await.unwrap(), "once and for all");
}

async fn work_of_a_pair_goes_to_the_worker_that_has_its_unfinished_work(database: Database) {
    let store = database.open_with_collaboration().await;
    let other = database.open().await;
    let nobodys = plan(&store, "co", vec![planned("t", person_key("early"))]).await;
    assert!(nobodys[0].worker.is_nil());
    let first = store.register_worker("a", LONG).await.unwrap();
    let second = other.register_worker("b", LONG).await.unwrap();
    let one = plan(&store, "co", vec![planned("t", person_key("p"))]).await;
    let work = vec![
        planned("t", person_key("p")),
        planned("t", person_key("q")),
        planned("u", person_key("p")),
        planned("t", person_key("early")),
    ];
    let workers: Vec<Uuid> = plan(&other, "co", work).await.iter().map(|planned| planned.worker).collect();
    assert_eq!(workers, [first, second, second, Uuid::nil()]);
    let end = FinishedInvocation { worker: first, ..ended("co", one[0].id, 1, applied()) };
    assert_eq!(finish(&store, vec![end]).await, [one[0].id]);
    let again = plan(&other, "co", vec![planned("t", person_key("p"))]).await;
    assert_eq!(again[0].worker, first, "one that it was handed is not finished");
}

async fn what_is_handed_over_is_given_once(database: Database) {
    let store = database.open_with_collaboration().await;
    let other = database.open().await;
    let first = store.register_worker("a", LONG).await.unwrap();
    other.register_worker("b", LONG).await.unwrap();
    plan(&store, "co", vec![planned("t", person_key("p"))]).await;
    assert_eq!(store.handed_over(first, 9).await.unwrap(), []);
    let handed = plan(&other, "co", vec![planned("t", person_key("p"))]).await;
    let given = store.handed_over(first, 9).await.unwrap();
    assert_eq!(given.iter().map(|given| given.invocation.id).collect::<Vec<_>>(), [handed[0].id]);
    assert_eq!(store.handed_over(first, 9).await.unwrap(), []);
}

async fn an_outcome_counts_only_while_the_work_is_ones_own(database: Database) {
    let store = database.open_with_collaboration().await;
    let first = store.register_worker("a", LONG).await.unwrap();
    let work = plan(&store, "co", vec![planned("t", person_key("p"))]).await;
    store.retire_worker(first).await.unwrap();
    let second = store.register_worker("b", LONG).await.unwrap();
    until(async || !store.dead_workers().await.unwrap().is_empty()).await;
    assert_eq!(store.take_over(first, "co", second).await.unwrap().len(), 1);
    let by = |worker| vec![FinishedInvocation { worker, ..ended("co", work[0].id, 1, applied()) }];
    assert!(finish(&store, by(first)).await.is_empty());
    assert_eq!(finish(&store, by(second)).await, [work[0].id]);
}

async fn a_worker_that_retires_is_dead_at_once(database: Database) {
    let store = database.open_with_collaboration().await;
    let worker = store.register_worker("a", LONG).await.unwrap();
    plan(&store, "co", vec![planned("t", person_key("p"))]).await;
    assert_eq!(store.dead_workers().await.unwrap(), []);
    store.retire_worker(worker).await.unwrap();
    assert_eq!(store.worker(), Uuid::nil());
    assert_eq!(store.dead_workers().await.unwrap(), [(worker, "co".to_owned())]);
}
