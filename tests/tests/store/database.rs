//! An empty database of one kind, for one test.

use std::time::Duration;

use provender::registry::record::Collaboration;
use provender::store::{Store, StoreError};
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

pub(crate) struct Database {
    pub(crate) url: String,
    _directory: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("provender.db").display());
        Self { url, _directory: Some(directory) }
    }

    pub(crate) async fn postgres() -> Self {
        Self { url: provender_tests::postgres::fresh_database().await.unwrap(), _directory: None }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Opens the store as it is.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// Opens the store and creates the collaboration "co".
    pub(crate) async fn open_with_collaboration(&self) -> Store {
        let store = self.open().await;
        create_collaboration(&store, "co").await;
        store
    }

    /// A connection past the store.
    pub(crate) async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url).await.unwrap()
    }

    /// Waits until PostgreSQL has ended the sessions of a process that was killed.
    pub(crate) async fn wait_until_unused(&self) {
        if self.is_sqlite() {
            return;
        }
        let mut connection = self.connect().await;
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        until(async || sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.unwrap() == 0)
            .await;
    }
}

pub(crate) async fn create_collaboration(store: &Store, co: &str) {
    let collaboration = Collaboration { id: co.to_owned(), name: co.to_owned(), ..Collaboration::default() };
    store
        .write(|transaction| Box::pin(async move { transaction.put_collaboration(&collaboration).await }))
        .await
        .unwrap();
}

/// Waits for a condition that another process brings about.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the condition never came true");
}

/// The table and key that a corrupt document is reported with.
pub(crate) fn corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (&'static str, String) {
    match result {
        Err(StoreError::CorruptDocument { table, key, .. }) => (table, key),
        other => panic!("expected a corrupt document, got {other:?}"),
    }
}
