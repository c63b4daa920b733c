//! The history of one subject: changes of its record and what became of it at the targets, put together when it is read.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::rows::{ManyRows, document, json, kind_word, timestamp, uuid, word};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{Ended, HistoryEntry, HistoryEvent, InvocationOutcome, history_event};
use crate::registry::record::{RecordKind, SubjectKey};

const TABLE: &str = "provisioning_history";

// Who asked for it, or for the job that it belongs to. Of what follows from a change, the change tells.
pub(super) const APPEND: ManyRows = ManyRows {
    head: "INSERT INTO provisioning_history (co, subject_kind, subject_id, at, invocation, event, target, action, \
           change, class, message, lines, requested_by) \
           SELECT n.column1, n.column2, n.column3, n.column4, n.column5, n.column6, n.column7, n.column8, n.column9, \
           n.column10, n.column11, n.column12, \
           CASE WHEN n.column9 IS NULL THEN (SELECT COALESCE(i.requested_by, (SELECT j.asked_by FROM jobs j \
             WHERE j.co = i.co AND j.id = i.job)) FROM invocations i WHERE i.co = n.column1 AND i.id = n.column5) END \
           FROM (",
    columns: 12,
    tail: ") AS n",
};
pub(super) const CHANGES: &str = "SELECT at, sequence, operation, parts, actor, provision FROM changes \
                                  WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 AND (at, sequence) < ($4, $5) \
                                  ORDER BY at DESC, sequence DESC LIMIT $6";
pub(super) const PROVISIONINGS: &str = "SELECT h.at, h.invocation, h.event, h.target, h.action, h.change, h.requested_by, c.actor, h.class, h.message, \
     h.lines FROM provisioning_history h LEFT JOIN changes c ON c.co = h.co AND c.sequence = h.change \
     WHERE h.co = $1 AND h.subject_kind = $2 AND h.subject_id = $3 AND (h.at, h.invocation) < ($4, $5) \
     ORDER BY h.at DESC, h.invocation DESC LIMIT $6";
pub(super) const PRUNE: &str = "DELETE FROM provisioning_history WHERE (co, subject_kind, subject_id, at, invocation) IN (\
     SELECT co, subject_kind, subject_id, at, invocation FROM provisioning_history WHERE at < $1 LIMIT $2)";

/// The place of an entry in a subject's history: "1764000000000000c12" for a change, "1764000000000000i" and the digits
/// of its id for an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryPosition {
    /// Microseconds since 1970.
    at: i64,
    item: Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Change(i64),
    Invocation(Uuid),
}

impl HistoryPosition {
    /// Before which changes are older.
    fn of_changes(self) -> (i64, i64) {
        match self.item {
            Item::Change(sequence) => (self.at, sequence),
            // What follows from a change of the same moment is newer than the change.
            Item::Invocation(_) => (self.at, i64::MAX),
        }
    }

    /// Before which provisionings are older.
    fn of_provisionings(self) -> (i64, Uuid) {
        match self.item {
            Item::Change(_) => (self.at, Uuid::nil()),
            Item::Invocation(id) => (self.at, id),
        }
    }

    /// The place of an entry.
    pub fn of(entry: &HistoryEntry) -> Self {
        let item = match entry.invocation {
            Some(id) => Item::Invocation(id),
            None => Item::Change(entry.change.unwrap_or_default()),
        };
        Self { at: entry.at.as_microsecond(), item }
    }
}

impl fmt::Display for HistoryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Item::Change(sequence) => write!(f, "{}c{sequence}", self.at),
            Item::Invocation(id) => write!(f, "{}i{}", self.at, id.simple()),
        }
    }
}

impl FromStr for HistoryPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let split = text.find(['c', 'i'])?;
            let (at, item) = text.split_at_checked(split)?;
            let item = match item.split_at_checked(1)? {
                ("c", sequence) => Item::Change(sequence.parse().ok()?),
                (_, id) => Item::Invocation(Uuid::parse_str(id).ok()?),
            };
            Some(Self { at: at.parse().ok()?, item })
        };
        parsed().ok_or_else(|| format!("{text:?} is no place in a history; give `next` of the page before"))
    }
}

impl Store {
    /// A page of a subject's history, the newest first, from before `before`.
    pub async fn history(
        &self,
        co: &str,
        subject: &SubjectKey,
        before: Option<HistoryPosition>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let (at, sequence) = before.map_or((i64::MAX, i64::MAX), HistoryPosition::of_changes);
        let (provisioned, invocation) =
            before.map_or((i64::MAX, Uuid::max()), HistoryPosition::of_provisionings);
        let mut reader = self.reader().await?;
        let changes = sqlx::query(CHANGES)
            .bind(co)
            .bind(kind_word(subject.kind))
            .bind(subject.id.as_str())
            .bind(at)
            .bind(sequence)
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        let provisionings = sqlx::query(PROVISIONINGS)
            .bind(co)
            .bind(kind_word(subject.kind))
            .bind(subject.id.as_str())
            .bind(provisioned)
            .bind(invocation.as_bytes().as_slice())
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        let mut entries = Vec::with_capacity(changes.len() + provisionings.len());
        for row in &provisionings {
            entries.push(provisioning_of(subject.kind, row)?);
        }
        for row in &changes {
            entries.push(change_of(row)?);
        }
        // Stable: of one moment, what follows from changes is before, which is to say newer than, the changes.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(limit as usize);
        Ok(entries)
    }
}

