//! Processes that run work, and whose work is whose.
//!
//! A worker renews its lease by the database's clock. Whoever did not is dead for good, and its work goes to others, one
//! collaboration after the other: what is unfinished of a subject at a target never belongs to two workers.

use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::invocations::{MINE, MINE_HANDED, TAKE_OVER, TAKEN, invocation_of};
use super::rows::{signed, uuid};
use super::{PendingInvocation, Store, StoreError, Transaction};

const TABLE: &str = "workers";

/// How long a dead worker is remembered: a process that was stopped and goes on finds that it is dead.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Without `CROSS` SQLite goes through all that is unfinished.
pub(super) const DEAD: &str = "SELECT w.id, i.co FROM workers w CROSS JOIN invocations i WHERE i.worker = w.id \
                               AND i.finished IS NULL AND w.expires < $1 GROUP BY w.id, i.co ORDER BY w.id, i.co";

impl Store {
    /// Registers this process as a worker. What the store plans from now on is its work.
    pub async fn register_worker(&self, host: &str, lease: Duration) -> Result<Uuid, StoreError> {
        let (id, host, lease) = (Uuid::now_v7(), host.to_owned(), micros(lease));
        self.write::<_, StoreError, _>(move |transaction| {
            Box::pin(async move {
                let now = transaction.now().await?;
                sqlx::query("INSERT INTO workers (id, host, expires) VALUES ($1, $2, $3)")
                    .bind(id.as_bytes().as_slice())
                    .bind(host)
                    .bind(now.saturating_add(lease))
                    .execute(&mut *transaction.connection)
                    .await?;
                Ok(())
            })
        })
        .await?;
        self.set_worker(id);
        Ok(id)
    }

    /// Renews the lease; `false` when it had ended: then the worker is dead, and must register anew.
    pub async fn renew_lease(&self, worker: Uuid, lease: Duration) -> Result<bool, StoreError> {
        let lease = micros(lease);
        self.write(move |transaction| {
            Box::pin(async move {
                let now = transaction.now().await?;
                let renewed = sqlx::query("UPDATE workers SET expires = $1 WHERE id = $2 AND expires >= $3")
                    .bind(now.saturating_add(lease))
                    .bind(worker.as_bytes().as_slice())
                    .bind(now)
                    .execute(&mut *transaction.connection)
                    .await?;
                Ok(renewed.rows_affected() > 0)
            })
        })
        .await
    }

    /// Ends the lease at once, so that others take over.
    pub async fn retire_worker(&self, worker: Uuid) -> Result<(), StoreError> {
        self.set_worker(Uuid::nil());
        self.write(move |transaction| {
            Box::pin(async move {
                let now = transaction.now().await?;
                let (ended, forgotten) = (now.saturating_sub(1), now.saturating_sub(micros(REMEMBERED)));
                sqlx::query("UPDATE workers SET expires = $1 WHERE id = $2 AND expires > $1")
                    .bind(ended)
                    .bind(worker.as_bytes().as_slice())
                    .execute(&mut *transaction.connection)
                    .await?;
                sqlx::query(
                    "DELETE FROM workers WHERE expires < $1 AND expires > 0 AND NOT EXISTS (SELECT 1 FROM invocations i \
                     WHERE i.worker = workers.id AND i.finished IS NULL)",
                )
                .bind(forgotten)
                .execute(&mut *transaction.connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The dead workers that have unfinished invocations, each with a collaboration where it has some.
    pub async fn dead_workers(&self) -> Result<Vec<(Uuid, String)>, StoreError> {
        let mut connection = self.reader().await?;
        let now: i64 = sqlx::query_scalar(self.location.dialect().now()).fetch_one(&mut *connection).await?;
        let rows = sqlx::query(DEAD).bind(now).fetch_all(&mut *connection).await?;
        rows.iter().map(|row| Ok((uuid(TABLE, row.try_get(0)?)?, row.try_get(1)?))).collect()
    }

    /// Gives all unfinished invocations of a dead worker in a collaboration to another one, and returns them in the order
    /// of planning. They count one more attempt, unless they belonged to nobody.
    pub async fn take_over(
        &self,
        dead: Uuid,
        co: &str,
        worker: Uuid,
    ) -> Result<Vec<PendingInvocation>, StoreError> {
        let co = co.to_owned();
        self.write(move |transaction| {
            Box::pin(async move {
                let connection = transaction.in_collaboration(&co).await?;
                let rows = sqlx::query(TAKE_OVER)
                    .bind(worker.as_bytes().as_slice())
                    .bind(i64::from(!dead.is_nil()))
                    .bind(dead.as_bytes().as_slice())
                    .bind(co.as_str())
                    .fetch_all(connection)
                    .await?;
                let mut taken = Vec::with_capacity(rows.len());
                for row in &rows {
                    taken.push(PendingInvocation { co: co.clone(), invocation: invocation_of(row)? });
                }
                taken.sort_unstable_by_key(|pending| pending.invocation.id);
                Ok(taken)
            })
        })
        .await
    }

    /// Some of the unfinished invocations of a worker, in the order of planning.
    pub async fn unfinished_of_worker(
        &self,
        worker: Uuid,
        limit: u32,
    ) -> Result<Vec<PendingInvocation>, StoreError> {
        let rows = sqlx::query(MINE)
            .bind(worker.as_bytes().as_slice())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let mut mine = Vec::with_capacity(rows.len());
        for row in &rows {
            mine.push(PendingInvocation { co: row.try_get(0)?, invocation: invocation_of(row)? });
        }
        mine.sort_unstable_by_key(|pending| pending.invocation.id);
        Ok(mine)
    }

    /// A page of the invocations that others planned for a worker; they are given to it once.
    pub async fn handed_over(&self, worker: Uuid, limit: u32) -> Result<Vec<PendingInvocation>, StoreError> {
        let rows = sqlx::query(MINE_HANDED)
            .bind(worker.as_bytes().as_slice())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let mut handed = Vec::with_capacity(rows.len());
        for row in &rows {
            handed.push(PendingInvocation { co: row.try_get(0)?, invocation: invocation_of(row)? });
        }
        let mut ids: Vec<Uuid> = handed.iter().map(|pending| pending.invocation.id).collect();
        ids.sort_unstable();
        if !ids.is_empty() {
            self.write::<_, StoreError, _>(move |transaction| {
                Box::pin(async move { acknowledge(transaction, &ids).await })
            })
            .await?;
        }
        Ok(handed)
    }
}

async fn acknowledge(transaction: &mut Transaction<'_>, ids: &[Uuid]) -> Result<(), StoreError> {
    TAKEN
        .fetch(transaction.connection, transaction.dialect, &[], ids, |query, id| {
            query.bind(id.as_bytes().as_slice())
        })
        .await?;
    Ok(())
}

fn micros(duration: Duration) -> i64 {
    signed(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
