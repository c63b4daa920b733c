//! One transaction that writes.

use std::collections::BTreeSet;

use sqlx::AnyConnection;
use uuid::Uuid;

use super::dialect::Dialect;
use super::{Store, StoreError};

/// Everything a write needs. What it reads of a collaboration stays as it is until the transaction ends: from the
/// first use of a collaboration on, nobody else writes to it.
pub struct Transaction<'c> {
    pub(super) connection: &'c mut AnyConnection,
    pub(super) dialect: Dialect,
    /// Whose work is what is planned.
    pub(super) worker: Uuid,
    locked: BTreeSet<String>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c mut AnyConnection, dialect: Dialect, worker: Uuid) -> Self {
        Self { connection, dialect, worker, locked: BTreeSet::new() }
    }

    /// The time by the clock of the database, in microseconds since 1970: leases are by no other.
    pub(super) async fn now(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(self.dialect.now()).fetch_one(&mut *self.connection).await?)
    }

    /// The connection, with other writers of the collaboration kept out.
    pub(super) async fn in_collaboration(&mut self, co: &str) -> Result<&mut AnyConnection, StoreError> {
        if let Some(lock) = self.dialect.lock_collaboration()
            && !self.locked.contains(co)
        {
            sqlx::query(lock).bind(co).execute(&mut *self.connection).await?;
            self.locked.insert(co.to_owned());
        }
        Ok(self.connection)
    }

    /// Keeps other writers out of several collaborations: in the same order everywhere, so that two transactions never wait
    /// for each other.
    pub async fn in_collaborations(&mut self, collaborations: BTreeSet<&str>) -> Result<(), StoreError> {
        for co in collaborations {
            self.in_collaboration(co).await?;
        }
        Ok(())
    }

    /// As [`in_collaboration`](Self::in_collaboration), for a write to what targets are prepared from.
    pub(super) async fn in_configuration(&mut self, co: &str) -> Result<&mut AnyConnection, StoreError> {
        let connection = self.in_collaboration(co).await?;
        sqlx::query(
            "INSERT INTO configuration_generations (co, generation) VALUES ($1, 1) \
             ON CONFLICT (co) DO UPDATE SET generation = configuration_generations.generation + 1",
        )
        .bind(co)
        .execute(&mut *connection)
        .await?;
        Ok(connection)
    }
}

impl Store {
    /// A number that rises with every change of what targets of a collaboration are prepared from: its targets,
    /// filters, servers and email lists, and itself. Prepared targets are kept as long as it stays.
    pub async fn configuration_generation(&self, co: &str) -> Result<i64, StoreError> {
        let generation: Option<i64> =
            sqlx::query_scalar("SELECT generation FROM configuration_generations WHERE co = $1")
                .bind(co)
                .fetch_optional(&mut *self.reader().await?)
                .await?;
        Ok(generation.unwrap_or(0))
    }
}
