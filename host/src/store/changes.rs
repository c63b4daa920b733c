//! The change history: rows are only ever added.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{ManyRows, document, json, kind_word, subject, timestamp, word};
use super::{Store, StoreError, Transaction};
use crate::registry::history::{Change, NewChange, Operation};
use crate::registry::record::SubjectKey;

const APPEND: ManyRows = ManyRows {
    head: "INSERT INTO changes \
           (co, sequence, subject_kind, subject_id, operation, parts, actor, at, provision)",
    columns: 9,
    tail: "",
};

/// Rows: the collaboration, a group, and the number behind which its changes are.
pub(super) const OF_GROUPS: ManyRows = ManyRows {
    head: "SELECT c.sequence, c.subject_kind, c.subject_id, c.operation, c.parts, c.actor, c.at, c.provision FROM (",
    columns: 3,
    tail: ") AS n JOIN changes AS c ON c.co = n.column1 AND c.subject_kind = 'group' \
           AND c.subject_id = n.column2 AND c.sequence > n.column3",
};

impl Store {
    /// A page of a collaboration's history, by ascending sequence number, from behind `after`. A reader that goes on
    /// from the last number it saw misses nothing.
    pub async fn changes(&self, co: &str, after: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let rows = sqlx::query(
            "SELECT sequence, subject_kind, subject_id, operation, parts, actor, at, provision FROM changes \
             WHERE co = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        )
        .bind(co)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(change_of).collect()
    }
}

impl Store {
    /// The last change of a record.
    pub async fn last_change_of(&self, co: &str, subject: &SubjectKey) -> Result<Option<Change>, StoreError> {
        let row = sqlx::query(
            "SELECT sequence, subject_kind, subject_id, operation, parts, actor, at, provision FROM changes \
             WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 ORDER BY at DESC, sequence DESC LIMIT 1",
        )
        .bind(co)
        .bind(kind_word(subject.kind))
        .bind(subject.id.as_str())
        .fetch_optional(&mut *self.reader().await?)
        .await?;
        row.as_ref().map(change_of).transpose()
    }

    /// The number of the last change of a record by each actor, of those behind `after`.
    pub async fn last_changes_by_actor(
        &self,
        co: &str,
        subject: &SubjectKey,
        after: i64,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT actor, MAX(sequence) FROM changes \
             WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 AND sequence > $4 GROUP BY actor",
        )
        .bind(co)
        .bind(kind_word(subject.kind))
        .bind(subject.id.as_str())
        .bind(after)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

impl Store {
    /// The changes of groups behind `after`, in no order.
    pub async fn changes_of_groups(
        &self,
        co: &str,
        groups: &[String],
        after: i64,
    ) -> Result<Vec<Change>, StoreError> {
        let dialect = self.location.dialect();
        let rows = OF_GROUPS
            .execute(&mut *self.reader().await?, dialect, groups, |query, group| {
                query.bind(co.to_owned()).bind(group.clone()).bind(after)
            })
            .await?;
        rows.iter().map(change_of).collect()
    }
}

impl Transaction<'_> {
    /// The number of the last change of a collaboration; 0 when there was none.
    pub async fn last_change(&mut self, co: &str) -> Result<i64, StoreError> {
        last_change(self.in_collaboration(co).await?, co).await
    }

    /// Appends to the history of a collaboration and returns the sequence numbers: 1, 2, 3 ... without a gap.
    pub async fn append_changes(
        &mut self,
        co: &str,
        changes: &[NewChange],
        at: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        // Nobody else can take the next number before this transaction has ended, so numbers ascend with commits.
        let last = last_change(connection, co).await?;
        let sequences: Vec<i64> = (last + 1..).take(changes.len()).collect();
        let mut rows = Vec::with_capacity(changes.len());
        for (sequence, change) in sequences.iter().zip(changes) {
            rows.push((*sequence, change, json(&change.parts)?));
        }
        APPEND
            .execute(connection, dialect, &rows, |query, (sequence, change, parts)| {
                let query = query.bind(co).bind(*sequence).bind(kind_word(change.subject.kind));
                let query = query.bind(change.subject.id.as_str()).bind(operation_word(change.operation));
                let query = query.bind(parts.as_str()).bind(change.actor.as_str()).bind(at.as_microsecond());
                query.bind(i64::from(change.provision))
            })
            .await?;
        Ok(sequences)
    }
}

async fn last_change(connection: &mut AnyConnection, co: &str) -> Result<i64, StoreError> {
    let last = sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM changes WHERE co = $1")
        .bind(co)
        .fetch_one(connection)
        .await?;
    Ok(last)
}

fn operation_word(operation: Operation) -> &'static str {
    match operation {
        Operation::Created => "created",
        Operation::Updated => "updated",
        Operation::Deleted => "deleted",
    }
}

fn change_of(row: &AnyRow) -> Result<Change, StoreError> {
    let sequence: i64 = row.try_get(0)?;
    let key = sequence.to_string();
    Ok(Change {
        sequence,
        subject: subject("changes", row.try_get(1)?, row.try_get(2)?)?,
        operation: word("changes", &key, row.try_get(3)?)?,
        parts: document("changes", &key, row.try_get(4)?)?,
        actor: row.try_get(5)?,
        at: timestamp("changes", &key, row.try_get(6)?)?,
        provision: row.try_get::<i64, _>(7)? != 0,
    })
}
