//! Statements with many rows or keys, and the values in their columns.

use jiff::Timestamp;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

use super::StoreError;
use super::dialect::Dialect;
use crate::registry::record::{RecordKind, SubjectKey};

/// Rows or keys of one statement at most; far below what both databases can bind.
const CHUNK: usize = 128;
/// Up to here any number of rows has a statement of its own: what a single write brings.
const SMALL_CHUNK: usize = 8;

pub(super) type AnyQuery = Query<'static, Any, AnyArguments>;

/// A statement around a list of rows: `head VALUES (..), (..) tail`.
pub(super) struct ManyRows {
    pub(super) head: &'static str,
    /// Values in a row.
    pub(super) columns: usize,
    pub(super) tail: &'static str,
}

impl ManyRows {
    /// Writes all rows in as few statements as it takes; returns the rows that `RETURNING` gives.
    ///
    /// The lengths of statements are few, so that they stay prepared.
    pub(super) async fn execute<T: Sync>(
        &self,
        connection: &mut AnyConnection,
        dialect: Dialect,
        rows: &[T],
        bind: impl Fn(AnyQuery, &T) -> AnyQuery + Send,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let mut returned = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(chunk_length(rest.len()));
            rest = later;
            let mut query = sqlx::query(AssertSqlSafe(self.sql(dialect, chunk.len())));
            for row in chunk {
                query = bind(query, row);
            }
            returned.extend(query.fetch_all(&mut *connection).await?);
        }
        Ok(returned)
    }

    pub(super) fn sql(&self, dialect: Dialect, rows: usize) -> String {
        let mut sql = format!("{} VALUES ", self.head);
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            push_placeholders(&mut sql, dialect, row * self.columns, self.columns);
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(self.tail);
        sql
    }
}

/// A statement for a list of keys: `head (key, ..) tail`. The parameters of the head come first.
pub(super) struct ManyKeys {
    pub(super) head: &'static [&'static str],
    pub(super) tail: &'static str,
}

impl ManyKeys {
    /// Runs it for all keys. The head's pieces are joined by its parameters.
    pub(super) async fn fetch<'k, K: Sync>(
        &self,
        connection: &mut AnyConnection,
        dialect: Dialect,
        parameters: &[&str],
        keys: &'k [K],
        bind: impl Fn(AnyQuery, &'k K) -> AnyQuery + Send,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            // The last key fills the list up: a key twice does no harm, and few different statements stay prepared.
            let filled = chunk.len().next_power_of_two();
            let mut query = sqlx::query(AssertSqlSafe(self.sql(dialect, filled)));
            for parameter in parameters {
                query = query.bind(*parameter);
            }
            for key in chunk.iter().chain(std::iter::repeat_n(chunk.last(), filled - chunk.len()).flatten()) {
                query = bind(query, key);
            }
            found.extend(query.fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }

    pub(super) fn sql(&self, dialect: Dialect, keys: usize) -> String {
        let mut sql = String::new();
        for (number, piece) in self.head.iter().enumerate() {
            if number > 0 {
                dialect.push_placeholder(&mut sql, number);
            }
            sql.push_str(piece);
        }
        sql.push_str(" (");
        push_placeholders(&mut sql, dialect, self.head.len().saturating_sub(1), keys);
        sql.push_str(") ");
        sql.push_str(self.tail);
        sql
    }
}

/// How many of the rows go into the next statement: all of a few, otherwise the largest power of two.
fn chunk_length(rows: usize) -> usize {
    if rows <= SMALL_CHUNK { rows } else { 1 << rows.min(CHUNK).ilog2() }
}

fn push_placeholders(sql: &mut String, dialect: Dialect, before: usize, count: usize) {
    for number in 1..=count {
        if number > 1 {
            sql.push_str(", ");
        }
        dialect.push_placeholder(sql, before + number);
    }
}

/// The last of the rows with the same key: PostgreSQL refuses a statement that writes a row twice.
pub(super) fn last_of_each<T, K: std::hash::Hash + Eq>(
    rows: impl DoubleEndedIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    let mut last: Vec<T> = rows.rev().filter(|row| seen.insert(key(row))).collect();
    last.reverse();
    last
}

/// A document as it is stored.
pub(super) fn json<T: Serialize>(document: &T) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::Value(format!("a document as JSON: {error}")))
}

/// A stored document. The reason of a failure tells the place, not what stands there: it may be a secret.
pub(super) fn document<T: DeserializeOwned>(
    table: &'static str,
    key: &str,
    json: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|_| {
        let reason =
            match serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(json)) {
                Err(error) => {
                    let (path, error) = (error.path().to_string(), error.inner());
                    format!(
                        "{:?} error at {path}, line {}, column {}",
                        error.classify(),
                        error.line(),
                        error.column()
                    )
                }
                Ok(_) => "something follows its end".to_owned(),
            };
        corrupt(table, key, reason)
    })
}

pub(super) fn corrupt(table: &'static str, key: &str, reason: String) -> StoreError {
    StoreError::CorruptDocument { table, key: key.to_owned(), reason }
}

/// A stored word of an enumeration.
pub(super) fn word<'w, T: Deserialize<'w>>(
    table: &'static str,
    key: &str,
    word: &'w str,
) -> Result<T, StoreError> {
    let deserializer: StrDeserializer<'w, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(deserializer).map_err(|error| corrupt(table, key, error.to_string()))
}

pub(crate) fn kind_word(kind: RecordKind) -> &'static str {
    kind.word()
}

pub(super) fn subject(table: &'static str, kind: &str, id: &str) -> Result<SubjectKey, StoreError> {
    Ok(SubjectKey { kind: word(table, id, kind)?, id: id.to_owned() })
}

pub(super) fn timestamp(table: &'static str, key: &str, microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|error| corrupt(table, key, error.to_string()))
}

pub(super) fn uuid(table: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| corrupt(table, "with an id that is no UUID", error.to_string()))
}

/// An unsigned number as the databases store it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
