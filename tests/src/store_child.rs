//! The process that the tests of the store kill: writes without end.
//!
//! `store-child write URL`

use jiff::Timestamp;
use provender::provisioning::{Action, PlannedInvocation};
use provender::registry::history::{NewChange, Operation};
use provender::store::{Store, StoreError};
use provender_tests::people::{person, person_key};
use tokio::task::JoinSet;
use uuid::Uuid;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, url] = arguments.as_slice() else { anyhow::bail!("usage: store-child write URL") };
    let store = Store::open(url).await?;
    match role.as_str() {
        "write" => write_without_end(store).await,
        other => anyhow::bail!("no such role: {other}"),
    }
}

async fn write_without_end(store: Store) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0.. {
                let id = format!("{}-{writer}-{number}", std::process::id());
                write_person(&store, id.clone()).await?;
                println!("acknowledged {id}");
            }
            Ok::<_, StoreError>(())
        });
    }
    writers.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

/// A record, its change, and the work that follows from it.
async fn write_person(store: &Store, id: String) -> Result<(), StoreError> {
    store
        .write(move |transaction| {
            Box::pin(async move {
                let (key, at) = (person_key(&id), Timestamp::now());
                transaction.put_records("co", &[(key.clone(), person(&id))], at).await?;
                let change = NewChange {
                    subject: key.clone(),
                    operation: Operation::Created,
                    parts: vec!["names".to_owned()],
                    actor: "store-child".to_owned(),
                    provision: true,
                };
                for sequence in transaction.append_changes("co", &[change], at).await? {
                    let work = PlannedInvocation::new(Uuid::now_v7(), "t", key.clone(), Action::Added);
                    let mut work = [PlannedInvocation { change: Some(sequence), ..work }];
                    transaction.plan_invocations("co", &mut work, at).await?;
                }
                Ok(())
            })
        })
        .await
}
