//! Changes that neither an invocation nor a job at a target follows. There may be many, after old invocations were removed: they are read as
//! a stream.

use futures::TryStreamExt;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Snapshot;
use crate::provisioning::ProvisionedService;
use crate::store::records::{StoredRecord, record_of};
use crate::store::rows::{document, timestamp};
use crate::store::{StoreError, provisioned_services};
use jiff::Timestamp;

/// The last change of a living record that was to be provisioned, and that neither an invocation nor a job at a target
/// follows.
pub struct UnplannedChange {
    pub record: StoredRecord,
    pub sequence: i64,
    pub at: Timestamp,
    /// Where the record stands at the target.
    pub service: Option<ProvisionedService>,
}

/// What a target stores with a record is told to nobody, so it is passed over. A change that was not to be provisioned may
/// have changed the status, so that what came before cannot be told: its record is left out.
const UNPLANNED: &str = "\
    SELECT r.kind, r.id, r.document, r.deleted, r.last_memberships, l.sequence, c.at, s.document FROM records r \
    JOIN (SELECT subject_kind, subject_id, max(CASE WHEN provision = 1 THEN sequence ELSE 0 END) AS sequence, \
            max(CASE WHEN provision = 0 AND actor NOT LIKE 'target:%' THEN sequence ELSE 0 END) AS silent \
          FROM changes WHERE co = $1 GROUP BY subject_kind, subject_id) l \
      ON l.subject_kind = r.kind AND l.subject_id = r.id \
    JOIN changes c ON c.co = r.co AND c.sequence = l.sequence \
    LEFT JOIN provisioned_services s ON s.co = r.co AND s.subject_kind = r.kind AND s.subject_id = r.id \
      AND s.target = $2 \
    WHERE r.co = $1 AND r.deleted IS NULL AND l.sequence > $3 AND l.sequence > l.silent AND NOT EXISTS (\
      SELECT 1 FROM invocations i WHERE i.co = r.co AND i.subject_kind = r.kind AND i.subject_id = r.id \
      AND i.target = $2 AND i.change >= l.sequence) AND NOT EXISTS (\
      SELECT 1 FROM jobs j WHERE j.co = r.co AND j.subject_kind = r.kind AND j.subject_id = r.id \
      AND j.target = $2 AND j.change >= l.sequence)";

impl Snapshot {
    /// Gives to `examine` what is so at a target, of the changes behind `after`.
    pub async fn unplanned_changes(
        &mut self,
        co: &str,
        target: &str,
        after: i64,
        mut examine: impl FnMut(Result<UnplannedChange, StoreError>),
    ) -> Result<(), StoreError> {
        let mut rows = sqlx::query(UNPLANNED).bind(co).bind(target).bind(after).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await? {
            examine(unplanned_of(&row));
        }
        Ok(())
    }
}

fn unplanned_of(row: &AnyRow) -> Result<UnplannedChange, StoreError> {
    let record = record_of(row)?;
    let id = record.key.id.as_str();
    let at = timestamp("changes", id, row.try_get(6)?)?;
    let service: Option<&str> = row.try_get(7)?;
    let service = service.map(|json| document(provisioned_services::TABLE, id, json)).transpose()?;
    Ok(UnplannedChange { sequence: row.try_get(5)?, at, service, record })
}
