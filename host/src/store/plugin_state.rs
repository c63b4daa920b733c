//! What plugins remember, per target and per target and subject.

use sqlx::Row;

use super::rows::{ManyRows, corrupt, kind_word, last_of_each};
use super::{Store, StoreError, Transaction};
use crate::registry::record::SubjectKey;

/// A key to be set, or removed where `value` is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct StateChange {
    pub target: String,
    /// `None`: state of the target itself.
    pub subject: Option<SubjectKey>,
    pub key: String,
    pub value: Option<Vec<u8>>,
}

const SET: ManyRows = ManyRows {
    head: "INSERT INTO plugin_state (co, target, subject_kind, subject_id, key, value)",
    columns: 6,
    tail: "ON CONFLICT (co, target, subject_kind, subject_id, key) DO UPDATE SET value = excluded.value",
};
pub(super) const REMOVE: ManyRows = ManyRows {
    head: "DELETE FROM plugin_state WHERE (co, target, subject_kind, subject_id, key) IN (",
    columns: 5,
    tail: ")",
};

const KEYS_FROM: &str = "SELECT key FROM plugin_state WHERE co = $1 AND target = $2 AND subject_kind = $3 \
                         AND subject_id = $4 AND key >= $5 ORDER BY key LIMIT $6";
pub(super) const KEYS_BEHIND: &str = "SELECT key FROM plugin_state WHERE co = $1 AND target = $2 AND subject_kind = $3 \
                           AND subject_id = $4 AND key > $5 ORDER BY key LIMIT $6";

impl Store {
    /// The value of a key.
    pub async fn plugin_state(
        &self,
        co: &str,
        target: &str,
        subject: Option<&SubjectKey>,
        key: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (kind, id) = columns(subject);
        let value = sqlx::query_scalar(
            "SELECT value FROM plugin_state \
             WHERE co = $1 AND target = $2 AND subject_kind = $3 AND subject_id = $4 AND key = $5",
        )
        .bind(co)
        .bind(target)
        .bind(kind)
        .bind(id)
        .bind(key.as_bytes())
        .fetch_optional(&mut *self.reader().await?)
        .await?;
        Ok(value)
    }

    /// A page of the keys with a prefix, ascending by their bytes, from behind `after`.
    pub async fn plugin_state_keys(
        &self,
        co: &str,
        target: &str,
        subject: Option<&SubjectKey>,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let (kind, id) = columns(subject);
        let (sql, from) = match after {
            Some(after) if after >= prefix => (KEYS_BEHIND, after),
            _ => (KEYS_FROM, prefix),
        };
        let rows = sqlx::query(sql)
            .bind(co)
            .bind(target)
            .bind(kind)
            .bind(id)
            .bind(from.as_bytes())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let key = String::from_utf8(row.try_get(0)?).map_err(|error| {
                corrupt("plugin_state", &format!("of target {target}"), error.to_string())
            })?;
            // Keys with the prefix stand together.
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

impl Transaction<'_> {
    /// Sets and removes keys of the plugins of targets. Of two changes of a key the last counts.
    pub async fn set_plugin_state(&mut self, co: &str, changes: &[StateChange]) -> Result<(), StoreError> {
        let changes = last_of_each(changes.iter(), |change| (&change.target, &change.subject, &change.key));
        let (set, removed): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.value.is_some());
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        SET.execute(connection, dialect, &set, |query, change| {
            let (kind, id) = columns(change.subject.as_ref());
            let query = query.bind(co).bind(change.target.as_str()).bind(kind).bind(id);
            query.bind(change.key.as_bytes()).bind(change.value.as_deref())
        })
        .await?;
        REMOVE
            .execute(connection, dialect, &removed, |query, change| {
                let (kind, id) = columns(change.subject.as_ref());
                query.bind(co).bind(change.target.as_str()).bind(kind).bind(id).bind(change.key.as_bytes())
            })
            .await?;
        Ok(())
    }
}

/// State of the target itself has an empty subject.
fn columns(subject: Option<&SubjectKey>) -> (&'static str, &str) {
    subject.map_or(("", ""), |subject| (kind_word(subject.kind), subject.id.as_str()))
}
