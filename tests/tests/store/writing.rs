//! Transactions: what they leave behind, what shares a commit, and what a reader sees of many writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use provender::registry::history::Change;
use provender::registry::record::Cou;
use provender::store::{Store, StoreError};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::database::{Database, create_collaboration};
use crate::samples::{at, change, person, person_key, put_records, target};

on_both_databases!(
    sequence_numbers_count_the_changes_of_a_collaboration,
    changes_come_in_pages,
    a_failed_operation_leaves_nothing_behind,
    a_failed_operation_takes_nothing_of_those_that_share_its_commit,
    a_panic_in_an_operation_reaches_its_caller_only,
    fifty_writers_lose_nothing,
    writes_may_read_through_the_store,
    a_reader_of_the_history_misses_nothing_while_eight_write,
    a_closed_store_answers_that_it_is_closed,
);

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("refused")]
    Refused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn append(store: &Store, co: &'static str, count: usize) -> Vec<i64> {
    store
        .write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move {
                transaction.append_changes(co, &vec![change(person_key("p")); count], at(5)).await
            })
        })
        .await
        .unwrap()
}

async fn sequence_numbers_count_the_changes_of_a_collaboration(database: Database) {
    let store = database.open_with_collaboration().await;
    assert_eq!(append(&store, "co", 2).await, [1, 2]);
    assert_eq!(append(&store, "oc", 1).await, [1]);
    assert_eq!(append(&store, "co", 0).await, Vec::<i64>::new());
    assert_eq!(append(&store, "co", 300).await, (3..303).collect::<Vec<_>>());
    let expected = change(person_key("p"));
    let read = store.changes("co", 301, 10).await.unwrap();
    let change = Change {
        sequence: 302,
        subject: expected.subject,
        operation: expected.operation,
        parts: expected.parts,
        actor: expected.actor,
        at: at(5),
        provision: true,
    };
    assert_eq!(read, [change]);
}

async fn changes_come_in_pages(database: Database) {
    let store = database.open_with_collaboration().await;
    append(&store, "co", 25).await;
    let page = async |after| -> Vec<i64> {
        store.changes("co", after, 10).await.unwrap().into_iter().map(|change| change.sequence).collect()
    };
    assert_eq!(page(0).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(page(20).await, (21..=25).collect::<Vec<_>>());
    assert_eq!(page(25).await, Vec::<i64>::new());
}

/// Writes the person `id`, then fails if it is to.
async fn put_person(store: Store, id: String, fails: bool) -> Result<(), Refusal> {
    store
        .write(move |transaction| {
            Box::pin(async move {
                let record = (person_key(&id), person(&id));
                transaction.put_records("co", &[record], at(0)).await?;
                if fails { Err(Refusal::Refused) } else { Ok(()) }
            })
        })
        .await
}

async fn exists(store: &Store, id: &str) -> bool {
    store.record("co", &person_key(id)).await.unwrap().is_some()
}

async fn a_failed_operation_leaves_nothing_behind(database: Database) {
    let store = database.open_with_collaboration().await;
    let result = put_person(store.clone(), "p".to_owned(), true).await;
    assert!(matches!(result, Err(Refusal::Refused)));
    assert!(!exists(&store, "p").await);
    assert_eq!(append(&store, "co", 1).await, [1]);
}

async fn a_failed_operation_takes_nothing_of_those_that_share_its_commit(database: Database) {
    let store = database.open_with_collaboration().await;
    let (open, opened) = oneshot::channel::<()>();
    // While the first operation waits for the gate, the others queue up behind it. All are polled in this order.
    let first = store.write::<_, Refusal, _>(|_| {
        Box::pin(async move {
            opened.await.map_err(|_| Refusal::Refused)?;
            Ok(())
        })
    });
    let violation = store.write::<_, Refusal, _>(|transaction| {
        Box::pin(async move {
            transaction.put_records("co", &[(person_key("violation"), person("x"))], at(0)).await?;
            transaction.put_target("co", &target("t", "unknown plugin")).await?;
            Ok(())
        })
    });
    let results = tokio::join!(
        first,
        put_person(store.clone(), "before".to_owned(), false),
        put_person(store.clone(), "refused".to_owned(), true),
        violation,
        put_person(store.clone(), "after".to_owned(), false),
        async { open.send(()) },
    );
    assert!(results.0.is_ok() && results.1.is_ok() && results.4.is_ok(), "{results:?}");
    assert!(matches!(results.2, Err(Refusal::Refused)));
    assert!(matches!(results.3, Err(Refusal::Store(StoreError::Conflict(_)))), "{:?}", results.3);
    assert!(exists(&store, "before").await && exists(&store, "after").await);
    assert!(!exists(&store, "refused").await && !exists(&store, "violation").await);
}

async fn a_panic_in_an_operation_reaches_its_caller_only(database: Database) {
    let store = database.open_with_collaboration().await;
    let panicking = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write::<(), Refusal, _>(|transaction| {
                    Box::pin(async move {
                        transaction.put_records("co", &[(person_key("p"), person("x"))], at(0)).await?;
                        panic!("a fault of the caller")
                    })
                })
                .await
        }
    });
    let (panicked, other) = tokio::join!(panicking, put_person(store.clone(), "q".to_owned(), false));
    assert!(panicked.unwrap_err().is_panic());
    other.unwrap();
    assert!(exists(&store, "q").await && !exists(&store, "p").await);
}

