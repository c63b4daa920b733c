//! The lock that lets one process at a time run the invocations of a store.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::{AnyConnection, Connection};

use super::StoreError;
use super::dialect::Location;

/// PostgreSQL's advisory lock of the executor; one per database.
const ADVISORY_LOCK: i64 = 0x7072_6f76_656e_6465;

/// Held by the process that runs invocations. Released when it is dropped and when the process dies.
#[derive(Debug)]
pub struct ExecutorLock {
    holder: Holder,
}

#[derive(Debug)]
enum Holder {
    // Locked until it is closed.
    File(#[expect(dead_code, reason = "held, not read")] File),
    // Locked until the session ends.
    Session(Box<AnyConnection>),
}

impl ExecutorLock {
    pub(super) async fn try_acquire(location: &Location) -> Result<Option<Self>, StoreError> {
        let holder = match location {
            Location::Sqlite(path) => {
                lock_file(path).map_err(|error| location.cannot_open(&error))?.map(Holder::File)
            }
            Location::Postgres(_) => {
                lock_session(location.connect().await?).await?.map(Box::new).map(Holder::Session)
            }
        };
        Ok(holder.map(|holder| Self { holder }))
    }

    /// Fails when the lock was lost, as it is when PostgreSQL ends the session that holds it.
    pub async fn check(&mut self) -> Result<(), StoreError> {
        match &mut self.holder {
            Holder::File(_) => Ok(()),
            Holder::Session(connection) => Ok(connection.ping().await?),
        }
    }
}

/// Locks a file beside the database: "provender.db.lock".
fn lock_file(database: &Path) -> std::io::Result<Option<File>> {
    // Whoever comes by a symbolic link finds the same lock.
    let mut path = database.canonicalize()?.into_os_string();
    path.push(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

async fn lock_session(mut connection: AnyConnection) -> Result<Option<AnyConnection>, StoreError> {
    let locked = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)")
        .bind(ADVISORY_LOCK)
        .fetch_one(&mut connection)
        .await?;
    if locked {
        return Ok(Some(connection));
    }
    connection.close().await?;
    Ok(None)
}
