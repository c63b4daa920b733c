//! Invocations, planned and finished, and the transcripts of the finished ones.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

use super::rows::{
    ManyKeys, ManyRows, corrupt, document, json, kind_word, last_of_each, signed, subject, timestamp,
    unsigned, uuid, word,
};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{
    Delivery, Invocation, InvocationOutcome, InvocationState, PlannedInvocation, Usage,
};
use crate::registry::record::SubjectKey;

/// The end of an invocation, as one document.
#[derive(Serialize, Deserialize)]
struct Ended<O, D> {
    #[serde(flatten)]
    outcome: O,
    #[serde(flatten)]
    delivery: D,
}

/// An invocation that is planned and not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingInvocation {
    pub co: String,
    pub invocation: Invocation,
}

/// Which invocations of a collaboration to list; the default is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvocationFilter {
    pub target: Option<String>,
    pub subject: Option<SubjectKey>,
    pub failed_only: bool,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedInvocation {
    pub co: String,
    pub id: Uuid,
    /// Who ran it. Counts for nothing when it belongs to another by now.
    pub worker: Uuid,
    pub outcome: InvocationOutcome,
    pub delivery: Delivery,
    pub usage: Usage,
    pub finished: Timestamp,
    /// JSON text.
    pub transcript: String,
}

/// A planned invocation that is not to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    pub co: String,
    pub id: Uuid,
    /// Who has it. Counts for nothing when it belongs to another by now.
    pub worker: Uuid,
}

pub(super) const TABLE: &str = "invocations";

/// The columns that [`invocation_of`] reads.
macro_rules! invocation_columns {
    () => {
        "co, id, target, subject_kind, subject_id, action, change, cause, attempt, planned, finished, outcome, \
         fuel, memory_bytes, effects, duration_us, job, bulk"
    };
}

/// Work goes to the worker that has other unfinished work of the same subject at the same target, and else to whoever plans.
pub(super) const PLAN: ManyRows = ManyRows {
    head: "INSERT INTO invocations \
           (co, id, target, subject_kind, subject_id, action, change, cause, planned, job, bulk, handed, worker) \
           SELECT p.co, p.id, p.target, p.kind, p.subject, p.action, p.change, p.cause, p.planned, p.job, p.bulk, \
           CASE WHEN p.worker = p.planner THEN 0 ELSE 1 END, p.worker FROM (\
           SELECT n.column1 AS co, n.column2 AS id, n.column3 AS target, n.column4 AS kind, n.column5 AS subject, \
           n.column6 AS action, n.column7 AS change, n.column8 AS cause, n.column9 AS planned, n.column10 AS job, \
           n.column11 AS bulk, n.column12 AS planner, COALESCE((SELECT i.worker FROM invocations i \
             WHERE i.co = n.column1 AND i.subject_kind = n.column4 AND i.subject_id = n.column5 \
             AND i.target = n.column3 AND i.finished IS NULL LIMIT 1), n.column12) AS worker FROM (",
    columns: 12,
    tail: ") AS n) AS p RETURNING id, worker",
};
/// All that a dead worker ($3) had in a collaboration ($4).
pub(super) const TAKE_OVER: &str = concat!(
    "UPDATE invocations SET worker = $1, handed = 0, attempt = attempt + $2 \
     WHERE worker = $3 AND co = $4 AND finished IS NULL RETURNING ",
    invocation_columns!()
);
pub(super) const MINE_HANDED: &str = concat!(
    "SELECT ",
    invocation_columns!(),
    " FROM invocations WHERE worker = $1 AND finished IS NULL AND handed = 1 ORDER BY id LIMIT $2"
);
pub(super) const MINE: &str = concat!(
    "SELECT ",
    invocation_columns!(),
    " FROM invocations WHERE worker = $1 AND finished IS NULL LIMIT $2"
);
pub(super) const TAKEN: ManyKeys =
    ManyKeys { head: &["UPDATE invocations SET handed = 0 WHERE finished IS NULL AND id IN"], tail: "" };
