//! Notifications: at most one that is not resolved for each target and subject.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

use super::rows::{ManyRows, kind_word, last_of_each, signed, subject, timestamp, unsigned, uuid, word};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{Notification, NotificationState, Resolution};
use crate::registry::record::SubjectKey;

pub(super) const TABLE: &str = "notifications";

/// Which notifications of a collaboration to list; the default is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotificationFilter {
    pub state: Option<NotificationState>,
    pub target: Option<String>,
    pub subject: Option<SubjectKey>,
}

/// The columns that [`notification_of`] reads, from the table under a name.
macro_rules! notification_columns {
    ($name:literal) => {
        concat!(
            $name,
            ".id, ",
            $name,
            ".target, ",
            $name,
            ".subject_kind, ",
            $name,
            ".subject_id, ",
            $name,
            ".state, ",
            $name,
            ".failures, ",
            $name,
            ".first_failed, ",
            $name,
            ".last_failed, ",
            $name,
            ".class, ",
            $name,
            ".message, ",
            $name,
            ".invocation, ",
            $name,
            ".announced, ",
            $name,
            ".acknowledged, ",
            $name,
            ".acknowledged_by, ",
            $name,
            ".resolved, ",
            $name,
            ".resolution"
        )
    };
}
pub(super) use notification_columns;

/// How many columns these are.
pub(super) const COLUMNS: usize = 16;

pub(super) const UNRESOLVED: ManyRows = ManyRows {
    head: concat!(
        "SELECT ",
        notification_columns!("n"),
        " FROM notifications n WHERE n.resolved IS NULL AND (n.co, n.target, n.subject_kind, n.subject_id) IN ("
    ),
    columns: 4,
    tail: ")",
};
const PUT: ManyRows = ManyRows {
    head: "INSERT INTO notifications (co, id, target, subject_kind, subject_id, state, failures, first_failed, \
           last_failed, class, message, invocation, announced, acknowledged, acknowledged_by, resolved, resolution)",
    columns: 17,
    tail: "ON CONFLICT (co, id) DO UPDATE SET state = excluded.state, failures = excluded.failures, \
           last_failed = excluded.last_failed, class = excluded.class, message = excluded.message, \
           invocation = excluded.invocation, announced = excluded.announced, \
           acknowledged = excluded.acknowledged, acknowledged_by = excluded.acknowledged_by, \
           resolved = excluded.resolved, resolution = excluded.resolution",
};
pub(super) const PRUNE: &str = "DELETE FROM notifications WHERE (co, id) IN (\
                                SELECT co, id FROM notifications WHERE resolved < $1 LIMIT $2)";

impl Store {
    /// One notification.
    pub async fn notification(&self, co: &str, id: Uuid) -> Result<Option<Notification>, StoreError> {
        notification(&mut *self.reader().await?, co, id).await
    }

    /// A page of the notifications of a collaboration, the newest first, from before `before`.
    pub async fn notifications(
        &self,
        co: &str,
        filter: &NotificationFilter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Notification>, StoreError> {
        let mut sql = concat!(
            "SELECT ",
            notification_columns!("n"),
            " FROM notifications n WHERE n.co = $1 AND n.id < $2"
        )
        .to_owned();
        let mut values = Vec::new();
        if let Some(state) = filter.state {
            values.push(("state", state_word(state)));
        }
        if let Some(target) = &filter.target {
            values.push(("target", target.as_str()));
        }
        if let Some(subject) = &filter.subject {
            values.push(("subject_kind", kind_word(subject.kind)));
            values.push(("subject_id", subject.id.as_str()));
        }
        for (number, (column, _)) in (3..).zip(&values) {
            sql.push_str(&format!(" AND n.{column} = ${number}"));
        }
        sql.push_str(&format!(" ORDER BY n.id DESC LIMIT {limit}"));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(co);
        query = query.bind(before.unwrap_or(Uuid::max()).as_bytes().as_slice());
        for (_, value) in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&mut *self.reader().await?).await?;
        rows.iter().map(notification_of).collect()
    }
}

