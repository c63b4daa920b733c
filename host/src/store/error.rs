//! What can go wrong in the store.

use std::sync::Arc;

use sqlx::migrate::MigrateError;

/// A failure of the store. No text of it holds a password or a part of a document.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database this program can use.
    #[error("the store's URL cannot be used: {0}; write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url(String),
    /// The database could not be opened or created.
    #[error("cannot open the database {database}: {reason}")]
    Open {
        /// Without its password.
        database: String,
        reason: String,
    },
    /// The connection was lost, or none became free in time.
    #[error("no connection to the database: {0}")]
    Connection(Arc<sqlx::Error>),
    /// A newer version of this program wrote the database.
    #[error(
        "the database {database} is of a newer version: its schema is {found}, this program knows {known}; \
         use the newer program, or restore a backup"
    )]
    NewerSchema {
        /// Without its password.
        database: String,
        found: i64,
        known: i64,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database {database} up to date: {reason}")]
    Migration {
        /// Without its password.
        database: String,
        reason: Arc<MigrateError>,
    },
    /// Something else in the database is in the way: a key that is taken, a reference to something that is not there
    /// or that still is, or a transaction that crossed another.
    #[error("conflict in the database: {0}")]
    Conflict(String),
    /// A stored document that this version cannot read.
    #[error(
        "{table} {key} holds a document that cannot be read: {reason}; \
         it was changed from outside or by a newer version: restore it from a backup or store it anew"
    )]
    CorruptDocument { table: &'static str, key: String, reason: String },
    /// A value that cannot be stored.
    #[error("cannot store {0}")]
    Value(String),
    /// The store was closed, or its writer is gone.
    #[error("the store is closed")]
    Closed,
    /// The database refused a statement or failed: disk full, locked for too long, damaged file.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if is_conflict(database.as_ref()) => {
                Self::Conflict(database.to_string())
            }
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => Self::Connection(Arc::new(error)),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

/// Violated keys and references; serialisation failures and deadlocks (PostgreSQL's class 40).
fn is_conflict(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.is_unique_violation()
        || error.is_foreign_key_violation()
        || error.code().is_some_and(|code| code == "40001" || code == "40P01")
}