// The truth value hides the condition from SQLite's planner, which would go through all that is unfinished.
pub(super) const FINISH: ManyRows = ManyRows {
    head: "UPDATE invocations SET attempt = attempt + 1, finished = ended.column3, failed = ended.column4, \
           outcome = ended.column5, fuel = ended.column6, memory_bytes = ended.column7, \
           effects = ended.column8, duration_us = ended.column9 FROM (",
    columns: 10,
    tail: ") AS ended WHERE invocations.co = ended.column1 AND invocations.id = ended.column2 \
           AND (invocations.finished IS NULL) = TRUE AND invocations.worker = ended.column10 \
           RETURNING invocations.id",
};
// As in FINISH.
pub(super) const WITHDRAW: ManyRows = ManyRows {
    head: "DELETE FROM invocations WHERE (finished IS NULL) = TRUE AND (co, id, worker) IN (",
    columns: 3,
    tail: ") RETURNING id",
};
const TRANSCRIBE: ManyRows =
    ManyRows { head: "INSERT INTO transcripts (co, id, transcript)", columns: 3, tail: "" };

pub(super) const UNFINISHED: &str = concat!(
    "SELECT ",
    invocation_columns!(),
    " FROM invocations WHERE finished IS NULL AND id > $1 ORDER BY id LIMIT $2"
);
// The truth value hides the condition from SQLite's planner, which would go through all that is unfinished.
pub(super) const UNFINISHED_OF_SUBJECT: &str = concat!(
    "SELECT ",
    invocation_columns!(),
    " FROM invocations WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 \
     AND (finished IS NULL) = TRUE ORDER BY id"
);
/// A page for a check: also whether it failed, and whether it has a transcript.
pub(super) const CHECKED: &str = concat!(
    "SELECT ",
    invocation_columns!(),
    ", failed, CASE WHEN EXISTS (SELECT 1 FROM transcripts t WHERE t.co = invocations.co AND t.id = invocations.id) \
     THEN 1 ELSE 0 END FROM invocations WHERE (co, id) > ($1, $2) ORDER BY co, id LIMIT $3"
);
pub(super) const PRUNE: &str = "DELETE FROM invocations WHERE (co, id) IN (SELECT co, id FROM invocations \
                                WHERE failed IN (0, $1) AND finished < $2 LIMIT $3)";

impl Store {
    /// A page of what is planned and not finished in all collaborations, by ascending id, from behind `after`.
    pub async fn unfinished_invocations(
        &self,
        limit: u32,
        after: Option<Uuid>,
    ) -> Result<Vec<PendingInvocation>, StoreError> {
        let rows = sqlx::query(UNFINISHED)
            .bind(after.unwrap_or(Uuid::nil()).as_bytes().as_slice())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter()
            .map(|row| Ok(PendingInvocation { co: row.try_get(0)?, invocation: invocation_of(row)? }))
            .collect()
    }

    /// One invocation.
    pub async fn invocation(&self, co: &str, id: Uuid) -> Result<Option<Invocation>, StoreError> {
        invocation(&mut *self.reader().await?, co, id).await
    }

    /// A page of the invocations of a collaboration, the newest first, from before `before`.
    pub async fn invocations(
        &self,
        co: &str,
        filter: &InvocationFilter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Invocation>, StoreError> {
        let mut sql =
            concat!("SELECT ", invocation_columns!(), " FROM invocations WHERE co = $1 AND id < $2")
                .to_owned();
        if filter.failed_only {
            sql.push_str(" AND failed = 1");
        }
        let mut values = Vec::new();
        if let Some(target) = &filter.target {
            sql.push_str(" AND target = $3");
            values.push(target.as_str());
        }
        if let Some(subject) = &filter.subject {
            let (kind, id) = (values.len() + 3, values.len() + 4);
            sql.push_str(&format!(" AND subject_kind = ${kind} AND subject_id = ${id}"));
            values.extend([kind_word(subject.kind), subject.id.as_str()]);
        }
        sql.push_str(&format!(" ORDER BY id DESC LIMIT {limit}"));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(co);
        query = query.bind(before.unwrap_or(Uuid::max()).as_bytes().as_slice());
        for value in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&mut *self.reader().await?).await?;
        rows.iter().map(invocation_of).collect()
    }