impl Transaction<'_> {
    /// One notification.
    pub async fn notification(&mut self, co: &str, id: Uuid) -> Result<Option<Notification>, StoreError> {
        notification(self.in_collaboration(co).await?, co, id).await
    }

    /// The notifications of these targets and subjects that are not resolved.
    pub async fn unresolved_notifications(
        &mut self,
        co: &str,
        places: &[(&str, &SubjectKey)],
    ) -> Result<Vec<Notification>, StoreError> {
        let dialect = self.dialect;
        let rows = UNRESOLVED
            .execute(self.in_collaboration(co).await?, dialect, places, |query, (target, subject)| {
                query.bind(co).bind(*target).bind(kind_word(subject.kind)).bind(subject.id.as_str())
            })
            .await?;
        rows.iter().map(notification_of).collect()
    }

    /// Stores notifications, in place of those with their ids and in this order. Of two with the same id the last stays.
    pub async fn put_notifications(
        &mut self,
        co: &str,
        notifications: &[Notification],
    ) -> Result<(), StoreError> {
        let rows = last_of_each(notifications.iter(), |notification| notification.id);
        let dialect = self.dialect;
        PUT.execute(self.in_collaboration(co).await?, dialect, &rows, |query, notification| {
            let n = notification;
            let query = query.bind(co).bind(n.id.as_bytes().as_slice()).bind(n.target.as_str());
            let query =
                query.bind(kind_word(n.subject.kind)).bind(n.subject.id.as_str()).bind(state_word(n.state));
            let query =
                query.bind(signed(n.count)).bind(n.first.as_microsecond()).bind(n.last.as_microsecond());
            let query = query.bind(n.class.word()).bind(n.message.as_str());
            let query = query.bind(n.invocation.as_bytes().as_slice()).bind(n.announced.as_microsecond());
            let query =
                query.bind(n.acknowledged.map(Timestamp::as_microsecond)).bind(n.acknowledged_by.as_deref());
            query.bind(n.resolved.map(Timestamp::as_microsecond)).bind(n.resolution.map(resolution_word))
        })
        .await?;
        Ok(())
    }

    /// Resolves all notifications of a target that goes away, and returns their ids.
    pub async fn resolve_notifications_of_target(
        &mut self,
        co: &str,
        target: &str,
        at: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows = sqlx::query(
            "UPDATE notifications SET state = 'resolved', resolution = 'target_deleted', resolved = $1, \
             announced = $2 WHERE co = $3 AND target = $4 AND resolved IS NULL RETURNING id",
        )
        .bind(at.as_microsecond())
        .bind(at.as_microsecond())
        .bind(co)
        .bind(target)
        .fetch_all(self.in_collaboration(co).await?)
        .await?;
        rows.iter().map(|row| uuid(TABLE, row.try_get(0)?)).collect()
    }

    /// Removes up to `limit` notifications that were resolved before a point in time, and returns how many.
    pub async fn prune_notifications(
        &mut self,
        resolved_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let pruned = sqlx::query(PRUNE)
            .bind(resolved_before.as_microsecond())
            .bind(i64::from(limit))
            .execute(&mut *self.connection)
            .await?;
        Ok(pruned.rows_affected())
    }
}

async fn notification(
    connection: &mut AnyConnection,
    co: &str,
    id: Uuid,
) -> Result<Option<Notification>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        notification_columns!("n"),
        " FROM notifications n WHERE n.co = $1 AND n.id = $2"
    ))
    .bind(co)
    .bind(id.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(notification_of).transpose()
}

pub(super) fn notification_of(row: &AnyRow) -> Result<Notification, StoreError> {
    let id = uuid(TABLE, row.try_get(0)?)?;
    let key = id.to_string();
    let moment = |column: usize| -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = row.try_get(column)?;
        at.map(|at| timestamp(TABLE, &key, at)).transpose()
    };
    let resolution: Option<&str> = row.try_get(15)?;
    Ok(Notification {
        id,
        target: row.try_get(1)?,
        subject: subject(TABLE, row.try_get(2)?, row.try_get(3)?)?,
        state: word(TABLE, &key, row.try_get(4)?)?,
        count: unsigned(row.try_get(5)?),
        first: timestamp(TABLE, &key, row.try_get(6)?)?,
        last: timestamp(TABLE, &key, row.try_get(7)?)?,
        class: word(TABLE, &key, row.try_get(8)?)?,
        message: row.try_get(9)?,
        invocation: uuid(TABLE, row.try_get(10)?)?,
        announced: timestamp(TABLE, &key, row.try_get(11)?)?,
        acknowledged: moment(12)?,
        acknowledged_by: row.try_get(13)?,
        resolved: moment(14)?,
        resolution: resolution.map(|resolution| word(TABLE, &key, resolution)).transpose()?,
    })
}

fn state_word(state: NotificationState) -> &'static str {
    match state {
        NotificationState::Open => "open",
        NotificationState::Acknowledged => "acknowledged",
        NotificationState::Resolved => "resolved",
    }
}

fn resolution_word(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Provisioned => "provisioned",
        Resolution::Removed => "removed",
        Resolution::Skipped => "skipped",
        Resolution::TargetDeleted => "target_deleted",
    }
}
