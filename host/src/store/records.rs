//! Records: people, groups, email lists and services as documents.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::dialect::Dialect;
use super::memberships::{DELETE_OF_GROUP, DELETE_OF_PERSON};
use super::rows::{ManyKeys, ManyRows, document, json, kind_word, last_of_each, subject, timestamp};
use super::{Store, StoreError, Transaction, nestings};
use crate::registry::record::{Group, GroupType, Membership, Record, RecordKind, SubjectKey};
use crate::registry::validity::next_of_record;

/// A record as the store keeps it. A deleted one keeps its document and the memberships it had when it was deleted, so
/// that its removal can still be provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    pub key: SubjectKey,
    pub record: Record,
    pub deleted: Option<Timestamp>,
    /// Empty while the record lives.
    pub last_memberships: Vec<Membership>,
}

const PUT: ManyRows = ManyRows {
    head: "INSERT INTO records (co, kind, id, document, stored, due)",
    columns: 6,
    tail: "ON CONFLICT (co, kind, id) DO UPDATE SET document = excluded.document, stored = excluded.stored, \
           deleted = NULL, last_memberships = NULL, \
           due = CASE WHEN records.due <= excluded.stored THEN records.due ELSE excluded.due END",
};
pub(super) const BY_ID: ManyKeys = ManyKeys {
    head: &[
        "SELECT kind, id, document, deleted, last_memberships FROM records WHERE co = ",
        " AND kind = ",
        " AND id IN",
    ],
    tail: "",
};

impl Store {
    /// One record, also a deleted one.
    pub async fn record(&self, co: &str, key: &SubjectKey) -> Result<Option<StoredRecord>, StoreError> {
        record(&mut *self.reader().await?, co, key).await
    }

    /// A page of the live records of a kind, by ascending id, from behind `after`.
    pub async fn records(
        &self,
        co: &str,
        kind: RecordKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, id, document, deleted, last_memberships FROM records \
             WHERE co = $1 AND kind = $2 AND id > $3 AND deleted IS NULL ORDER BY id LIMIT $4",
        )
        .bind(co)
        .bind(kind_word(kind))
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(record_of).collect()
    }

    /// The live groups of a type, by ascending id. Reads through all groups, and gives few.
    pub async fn groups_of_type(
        &self,
        co: &str,
        group_type: GroupType,
    ) -> Result<Vec<(String, Group)>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, id, document, deleted, last_memberships FROM records \
             WHERE co = $1 AND kind = 'group' AND deleted IS NULL AND document LIKE $2 ORDER BY id",
        )
        .bind(co)
        // As it is stored; whether it is the group's own member is seen below.
        .bind(format!("%\"type\":{}%", json(&group_type)?))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let mut groups = Vec::new();
        for row in &rows {
            let StoredRecord { key, record, .. } = record_of(row)?;
            if let Record::Group(group) = record
                && group.group_type == group_type
            {
                groups.push((key.id, *group));
            }
        }
        Ok(groups)
    }

    /// A page of the ids of the records of a kind, also of deleted ones, ascending, from behind `after`.
    pub async fn record_ids(
        &self,
        co: &str,
        kind: RecordKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let ids = sqlx::query_scalar(
            "SELECT id FROM records WHERE co = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4",
        )
        .bind(co)
        .bind(kind_word(kind))
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        Ok(ids)
    }

    /// The records with these ids, also deleted ones, in no order; those that there are.
    pub async fn records_by_id(
        &self,
        co: &str,
        kind: RecordKind,
        ids: &[String],
    ) -> Result<Vec<StoredRecord>, StoreError> {
        records_by_id(&mut *self.reader().await?, self.location.dialect(), co, kind, ids).await
    }
}

