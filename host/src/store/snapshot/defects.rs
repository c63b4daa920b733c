//! Rows that lack what they refer to, or have what they must not: each kind is a query whose result should be empty.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::Snapshot;
use crate::store::StoreError;
use crate::store::dialect::Dialect;

/// A table, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Changes,
    PluginState,
    Notifications,
    ApiKeys,
    Jobs,
}

impl Table {
    pub(super) fn count_sql(self) -> &'static str {
        match self {
            Self::Changes => "SELECT count(*) FROM changes",
            Self::PluginState => "SELECT count(*) FROM plugin_state",
            Self::Notifications => "SELECT count(*) FROM notifications",
            Self::Jobs => "SELECT count(*) FROM jobs",
            Self::ApiKeys => "SELECT count(*) FROM api_keys",
        }
    }
}

/// A kind of row that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A record, server, filter or target of no collaboration.
    WithoutCollaboration,
    /// A record without a change, or whose last change says that it lives when it is deleted, or the other way round.
    RecordUnlikeItsHistory,
    /// A change whose number does not follow from the one before.
    ChangeAfterGap,
    /// A change of a record that is not there.
    ChangeWithoutRecord,
    MembershipWithoutPerson,
    MembershipWithoutGroup,
    /// A nesting of which one group does not live.
    NestingWithoutGroup,
    /// An invocation that follows from a change that is not there, was not to be provisioned, or was made at another time.
    InvocationWithoutChange,
    InvocationWithoutRecord,
    /// Work for a target that is gone.
    UnfinishedWithoutTarget,
    /// Work of a worker that never was.
    UnfinishedWithoutWorker,
    /// Work of one subject at one target that two workers have: they could call the target at the same time.
    UnfinishedOfTwoWorkers,
    TranscriptWithoutInvocation,
    /// A job that is said to run, and does not.
    JobWithoutRun,
    /// A run of a job that is not said to run.
    RunWithoutJob,
    /// A job that waits or runs for a target that is gone.
    JobWithoutTarget,
    ServiceWithoutTarget,
    ServiceWithoutRecord,
    /// The last provisioned record of a place where the subject does not stand.
    ProvisionedRecordWithoutService,
    StateWithoutTarget,
    StateWithoutRecord,
    HistoryWithoutRecord,
    /// One that is not resolved, of a target that is gone.
    NotificationWithoutTarget,
    /// One that is not resolved, though the last thing that happened to the subject at the target was no failure.
    NotificationWithoutFailure,
    /// A subject whose last provisioning to a target failed, and nobody is to know.
    FailureWithoutNotification,
    /// Something to be told of a notification that is not there.
    EventWithoutNotification,
    /// Something to be told by a channel that does not wake up for it.
    EventWithoutWaking,
    /// A target or filter whose plugin is not installed.
    WithoutPlugin,
    PluginWithoutComponent,
    ApiKeyWithoutCollaboration,
}

/// What was found of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defects {
    pub total: u64,
    /// The first of them: "person 42 in physics".
    pub names: Vec<String>,
}

/// Stands in a query for the hexadecimal digits of an invocation's id.
const ID: &str = "HEX(i.id)";

impl Snapshot {
    /// How many rows are so, and the first of them.
    pub async fn defects(&mut self, defect: Defect, limit: u32) -> Result<Defects, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => defect.sql().to_owned(),
            Dialect::Postgres => defect.sql().replace(ID, "encode(i.id, 'hex')"),
        };
        let first = AssertSqlSafe(format!("{sql} LIMIT {limit}"));
        let rows = sqlx::query(first).fetch_all(&mut self.connection).await?;
        let mut names = Vec::with_capacity(rows.len());
        for row in &rows {
            let (co, what, id): (String, String, String) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            // The digits of an identifier as it is written everywhere else.
            let id =
                if what == INVOCATION { Uuid::parse_str(&id).map_or(id, |id| id.to_string()) } else { id };
            names.push(format!("{what} {id} in {co}"));
        }
        let mut total = names.len() as u64;
        if total == u64::from(limit) {
            let count = AssertSqlSafe(format!("SELECT count(*) FROM ({sql}) AS found"));
            let count: i64 = sqlx::query_scalar(count).fetch_one(&mut self.connection).await?;
            total = crate::store::rows::unsigned(count);
        }
        Ok(Defects { total, names })
    }
}

const INVOCATION: &str = "invocation";

