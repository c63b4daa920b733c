//! Configured servers: connections to counterparts, their secrets sealed by the caller.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{document, json, signed, unsigned};
use super::targets::targets;
use super::{Store, StoreError, Transaction};

/// A configured server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerRow {
    pub id: String,
    pub description: String,
    pub configuration: serde_json::Value,
    /// Sealed text by field.
    pub secrets: BTreeMap<String, String>,
    /// Grows with every write.
    pub revision: u64,
}

impl Store {
    /// The servers of a collaboration, by ascending id.
    pub async fn servers(&self, co: &str) -> Result<Vec<ServerRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, description, configuration, secrets, revision FROM servers WHERE co = $1 ORDER BY id",
        )
        .bind(co)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(server_of).collect()
    }

    /// One server.
    pub async fn server(&self, co: &str, id: &str) -> Result<Option<ServerRow>, StoreError> {
        server(&mut *self.reader().await?, co, id).await
    }

    /// The ids of the targets that have the server in a slot.
    pub async fn server_users(&self, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
        server_users(&mut *self.reader().await?, co, id).await
    }
}

impl Transaction<'_> {
    /// One server.
    pub async fn server(&mut self, co: &str, id: &str) -> Result<Option<ServerRow>, StoreError> {
        server(self.in_collaboration(co).await?, co, id).await
    }

    /// Stores a server in place of the one with its id and returns its revision: the one given, but at least one more
    /// than that of the server it replaces.
    pub async fn put_server(&mut self, co: &str, server: &ServerRow) -> Result<u64, StoreError> {
        let revision: i64 = sqlx::query_scalar(
            "INSERT INTO servers (co, id, description, configuration, secrets, revision) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (co, id) DO UPDATE SET \
             description = excluded.description, configuration = excluded.configuration, \
             secrets = excluded.secrets, revision = CASE WHEN excluded.revision > servers.revision \
             THEN excluded.revision ELSE servers.revision + 1 END RETURNING revision",
        )
        .bind(co)
        .bind(server.id.as_str())
        .bind(server.description.as_str())
        .bind(json(&server.configuration)?)
        .bind(json(&server.secrets)?)
        .bind(signed(server.revision))
        .fetch_one(self.in_configuration(co).await?)
        .await?;
        Ok(unsigned(revision))
    }

    /// Removes a server and returns whether there was one.
    pub async fn delete_server(&mut self, co: &str, id: &str) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM servers WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id)
            .execute(self.in_configuration(co).await?)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The ids of the targets that have the server in a slot.
    pub async fn server_users(&mut self, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
        server_users(self.in_collaboration(co).await?, co, id).await
    }
}

async fn server(connection: &mut AnyConnection, co: &str, id: &str) -> Result<Option<ServerRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, description, configuration, secrets, revision FROM servers WHERE co = $1 AND id = $2",
    )
    .bind(co)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(server_of).transpose()
}

async fn server_users(connection: &mut AnyConnection, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
    let users = targets(connection, co).await?.into_iter();
    Ok(users
        .filter(|target| target.slots.values().any(|server| server == id))
        .map(|target| target.id)
        .collect())
}

pub(super) fn server_of(row: &AnyRow) -> Result<ServerRow, StoreError> {
    let id: &str = row.try_get(0)?;
    Ok(ServerRow {
        id: id.to_owned(),
        description: row.try_get(1)?,
        configuration: document("servers", id, row.try_get(2)?)?,
        secrets: document("servers", id, row.try_get(3)?)?,
        revision: unsigned(row.try_get(4)?),
    })
}
