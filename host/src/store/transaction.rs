//! One transaction that writes.

use std::collections::BTreeSet;

use sqlx::AnyConnection;

use super::StoreError;
use super::dialect::Dialect;

/// Everything a write needs. What it reads of a collaboration stays as it is until the transaction ends: from the
/// first use of a collaboration on, nobody else writes to it.
pub struct Transaction<'c> {
    pub(super) connection: &'c mut AnyConnection,
    pub(super) dialect: Dialect,
    locked: BTreeSet<String>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c mut AnyConnection, dialect: Dialect) -> Self {
        Self { connection, dialect, locked: BTreeSet::new() }
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
}