    /// What is planned and not finished of a subject, the oldest first.
    pub async fn unfinished_invocations_of(
        &self,
        co: &str,
        subject: &SubjectKey,
    ) -> Result<Vec<Invocation>, StoreError> {
        let rows = sqlx::query(UNFINISHED_OF_SUBJECT)
            .bind(co)
            .bind(kind_word(subject.kind))
            .bind(subject.id.as_str())
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(invocation_of).collect()
    }

    /// The transcript of a finished invocation: its JSON text, exactly as it was written.
    pub async fn transcript(&self, co: &str, id: Uuid) -> Result<Option<String>, StoreError> {
        let transcript = sqlx::query_scalar("SELECT transcript FROM transcripts WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        Ok(transcript)
    }
}

impl Transaction<'_> {
    /// One invocation.
    pub async fn invocation(&mut self, co: &str, id: Uuid) -> Result<Option<Invocation>, StoreError> {
        invocation(self.in_collaboration(co).await?, co, id).await
    }

    /// Writes work to be done, and notes in it who is to do it.
    pub async fn plan_invocations(
        &mut self,
        co: &str,
        planned: &mut [PlannedInvocation],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (dialect, worker) = (self.dialect, self.worker);
        let connection = self.in_collaboration(co).await?;
        let rows = PLAN
            .execute(connection, dialect, planned, |query, planned| {
                let query =
                    query.bind(co).bind(planned.id.as_bytes().as_slice()).bind(planned.target.as_str());
                let query = query.bind(kind_word(planned.subject.kind)).bind(planned.subject.id.as_str());
                let query =
                    query.bind(planned.action.word()).bind(planned.change).bind(planned.cause.as_deref());
                let query = query.bind(at.as_microsecond()).bind(planned.job).bind(i64::from(planned.bulk));
                query.bind(worker.as_bytes().as_slice())
            })
            .await?;
        let mut others = HashMap::new();
        for row in &rows {
            let (id, of) = (uuid(TABLE, row.try_get(0)?)?, uuid(TABLE, row.try_get(1)?)?);
            if of != worker {
                others.insert(id, of);
            }
        }
        for planned in planned {
            planned.worker = others.get(&planned.id).copied().unwrap_or(worker);
        }
        Ok(())
    }

