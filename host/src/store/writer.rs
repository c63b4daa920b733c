//! The one writer of an SQLite database: waiting operations share a transaction and thus one sync to disk.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{AnyPool, Connection};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::dialect::Dialect;
use super::{StoreError, Transaction};

/// Operations that wait for the writer before callers have to.
const QUEUE_LENGTH: usize = 256;
/// Operations that share a commit: enough to hide the sync, few enough that the first does not wait long.
const GROUP_SIZE: usize = 64;

/// Hands operations to the writer task. The task ends when the last queue is dropped.
#[derive(Clone)]
pub(super) struct WriteQueue {
    jobs: mpsc::Sender<Job>,
}

/// Runs an operation, or tells its caller why it could not be started. Boxed, since the writer knows no types of results.
type Job =
    Box<dyn for<'t> FnOnce(Result<&'t mut Transaction<'_>, StoreError>) -> BoxFuture<'t, Attempt> + Send>;

/// An operation that has run, but is not committed.
struct Attempt {
    succeeded: bool,
    /// Answers the caller when it is known what became of the commit.
    settle: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl WriteQueue {
    /// `worker` tells whose work is what operations plan.
    pub(super) fn start(connection: AnyPool, worker: Arc<RwLock<Uuid>>) -> Self {
        let (jobs, receiver) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(run(connection, receiver, worker));
        Self { jobs }
    }

    /// Runs `operation` in a savepoint of its own and returns when it is committed.
    pub(super) async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction<'_>) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            Box::pin(async move {
                // A panic belongs to the caller, not to the neighbours that share the commit.
                let outcome = AssertUnwindSafe(async { operation(transaction?).await }).catch_unwind().await;
                Attempt {
                    succeeded: matches!(outcome, Ok(Ok(_))),
                    settle: Box::new(move |committed| {
                        // A caller that has gone away needs no answer.
                        let _: Result<(), _> = reply.send(settled(outcome, committed));
                    }),
                }
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        match answer.await.map_err(|_| StoreError::Closed)? {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

type Outcome<T, E> = Result<Result<T, E>, Box<dyn Any + Send>>;

/// The result of an operation after the commit it was part of.
fn settled<T, E: From<StoreError>>(
    outcome: Outcome<T, E>,
    committed: Result<(), StoreError>,
) -> Outcome<T, E> {
    outcome.map(|result| result.and_then(|value| committed.map(|()| value).map_err(E::from)))
}

async fn run(connection: AnyPool, mut jobs: mpsc::Receiver<Job>, worker: Arc<RwLock<Uuid>>) {
    while let Some(first) = jobs.recv().await {
        let mut attempts = Vec::new();
        let committed = commit_group(&connection, first, &mut jobs, &mut attempts, &worker).await;
        for attempt in attempts {
            (attempt.settle)(committed.clone());
        }
        if matches!(committed, Err(StoreError::Closed)) {
            break;
        }
    }
    connection.close().await;
}

/// Runs `first` and what waits behind it in one transaction. An error is one of the whole group.
async fn commit_group(
    connection: &AnyPool,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    attempts: &mut Vec<Attempt>,
    worker: &RwLock<Uuid>,
) -> Result<(), StoreError> {
    let mut group = match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(group) => group,
        Err(error) => return Err(refuse(first, error, attempts).await),
    };
    let mut next = Some(first);
    while let Some(job) = next {
        let mut savepoint = match group.begin().await {
            Ok(savepoint) => savepoint,
            Err(error) => return Err(refuse(job, error, attempts).await),
        };
        let worker = *worker.read().unwrap_or_else(PoisonError::into_inner);
        let attempt = job(Ok(&mut Transaction::new(&mut savepoint, Dialect::Sqlite, worker))).await;
        let succeeded = attempt.succeeded;
        attempts.push(attempt);
        if succeeded {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
        next = if attempts.len() < GROUP_SIZE { jobs.try_recv().ok() } else { None };
    }
    Ok(group.commit().await?)
}

async fn refuse(job: Job, error: sqlx::Error, attempts: &mut Vec<Attempt>) -> StoreError {
    let error = StoreError::from(error);
    attempts.push(job(Err(error.clone())).await);
    error
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use crate::registry::record::Collaboration;
    use crate::store::{Store, StoreError};

    async fn put(store: &Store, id: &str) -> Result<(), StoreError> {
        let collaboration = Collaboration { id: id.to_owned(), ..Collaboration::default() };
        store
            .write(|transaction| Box::pin(async move { transaction.put_collaboration(&collaboration).await }))
            .await
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_a_failure_of_all_that_share_it() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("provender.db").display());
        let store = Store::open(&url).await.unwrap();
        // Looked at only when the transaction commits.
        let violation = store.write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.connection.execute("PRAGMA defer_foreign_keys = ON").await?;
                transaction
                    .connection
                    .execute("INSERT INTO plugin_components VALUES ('none', x'00')")
                    .await?;
                // The neighbour queues up meanwhile.
                tokio::task::yield_now().await;
                Ok(())
            })
        });
        let (violation, neighbour) = tokio::join!(violation, put(&store, "neighbour"));
        assert!(matches!(violation, Err(StoreError::Conflict(_))), "{violation:?}");
        assert!(matches!(neighbour, Err(StoreError::Conflict(_))), "{neighbour:?}");
        assert_eq!(store.collaboration("neighbour").await.unwrap(), None);
        put(&store, "later").await.unwrap();
        assert!(store.collaboration("later").await.unwrap().is_some());
    }
}
