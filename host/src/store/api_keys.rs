//! API keys: who may call the API, by the hash of the secret.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::rows::timestamp;
use super::{Store, StoreError, Transaction};

/// A key of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKeyRow {
    /// The public part of the key.
    pub id: String,
    /// `None`: the whole platform.
    pub co: Option<String>,
    /// Whether it may write.
    pub full_access: bool,
    pub description: String,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub hash: String,
    pub created: Timestamp,
}

impl Store {
    /// All keys, in the order they were created.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, co, full_access, description, hash, created FROM api_keys ORDER BY created, id",
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(key_of).collect()
    }

    /// One key.
    pub async fn api_key_by_id(&self, id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        let row =
            sqlx::query("SELECT id, co, full_access, description, hash, created FROM api_keys WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *self.reader().await?)
                .await?;
        row.as_ref().map(key_of).transpose()
    }
}

impl Transaction<'_> {
    /// Stores a key in place of the one with its id.
    pub async fn put_api_key(&mut self, key: &ApiKeyRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_keys (id, co, full_access, description, hash, created) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET co = excluded.co, \
             full_access = excluded.full_access, description = excluded.description, \
             hash = excluded.hash, created = excluded.created",
        )
        .bind(key.id.as_str())
        .bind(key.co.as_deref())
        .bind(i64::from(key.full_access))
        .bind(key.description.as_str())
        .bind(key.hash.as_str())
        .bind(key.created.as_microsecond())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Removes a key and returns whether there was one.
    pub async fn delete_api_key(&mut self, id: &str) -> Result<bool, StoreError> {
        let deleted =
            sqlx::query("DELETE FROM api_keys WHERE id = $1").bind(id).execute(&mut *self.connection).await?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn key_of(row: &AnyRow) -> Result<ApiKeyRow, StoreError> {
    let id: &str = row.try_get(0)?;
    Ok(ApiKeyRow {
        id: id.to_owned(),
        co: row.try_get(1)?,
        full_access: row.try_get::<i64, _>(2)? != 0,
        description: row.try_get(3)?,
        hash: row.try_get(4)?,
        created: timestamp("api_keys", id, row.try_get(5)?)?,
    })
}