    /// Notes who asked for an invocation that follows from no change.
    pub async fn set_requester(&mut self, co: &str, id: Uuid, requester: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE invocations SET requested_by = $1 WHERE co = $2 AND id = $3")
            .bind(requester)
            .bind(co)
            .bind(id.as_bytes().as_slice())
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// Writes outcomes and transcripts, counts the attempt that ended, and returns the ids of those that were
    /// unfinished until now. The others, which were finished before, went away with their target or belong to another
    /// worker by now, are left as they are.
    pub async fn finish_invocations(
        &mut self,
        finished: &[FinishedInvocation],
    ) -> Result<Vec<Uuid>, StoreError> {
        self.in_collaborations(finished.iter().map(|finished| finished.co.as_str()).collect()).await?;
        let mut rows = Vec::with_capacity(finished.len());
        for ended in last_of_each(finished.iter(), |ended| (&ended.co, ended.id)) {
            rows.push((ended, json(&Ended { outcome: &ended.outcome, delivery: &ended.delivery })?));
        }
        let updated = FINISH
            .execute(self.connection, self.dialect, &rows, |query, (ended, outcome)| {
                let usage = ended.usage;
                let failed = matches!(ended.outcome, InvocationOutcome::Failed { .. });
                let query = query.bind(ended.co.as_str()).bind(ended.id.as_bytes().as_slice());
                let query = query.bind(ended.finished.as_microsecond()).bind(i64::from(failed));
                let query =
                    query.bind(outcome.as_str()).bind(signed(usage.fuel)).bind(signed(usage.memory_bytes));
                let query = query.bind(signed(usage.effects)).bind(signed(usage.duration_us));
                query.bind(ended.worker.as_bytes().as_slice())
            })
            .await?;
        let ids: HashSet<Uuid> =
            updated.iter().map(|row| uuid("invocations", row.try_get(0)?)).collect::<Result<_, _>>()?;
        rows.retain(|(ended, _)| ids.contains(&ended.id));
        TRANSCRIBE
            .execute(self.connection, self.dialect, &rows, |query, (ended, _)| {
                query
                    .bind(ended.co.as_str())
                    .bind(ended.id.as_bytes().as_slice())
                    .bind(ended.transcript.as_str())
            })
            .await?;
        Ok(rows.iter().map(|(ended, _)| ended.id).collect())
    }

    /// Takes back what was planned, and returns the ids of what was: what is finished, or belongs to another worker, stays.
    pub async fn withdraw_invocations(&mut self, withdrawn: &[Withdrawal]) -> Result<Vec<Uuid>, StoreError> {
        self.in_collaborations(withdrawn.iter().map(|withdrawn| withdrawn.co.as_str()).collect()).await?;
        let deleted = WITHDRAW
            .execute(self.connection, self.dialect, withdrawn, |query, withdrawn| {
                let query = query.bind(withdrawn.co.as_str()).bind(withdrawn.id.as_bytes().as_slice());
                query.bind(withdrawn.worker.as_bytes().as_slice())
            })
            .await?;
        deleted.iter().map(|row| uuid("invocations", row.try_get(0)?)).collect()
    }

    /// Removes up to `limit` invocations that ended before a point in time, with their transcripts, and returns how
    /// many. Failed ones stay if so asked.
    pub async fn prune_invocations(
        &mut self,
        finished_before: Timestamp,
        keep_failed: bool,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let pruned = sqlx::query(PRUNE)
            .bind(i64::from(!keep_failed))
            .bind(finished_before.as_microsecond())
            .bind(i64::from(limit))
            .execute(&mut *self.connection)
            .await?;
        Ok(pruned.rows_affected())
    }
}

async fn invocation(
    connection: &mut AnyConnection,
    co: &str,
    id: Uuid,
) -> Result<Option<Invocation>, StoreError> {
    let row =
        sqlx::query(concat!("SELECT ", invocation_columns!(), " FROM invocations WHERE co = $1 AND id = $2"))
            .bind(co)
            .bind(id.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
    row.as_ref().map(invocation_of).transpose()
}

pub(super) fn invocation_of(row: &AnyRow) -> Result<Invocation, StoreError> {
    let id = uuid(TABLE, row.try_get(1)?)?;
    let key = id.to_string();
    let finished: Option<i64> = row.try_get(10)?;
    let outcome: Option<&str> = row.try_get(11)?;
    let ended: Option<Ended<InvocationOutcome, Delivery>> =
        outcome.map(|json| document(TABLE, &key, json)).transpose()?;
    let (outcome, delivery) = ended.map(|ended| (ended.outcome, ended.delivery)).unzip();
    let attempt: i64 = row.try_get(8)?;
    Ok(Invocation {
        id,
        target: row.try_get(2)?,
        subject: subject(TABLE, row.try_get(3)?, row.try_get(4)?)?,
        action: word(TABLE, &key, row.try_get(5)?)?,
        change: row.try_get(6)?,
        cause: row.try_get(7)?,
        state: if finished.is_some() { InvocationState::Finished } else { InvocationState::Planned },
        attempt: u32::try_from(attempt).map_err(|error| corrupt(TABLE, &key, error.to_string()))?,
        planned: timestamp(TABLE, &key, row.try_get(9)?)?,
        finished: finished.map(|at| timestamp(TABLE, &key, at)).transpose()?,
        outcome,
        delivery: delivery.unwrap_or_default(),
        usage: Usage {
            fuel: unsigned(row.try_get(12)?),
            memory_bytes: unsigned(row.try_get(13)?),
            effects: unsigned(row.try_get(14)?),
            duration_us: unsigned(row.try_get(15)?),
        },
        job: row.try_get(16)?,
        bulk: row.try_get::<i64, _>(17)? != 0,
    })
}