impl Transaction<'_> {
    /// One record, also a deleted one.
    pub async fn record(&mut self, co: &str, key: &SubjectKey) -> Result<Option<StoredRecord>, StoreError> {
        record(self.in_collaboration(co).await?, co, key).await
    }

    /// The records with these ids, also deleted ones, in no order; those that there are.
    pub async fn records_by_id(
        &mut self,
        co: &str,
        kind: RecordKind,
        ids: &[String],
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let dialect = self.dialect;
        records_by_id(self.in_collaboration(co).await?, dialect, co, kind, ids).await
    }

    /// Stores records in place of those with their keys; a deleted one lives again. Of two with one key the last stays.
    /// What becomes of their validity after `at` is due then, but what is due already stays so.
    pub async fn put_records(
        &mut self,
        co: &str,
        records: &[(SubjectKey, Record)],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(records.len());
        for (key, record) in last_of_each(records.iter(), |(key, _)| key) {
            let due = next_of_record(record, at).map(Timestamp::as_microsecond);
            rows.push((key, document_of(key, record)?, due));
        }
        if records.iter().any(|(key, _)| key.kind == RecordKind::EmailList) {
            self.in_configuration(co).await?;
        }
        let dialect = self.dialect;
        PUT.execute(self.in_collaboration(co).await?, dialect, &rows, |query, (key, document, due)| {
            let query = query.bind(co).bind(kind_word(key.kind)).bind(key.id.as_str());
            query.bind(document.as_str()).bind(at.as_microsecond()).bind(*due)
        })
        .await?;
        Ok(())
    }

    /// Marks a record deleted, remembers `last_memberships` with it, and removes the membership rows of the person or
    /// group. Returns whether it was there and alive.
    pub async fn delete_record(
        &mut self,
        co: &str,
        key: &SubjectKey,
        last_memberships: &[Membership],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let last_memberships = json(&last_memberships)?;
        if key.kind == RecordKind::EmailList {
            self.in_configuration(co).await?;
        }
        let connection = self.in_collaboration(co).await?;
        let marked = sqlx::query(
            "UPDATE records SET deleted = $1, last_memberships = $2, due = NULL \
             WHERE co = $3 AND kind = $4 AND id = $5 AND deleted IS NULL",
        )
        .bind(at.as_microsecond())
        .bind(last_memberships)
        .bind(co)
        .bind(kind_word(key.kind))
        .bind(key.id.as_str())
        .execute(&mut *connection)
        .await?;
        let memberships = match key.kind {
            RecordKind::Person => DELETE_OF_PERSON,
            RecordKind::Group => DELETE_OF_GROUP,
            RecordKind::EmailList | RecordKind::Service | RecordKind::Department => {
                return Ok(marked.rows_affected() > 0);
            }
        };
        sqlx::query(memberships).bind(co).bind(key.id.as_str()).execute(&mut *connection).await?;
        if key.kind == RecordKind::Group {
            sqlx::query(nestings::DELETE_OF_GROUP).bind(co).bind(key.id.as_str()).execute(connection).await?;
        }
        Ok(marked.rows_affected() > 0)
    }
}

async fn record(
    connection: &mut AnyConnection,
    co: &str,
    key: &SubjectKey,
) -> Result<Option<StoredRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT kind, id, document, deleted, last_memberships FROM records \
         WHERE co = $1 AND kind = $2 AND id = $3",
    )
    .bind(co)
    .bind(kind_word(key.kind))
    .bind(key.id.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(record_of).transpose()
}

async fn records_by_id(
    connection: &mut AnyConnection,
    dialect: Dialect,
    co: &str,
    kind: RecordKind,
    ids: &[String],
) -> Result<Vec<StoredRecord>, StoreError> {
    let rows = BY_ID
        .fetch(connection, dialect, &[co, kind_word(kind)], ids, |query, id| query.bind(id.as_str()))
        .await?;
    rows.iter().map(record_of).collect()
}

pub(super) fn record_of(row: &AnyRow) -> Result<StoredRecord, StoreError> {
    let id: &str = row.try_get(1)?;
    let key = subject("records", row.try_get(0)?, id)?;
    let json: &str = row.try_get(2)?;
    let record = match key.kind {
        RecordKind::Person => Record::Person(document("records", id, json)?),
        RecordKind::Group => Record::Group(document("records", id, json)?),
        RecordKind::EmailList => Record::EmailList(document("records", id, json)?),
        RecordKind::Service => Record::Service(document("records", id, json)?),
        RecordKind::Department => Record::Department(document("records", id, json)?),
    };
    let deleted = row.try_get::<Option<i64>, _>(3)?.map(|at| timestamp("records", id, at)).transpose()?;
    let last_memberships = match row.try_get::<Option<&str>, _>(4)? {
        Some(json) => document("records", id, json)?,
        None => Vec::new(),
    };
    Ok(StoredRecord { key, record, deleted, last_memberships })
}

/// The JSON of a record, which must be of the kind that its key says.
fn document_of(key: &SubjectKey, record: &Record) -> Result<String, StoreError> {
    match (key.kind, record) {
        (RecordKind::Person, Record::Person(person)) => json(person),
        (RecordKind::Group, Record::Group(group)) => json(group),
        (RecordKind::EmailList, Record::EmailList(list)) => json(list),
        (RecordKind::Service, Record::Service(service)) => json(service),
        (RecordKind::Department, Record::Department(department)) => json(department),
        _ => {
            Err(StoreError::Value(format!("a record of another kind as {} {}", kind_word(key.kind), key.id)))
        }
    }
}
