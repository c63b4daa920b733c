//! A process that uses a store until it is killed: `store-process write|lock URL`.

use std::process::ExitCode;

use jiff::Timestamp;
use provender::provisioning::{Action, PlannedInvocation};
use provender::registry::history::{NewChange, Operation};
use provender::store::{Store, StoreError};
use provender_tests::people::{person, person_key};
use tokio::task::JoinSet;
use uuid::Uuid;

const CO: &str = "co";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, url] = &arguments[..] else { return ExitCode::FAILURE };
    let store = Store::open(url).await.expect("a store");
    match what.as_str() {
        "write" => write_without_end(&store).await,
        "lock" => hold_the_lock(&store).await,
        _ => {}
    }
    ExitCode::FAILURE
}

/// Writes people by several writers at once, and says of each when it is stored.
async fn write_without_end(store: &Store) {
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0.. {
                let id = format!("{}-{writer}-{number}", std::process::id());
                write_person(&store, id.clone()).await.expect("a stored person");
                println!("acknowledged {id}");
            }
        });
    }
    writers.join_all().await;
}

async fn hold_the_lock(store: &Store) {
    let _lock = store.try_lock_executor().await.expect("a store").expect("the lock is free");
    println!("locked");
    std::future::pending::<()>().await;
}

/// A record, its change, and the work that follows from it.
async fn write_person(store: &Store, id: String) -> Result<(), StoreError> {
    store
        .write(move |transaction| {
            Box::pin(async move {
                let (subject, at) = (person_key(&id), Timestamp::UNIX_EPOCH);
                transaction.put_records(CO, &[(subject.clone(), person(&id))], at).await?;
                let change = NewChange {
                    subject: subject.clone(),
                    operation: Operation::Created,
                    parts: Vec::new(),
                    actor: "test".to_owned(),
                    provision: true,
                };
                for sequence in transaction.append_changes(CO, &[change], at).await? {
                    let work = PlannedInvocation {
                        id: Uuid::now_v7(),
                        target: "t".to_owned(),
                        subject: subject.clone(),
                        action: Action::Added,
                        change: Some(sequence),
                        cause: None,
                    };
                    transaction.plan_invocations(CO, &[work], at).await?;
                }
                Ok(())
            })
        })
        .await
}