impl Transaction<'_> {
    /// Adds the ends of invocations to the histories of their subjects.
    pub async fn append_history(&mut self, co: &str, ends: &[Ended<'_>]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(ends.len());
        for end in ends {
            let Some(event) = history_event(end) else { continue };
            let lines = match end.outcome {
                InvocationOutcome::Applied { history } if !history.is_empty() => Some(json(history)?),
                _ => None,
            };
            rows.push((end, event, lines));
        }
        let dialect = self.dialect;
        APPEND
            .execute(self.in_collaboration(co).await?, dialect, &rows, |query, (end, event, lines)| {
                let (class, message) = match end.outcome {
                    InvocationOutcome::Failed { class, message, .. } => {
                        (Some(class.word()), Some(message.as_str()))
                    }
                    _ => (None, None),
                };
                let query = query.bind(co).bind(kind_word(end.subject.kind)).bind(end.subject.id.as_str());
                let query = query.bind(end.at.as_microsecond()).bind(end.invocation.as_bytes().as_slice());
                let query = query.bind(event_word(*event)).bind(end.target).bind(end.planned.word());
                let query = query.bind(end.change).bind(class);
                query.bind(message).bind(lines.as_deref())
            })
            .await?;
        Ok(())
    }

    /// Removes up to `limit` entries of what became of subjects before a point in time, and returns how many. Changes of
    /// records stay.
    pub async fn prune_history(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let pruned = sqlx::query(PRUNE)
            .bind(before.as_microsecond())
            .bind(i64::from(limit))
            .execute(&mut *self.connection)
            .await?;
        Ok(pruned.rows_affected())
    }
}

fn change_of(row: &AnyRow) -> Result<HistoryEntry, StoreError> {
    let sequence: i64 = row.try_get(1)?;
    let key = sequence.to_string();
    Ok(HistoryEntry {
        at: timestamp("changes", &key, row.try_get(0)?)?,
        event: word("changes", &key, row.try_get(2)?)?,
        actor: row.try_get(4)?,
        change: Some(sequence),
        parts: document("changes", &key, row.try_get(3)?)?,
        provision: Some(row.try_get::<i64, _>(5)? != 0),
        target: None,
        action: None,
        code: None,
        invocation: None,
        class: None,
        message: None,
        lines: Vec::new(),
    })
}

fn provisioning_of(kind: RecordKind, row: &AnyRow) -> Result<HistoryEntry, StoreError> {
    let invocation = uuid(TABLE, row.try_get(1)?)?;
    let key = invocation.to_string();
    let action: crate::provisioning::Action = word(TABLE, &key, row.try_get(4)?)?;
    let (requester, actor): (Option<String>, Option<String>) = (row.try_get(6)?, row.try_get(7)?);
    let class: Option<&str> = row.try_get(8)?;
    let lines: Option<&str> = row.try_get(10)?;
    Ok(HistoryEntry {
        at: timestamp(TABLE, &key, row.try_get(0)?)?,
        event: word(TABLE, &key, row.try_get(2)?)?,
        actor: requester.or(actor),
        change: row.try_get(5)?,
        parts: Vec::new(),
        provision: None,
        target: row.try_get(3)?,
        action: Some(action),
        code: Some(action.code(kind)),
        invocation: Some(invocation),
        class: class.map(|class| word(TABLE, &key, class)).transpose()?,
        message: row.try_get(9)?,
        lines: lines.map(|lines| document(TABLE, &key, lines)).transpose()?.unwrap_or_default(),
    })
}

fn event_word(event: HistoryEvent) -> &'static str {
    match event {
        HistoryEvent::Created => "created",
        HistoryEvent::Updated => "updated",
        HistoryEvent::Deleted => "deleted",
        HistoryEvent::Provisioned => "provisioned",
        HistoryEvent::ManuallyProvisioned => "manually_provisioned",
        HistoryEvent::Removed => "removed",
        HistoryEvent::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_history_is_read_as_it_is_written() {
        for item in [Item::Change(12), Item::Invocation(Uuid::max())] {
            let place = HistoryPosition { at: 1_764_000_000_000_000, item };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "c", "1", "1c", "xc1", "1i12", "1ié", "1x2"] {
            assert!(text.parse::<HistoryPosition>().is_err(), "{text}");
        }
    }
}
