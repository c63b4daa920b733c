//! The last record that each target was given of a subject.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::rows::{ManyRows, kind_word, last_of_each, subject};
use super::{Store, StoreError, Transaction};
use crate::registry::record::SubjectKey;

const PUT: ManyRows = ManyRows {
    head: "INSERT INTO provisioned_records (co, subject_kind, subject_id, target, record)",
    columns: 5,
    tail: "ON CONFLICT (co, subject_kind, subject_id, target) DO UPDATE SET record = excluded.record",
};
const REMOVE: ManyRows = ManyRows {
    head: "DELETE FROM provisioned_records WHERE (co, subject_kind, subject_id, target) IN (",
    columns: 4,
    tail: ")",
};

const AT: ManyRows = ManyRows {
    head: "SELECT subject_kind, subject_id, record FROM provisioned_records \
           WHERE (co, subject_kind, subject_id, target) IN (",
    columns: 4,
    tail: ")",
};

/// What becomes of the record of a subject at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    pub target: String,
    pub subject: SubjectKey,
    /// JSON text; none removes it.
    pub record: Option<String>,
}

impl Store {
    /// The last record that a target was given of a subject, as JSON text; `None` when the target holds none.
    pub async fn provisioned_record(
        &self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Option<String>, StoreError> {
        let record = sqlx::query_scalar(
            "SELECT record FROM provisioned_records \
             WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 AND target = $4",
        )
        .bind(co)
        .bind(kind_word(subject.kind))
        .bind(subject.id.as_str())
        .bind(target)
        .fetch_optional(&mut *self.reader().await?)
        .await?;
        Ok(record)
    }

    /// The last records that targets were given of subjects, by subject; places without one are left out.
    pub async fn provisioned_records_at(
        &self,
        co: &str,
        places: &[(String, SubjectKey)],
    ) -> Result<Vec<(SubjectKey, String)>, StoreError> {
        let rows = AT
            .execute(
                &mut *self.reader().await?,
                self.location.dialect(),
                places,
                |query, (target, subject)| {
                    let query = query.bind(co).bind(kind_word(subject.kind)).bind(subject.id.as_str());
                    query.bind(target.as_str())
                },
            )
            .await?;
        let read = |row: &AnyRow| {
            Ok((subject("provisioned_records", row.try_get(0)?, row.try_get(1)?)?, row.try_get(2)?))
        };
        rows.iter().map(read).collect()
    }
}

impl Transaction<'_> {
    /// How many people a target may hold.
    pub async fn people_held(&mut self, co: &str, target: &str) -> Result<u64, StoreError> {
        let people: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM provisioned_records \
             WHERE co = $1 AND subject_kind = 'person' AND target = $2",
        )
        .bind(co)
        .bind(target)
        .fetch_one(self.in_collaboration(co).await?)
        .await?;
        Ok(u64::try_from(people).unwrap_or(0))
    }

    /// Stores and removes records. Of two changes for the same subject and target the last counts.
    pub async fn change_provisioned_records(
        &mut self,
        co: &str,
        changes: &[RecordChange],
    ) -> Result<(), StoreError> {
        let last = last_of_each(changes.iter(), |change| (&change.target, &change.subject));
        let (put, removed): (Vec<_>, Vec<_>) = last.into_iter().partition(|change| change.record.is_some());
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        PUT.execute(connection, dialect, &put, |query, change| {
            let query = query.bind(co).bind(kind_word(change.subject.kind)).bind(change.subject.id.as_str());
            query.bind(change.target.as_str()).bind(change.record.as_deref())
        })
        .await?;
        REMOVE
            .execute(connection, dialect, &removed, |query, change| {
                let query =
                    query.bind(co).bind(kind_word(change.subject.kind)).bind(change.subject.id.as_str());
                query.bind(change.target.as_str())
            })
            .await?;
        Ok(())
    }
}