/// Each writer reads a document, adds to it, and writes it back.
async fn fifty_writers_lose_nothing(database: Database) {
    let store = database.open_with_collaboration().await;
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        writers.spawn(async move {
            store
                .write::<_, StoreError, _>(move |transaction| {
                    Box::pin(async move {
                        let mut collaboration = transaction.collaboration("co").await?.unwrap();
                        let id = number.to_string();
                        collaboration.cous.push(Cou { name: id.clone(), id, parent: None });
                        transaction.put_collaboration(&collaboration).await
                    })
                })
                .await
                .unwrap();
        });
    }
    writers.join_all().await;
    let mut units: Vec<u32> = store
        .collaboration("co")
        .await
        .unwrap()
        .unwrap()
        .cous
        .iter()
        .map(|unit| unit.id.parse().unwrap())
        .collect();
    units.sort_unstable();
    assert_eq!(units, (0..50).collect::<Vec<_>>());
}

/// More of them at once than there are connections.
async fn writes_may_read_through_the_store(database: Database) {
    let store = database.open_with_collaboration().await;
    let mut writers = JoinSet::new();
    for number in 0..40 {
        let store = store.clone();
        writers.spawn(async move {
            let inner = store.clone();
            store
                .write::<_, StoreError, _>(move |transaction| {
                    Box::pin(async move {
                        let record = (person_key(&number.to_string()), person("x"));
                        transaction.put_records("co", &[record], at(0)).await?;
                        inner.collaborations().await
                    })
                })
                .await
                .unwrap()
                .len()
        });
    }
    assert_eq!(writers.join_all().await, [1; 40]);
}

async fn a_reader_of_the_history_misses_nothing_while_eight_write(database: Database) {
    const WRITERS: usize = 8;
    const WRITES: usize = 40;
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut sequences = Vec::new();
            for number in 0..WRITES {
                sequences.extend(append(&store, "co", 1 + (writer + number) % 3).await);
                append(&store, "oc", 1).await;
            }
            sequences
        });
    }
    let all_written = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read_history(store.clone(), Arc::clone(&all_written)));
    let mut written = writers.join_all().await.concat();
    all_written.store(true, Ordering::SeqCst);
    let read = reader.await.unwrap();
    written.sort_unstable();
    assert_eq!(written, (1..=written.len() as i64).collect::<Vec<_>>());
    assert_eq!(read, written);
    assert_eq!(store.changes("oc", 0, 1000).await.unwrap().len(), WRITERS * WRITES);
}

/// Pages through the history from the last number seen, until all is written and nothing is left.
async fn read_history(store: Store, all_written: Arc<AtomicBool>) -> Vec<i64> {
    let mut read = Vec::new();
    loop {
        let last_look = all_written.load(Ordering::SeqCst);
        let page = store.changes("co", read.last().copied().unwrap_or(0), 7).await.unwrap();
        if page.is_empty() && last_look {
            return read;
        }
        read.extend(page.into_iter().map(|change| change.sequence));
    }
}

async fn a_closed_store_answers_that_it_is_closed(database: Database) {
    let store = database.open_with_collaboration().await;
    put_records(&store, "co", vec![(person_key("p"), person("Ada"))]).await;
    store.close().await;
    let read = store.record("co", &person_key("p")).await;
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
    let written = put_person(store.clone(), "q".to_owned(), false).await;
    assert!(matches!(written, Err(Refusal::Store(StoreError::Closed))), "{written:?}");
    let written = put_person(store, "q".to_owned(), false).await;
    assert!(matches!(written, Err(Refusal::Store(StoreError::Closed))), "{written:?}");
}