impl Defect {
    /// Selects the collaboration, the kind of thing, and what names it there.
    #[rustfmt::skip]
    fn sql(self) -> &'static str {
        match self {
            Self::WithoutCollaboration =>
                "SELECT x.co, x.what, x.id FROM (\
                   SELECT co, kind AS what, id FROM records UNION ALL SELECT co, 'server', id FROM servers \
                   UNION ALL SELECT co, 'filter', id FROM filters UNION ALL SELECT co, 'target', id FROM targets) x \
                 LEFT JOIN collaborations c ON c.id = x.co WHERE c.id IS NULL",
            Self::RecordUnlikeItsHistory =>
                "SELECT r.co, r.kind, r.id FROM records r LEFT JOIN (\
                   SELECT co, subject_kind, subject_id, max(sequence) AS sequence FROM changes \
                   GROUP BY co, subject_kind, subject_id) l \
                   ON l.co = r.co AND l.subject_kind = r.kind AND l.subject_id = r.id \
                 LEFT JOIN changes c ON c.co = l.co AND c.sequence = l.sequence \
                 WHERE c.sequence IS NULL OR (c.operation = 'deleted') <> (r.deleted IS NOT NULL)",
            Self::ChangeAfterGap =>
                "SELECT c.co, 'change', CAST(c.sequence AS TEXT) FROM changes c WHERE c.sequence <> 1 AND NOT EXISTS (\
                   SELECT 1 FROM changes p WHERE p.co = c.co AND p.sequence = c.sequence - 1)",
            Self::ChangeWithoutRecord =>
                "SELECT c.co, 'change', CAST(c.sequence AS TEXT) FROM changes c LEFT JOIN records r \
                   ON r.co = c.co AND r.kind = c.subject_kind AND r.id = c.subject_id WHERE r.id IS NULL",
            Self::NestingWithoutGroup =>
                "SELECT n.co, 'nesting', n.group_id || '/' || n.source_id FROM group_nestings n \
                 LEFT JOIN records g ON g.co = n.co AND g.kind = 'group' AND g.id = n.group_id AND g.deleted IS NULL \
                 LEFT JOIN records s ON s.co = n.co AND s.kind = 'group' AND s.id = n.source_id AND s.deleted IS NULL \
                 WHERE g.id IS NULL OR s.id IS NULL",
            Self::MembershipWithoutPerson =>
                "SELECT m.co, 'membership', m.group_id || '/' || m.person_id FROM memberships m LEFT JOIN records r \
                   ON r.co = m.co AND r.kind = 'person' AND r.id = m.person_id AND r.deleted IS NULL WHERE r.id IS NULL",
            Self::MembershipWithoutGroup =>
                "SELECT m.co, 'membership', m.group_id || '/' || m.person_id FROM memberships m LEFT JOIN records r \
                   ON r.co = m.co AND r.kind = 'group' AND r.id = m.group_id AND r.deleted IS NULL WHERE r.id IS NULL",
            Self::InvocationWithoutChange =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM invocations i LEFT JOIN changes c \
                   ON c.co = i.co AND c.sequence = i.change \
                 WHERE i.change IS NOT NULL AND (c.sequence IS NULL OR c.provision = 0 OR c.at <> i.planned AND i.job IS NULL)",
            Self::InvocationWithoutRecord =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM invocations i LEFT JOIN records r \
                   ON r.co = i.co AND r.kind = i.subject_kind AND r.id = i.subject_id WHERE r.id IS NULL",
            Self::UnfinishedWithoutTarget =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM invocations i LEFT JOIN targets t \
                   ON t.co = i.co AND t.id = i.target WHERE i.finished IS NULL AND t.id IS NULL",
            Self::UnfinishedWithoutWorker =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM invocations i LEFT JOIN workers w ON w.id = i.worker \
                 WHERE i.finished IS NULL AND w.id IS NULL",
            Self::UnfinishedOfTwoWorkers =>
                "SELECT i.co, i.subject_kind, i.subject_id || ' at ' || i.target FROM invocations i \
                 WHERE i.finished IS NULL GROUP BY i.co, i.subject_kind, i.subject_id, i.target \
                 HAVING count(DISTINCT i.worker) > 1",
            Self::JobWithoutRun =>
                "SELECT j.co, 'job', CAST(j.id AS TEXT) FROM jobs j WHERE j.status = 'in_progress' \
                 AND j.kind = 'provision' AND NOT EXISTS (SELECT 1 FROM invocations i \
                   WHERE i.co = j.co AND i.job = j.id AND i.finished IS NULL)",
            Self::RunWithoutJob =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM invocations i LEFT JOIN jobs j \
                   ON j.co = i.co AND j.id = i.job \
                 WHERE i.job IS NOT NULL AND i.finished IS NULL AND (j.id IS NULL OR j.status <> 'in_progress')",
            Self::JobWithoutTarget =>
                "SELECT j.co, 'job', CAST(j.id AS TEXT) FROM jobs j LEFT JOIN targets t \
                   ON t.co = j.co AND t.id = j.target WHERE j.status IN ('queued', 'in_progress') AND t.id IS NULL",
            Self::TranscriptWithoutInvocation =>
                "SELECT i.co, 'invocation', HEX(i.id) FROM transcripts i LEFT JOIN invocations p \
                   ON p.co = i.co AND p.id = i.id WHERE p.id IS NULL",
            Self::ServiceWithoutTarget =>
                "SELECT s.co, s.subject_kind, s.subject_id || ' at ' || s.target FROM provisioned_services s \
                 LEFT JOIN targets t ON t.co = s.co AND t.id = s.target WHERE t.id IS NULL",
            Self::ServiceWithoutRecord =>
                "SELECT s.co, s.subject_kind, s.subject_id || ' at ' || s.target FROM provisioned_services s \
                 LEFT JOIN records r ON r.co = s.co AND r.kind = s.subject_kind AND r.id = s.subject_id \
                 WHERE r.id IS NULL",
            Self::ProvisionedRecordWithoutService =>
                "SELECT p.co, p.subject_kind, p.subject_id || ' at ' || p.target FROM provisioned_records p \
                 LEFT JOIN provisioned_services s ON s.co = p.co AND s.subject_kind = p.subject_kind \
                   AND s.subject_id = p.subject_id AND s.target = p.target WHERE s.target IS NULL",
            Self::StateWithoutTarget =>
                "SELECT DISTINCT s.co, 'target', s.target FROM plugin_state s LEFT JOIN targets t \
                   ON t.co = s.co AND t.id = s.target WHERE t.id IS NULL",
            Self::StateWithoutRecord =>
                "SELECT DISTINCT s.co, s.subject_kind, s.subject_id || ' at ' || s.target FROM plugin_state s \
                 LEFT JOIN records r ON r.co = s.co AND r.kind = s.subject_kind AND r.id = s.subject_id \
                 WHERE s.subject_kind <> '' AND r.id IS NULL",
            Self::HistoryWithoutRecord =>
                "SELECT DISTINCT h.co, h.subject_kind, h.subject_id FROM provisioning_history h LEFT JOIN records r \
                   ON r.co = h.co AND r.kind = h.subject_kind AND r.id = h.subject_id WHERE r.id IS NULL",
            Self::NotificationWithoutTarget =>
                "SELECT n.co, n.subject_kind, n.subject_id || ' at ' || n.target FROM notifications n \
                 LEFT JOIN targets t ON t.co = n.co AND t.id = n.target WHERE n.resolved IS NULL AND t.id IS NULL",
            Self::NotificationWithoutFailure =>
                "SELECT n.co, n.subject_kind, n.subject_id || ' at ' || n.target FROM notifications n \
                 JOIN invocations i ON i.co = n.co AND i.id = (\
                   SELECT l.id FROM invocations l WHERE l.co = n.co AND l.subject_kind = n.subject_kind \
                   AND l.subject_id = n.subject_id AND l.target = n.target AND l.finished IS NOT NULL \
                   ORDER BY l.id DESC LIMIT 1) WHERE n.resolved IS NULL AND i.failed = 0",
            Self::FailureWithoutNotification =>
                "SELECT s.co, s.subject_kind, s.subject_id || ' at ' || s.target FROM provisioned_services s \
                 JOIN invocations i ON i.co = s.co AND i.id = (\
                   SELECT l.id FROM invocations l WHERE l.co = s.co AND l.subject_kind = s.subject_kind \
                   AND l.subject_id = s.subject_id AND l.target = s.target AND l.finished IS NOT NULL \
                   ORDER BY l.id DESC LIMIT 1) \
                 LEFT JOIN notifications n ON n.resolved IS NULL AND n.co = s.co AND n.target = s.target \
                   AND n.subject_kind = s.subject_kind AND n.subject_id = s.subject_id \
                 WHERE i.failed = 1 AND n.id IS NULL",
            Self::EventWithoutNotification =>
                "SELECT DISTINCT e.co, 'channel', e.channel FROM notification_events e LEFT JOIN notifications n \
                   ON n.co = e.co AND n.id = e.notification WHERE n.id IS NULL",
            Self::EventWithoutWaking =>
                "SELECT DISTINCT e.co, 'channel', e.channel FROM notification_events e \
                 LEFT JOIN notification_channels c ON c.co = e.co AND c.channel = e.channel WHERE c.due IS NULL",
            Self::WithoutPlugin =>
                "SELECT x.co, x.what, x.id FROM (SELECT co, 'filter' AS what, id, plugin FROM filters \
                   UNION ALL SELECT co, 'target', id, plugin FROM targets) x \
                 LEFT JOIN plugins p ON p.digest = x.plugin WHERE p.digest IS NULL",
            Self::PluginWithoutComponent =>
                "SELECT 'the catalog', 'plugin', p.digest FROM plugins p LEFT JOIN plugin_components c \
                   ON c.digest = p.digest WHERE c.digest IS NULL",
            Self::ApiKeyWithoutCollaboration =>
                "SELECT k.co, 'key', k.id FROM api_keys k LEFT JOIN collaborations c ON c.id = k.co \
                 WHERE k.co IS NOT NULL AND c.id IS NULL",
        }
    }
}
