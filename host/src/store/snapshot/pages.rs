//! Rows in the order of their keys, a page at a time: for rules that look into documents. A row that cannot be read is an
//! error of its own, and the page goes on.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::Snapshot;
use crate::provisioning::{Filter, Invocation, InvocationOutcome, ProvisionedService, Target};
use crate::registry::record::{Collaboration, Membership};
use crate::store::notification_settings::{self, NotificationSettingsRow};
use crate::store::records::{StoredRecord, record_of};
use crate::store::rows::{document, timestamp, unsigned, uuid};
use crate::store::servers::{ServerRow, server_of};
use crate::store::{StoreError, collaborations, invocations, memberships, provisioned_services};

/// Rows read at once.
const PAGE: i64 = 500;

/// The texts, and the id of an invocation, that a page ends with: where the next one begins.
#[derive(Clone, Debug, Default)]
pub struct PageKey {
    texts: Vec<String>,
    id: Vec<u8>,
}

/// Some rows, and where the next ones begin; `None` after the last.
pub struct Page<T> {
    pub rows: Vec<Result<T, StoreError>>,
    pub next: Option<PageKey>,
}

impl<T> Page<T> {
    /// Reads rows whose first columns are `texts` texts of the key.
    fn of(
        rows: &[AnyRow],
        texts: usize,
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let full = rows.len() as i64 == PAGE;
        let next = match rows.last().filter(|_| full) {
            None => None,
            Some(last) => {
                let texts = (0..texts).map(|column| last.try_get(column)).collect::<Result<_, _>>()?;
                Some(PageKey { texts, id: Vec::new() })
            }
        };
        Ok(Self { rows: rows.iter().map(read).collect(), next })
    }
}

impl PageKey {
    /// One text of the key; empty, which is before all others, at the beginning.
    fn text(&self, number: usize) -> String {
        self.texts.get(number).cloned().unwrap_or_default()
    }
}

/// An invocation with what belongs to it.
pub struct CheckedInvocation {
    pub co: String,
    pub invocation: Invocation,
    /// Whether the row says that it failed.
    pub failed: bool,
    pub has_transcript: bool,
}

/// A provisioned service with the newest invocation of the same subject at the same target that is finished.
pub struct CheckedService {
    pub co: String,
    pub service: ProvisionedService,
    pub newest: Option<(Uuid, Option<InvocationOutcome>)>,
    /// Whether the last provisioned record is there.
    pub has_record: bool,
}

/// A record, also a deleted one.
pub struct CheckedRecord {
    pub co: String,
    pub stored: StoredRecord,
    /// When time changes what is valid of it.
    pub due: Option<Timestamp>,
}

/// A membership with the key that it is stored by.
pub struct CheckedMembership {
    pub co: String,
    pub group: String,
    pub person: String,
    pub membership: Membership,
    /// When time makes it valid, or ends that.
    pub due: Option<Timestamp>,
}

/// A target with the digest that it is stored with.
pub struct CheckedTarget {
    pub target: Target,
    pub plugin: String,
}

/// A plugin as the catalog has it.
pub struct CheckedPlugin {
    pub digest: String,
    pub name: String,
    pub size_bytes: u64,
}

impl Snapshot {
    /// All collaborations.
    pub async fn collaborations(&mut self) -> Result<Vec<Result<Collaboration, StoreError>>, StoreError> {
        let rows = sqlx::query("SELECT id, document FROM collaborations ORDER BY id")
            .fetch_all(&mut self.connection)
            .await?;
        Ok(rows.iter().map(collaborations::collaboration_of).collect())
    }

    /// Records, also deleted ones.
    pub async fn checked_records(&mut self, after: &PageKey) -> Result<Page<CheckedRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, id, document, deleted, last_memberships, co, due FROM records \
             WHERE (co, kind, id) > ($1, $2, $3) ORDER BY co, kind, id LIMIT $4",
        )
        .bind(after.text(0))
        .bind(after.text(1))
        .bind(after.text(2))
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        let mut page = Page::of(&rows, 2, |row| {
            let stored = record_of(row)?;
            let due = due_of(row, 6, &stored.key.id)?;
            Ok(CheckedRecord { co: row.try_get(5)?, stored, due })
        })?;
        if let (Some(next), Some(last)) = (&mut page.next, rows.last()) {
            next.texts.insert(0, last.try_get(5)?);
        }
        Ok(page)
    }

    /// Memberships.
    pub async fn checked_memberships(
        &mut self,
        after: &PageKey,
    ) -> Result<Page<CheckedMembership>, StoreError> {
        let rows = sqlx::query(
            "SELECT co, group_id, person_id, document, due FROM memberships \
             WHERE (co, group_id, person_id) > ($1, $2, $3) ORDER BY co, group_id, person_id LIMIT $4",
        )
        .bind(after.text(0))
        .bind(after.text(1))
        .bind(after.text(2))
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        Page::of(&rows, 3, |row| {
            let (group, person): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            let membership = document(memberships::TABLE, &format!("{group}/{person}"), row.try_get(3)?)?;
            let due = due_of(row, 4, &person)?;
            Ok(CheckedMembership { co: row.try_get(0)?, group, person, membership, due })
        })
    }

    /// Invocations.
    pub async fn checked_invocations(
        &mut self,
        after: &PageKey,
    ) -> Result<Page<CheckedInvocation>, StoreError> {
        let rows = sqlx::query(invocations::CHECKED)
            .bind(after.text(0))
            .bind(after.id.as_slice())
            .bind(PAGE)
            .fetch_all(&mut self.connection)
            .await?;
        let mut page = Page::of(&rows, 1, |row| {
            Ok(CheckedInvocation {
                co: row.try_get(0)?,
                invocation: invocations::invocation_of(row)?,
                failed: row.try_get::<i64, _>(18)? != 0,
                has_transcript: row.try_get::<i64, _>(19)? != 0,
            })
        })?;
        if let (Some(next), Some(last)) = (&mut page.next, rows.last()) {
            next.id = last.try_get(1)?;
        }
        Ok(page)
    }

    /// The oldest finished invocation of a collaboration that is still there.
    pub async fn oldest_finished(&mut self, co: &str) -> Result<Option<Uuid>, StoreError> {
        let oldest: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT id FROM invocations WHERE co = $1 AND finished IS NOT NULL ORDER BY id LIMIT 1",
        )
        .bind(co)
        .fetch_optional(&mut self.connection)
        .await?;
        oldest.map(|id| uuid(invocations::TABLE, &id)).transpose()
    }

    /// Provisioned services.
    pub async fn checked_services(&mut self, after: &PageKey) -> Result<Page<CheckedService>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.co, s.subject_kind, s.subject_id, s.target, s.document, i.id, i.outcome, \
               CASE WHEN EXISTS (SELECT 1 FROM provisioned_records p WHERE p.co = s.co \
                 AND p.subject_kind = s.subject_kind AND p.subject_id = s.subject_id AND p.target = s.target) \
               THEN 1 ELSE 0 END \
             FROM provisioned_services s LEFT JOIN invocations i ON i.co = s.co AND i.id = (\
               SELECT n.id FROM invocations n WHERE n.co = s.co AND n.subject_kind = s.subject_kind \
               AND n.subject_id = s.subject_id AND n.target = s.target AND n.finished IS NOT NULL \
               ORDER BY n.id DESC LIMIT 1) \
             WHERE (s.co, s.subject_kind, s.subject_id, s.target) > ($1, $2, $3, $4) \
             ORDER BY s.co, s.subject_kind, s.subject_id, s.target LIMIT $5",
        )
        .bind(after.text(0))
        .bind(after.text(1))
        .bind(after.text(2))
        .bind(after.text(3))
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        Page::of(&rows, 4, |row| {
            let (kind, id, target): (&str, &str, &str) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            let key = format!("{kind} {id} at {target}");
            let service = document(provisioned_services::TABLE, &key, row.try_get(4)?)?;
            let newest = row.try_get::<Option<Vec<u8>>, _>(5)?;
            let newest = newest.map(|id| uuid(invocations::TABLE, &id)).transpose()?;
            let outcome: Option<&str> = row.try_get(6)?;
            let outcome = outcome.map(|json| document(invocations::TABLE, &key, json)).transpose()?;
            let has_record = row.try_get::<i64, _>(7)? != 0;
            let newest = newest.map(|id| (id, outcome));
            Ok(CheckedService { co: row.try_get(0)?, service, newest, has_record })
        })
    }

    /// The targets of a collaboration.
    pub async fn checked_targets(
        &mut self,
        co: &str,
    ) -> Result<Vec<Result<CheckedTarget, StoreError>>, StoreError> {
        let rows = sqlx::query("SELECT id, document, plugin FROM targets WHERE co = $1 ORDER BY id")
            .bind(co)
            .fetch_all(&mut self.connection)
            .await?;
        let read = |row: &AnyRow| {
            let target = document("targets", row.try_get(0)?, row.try_get(1)?)?;
            Ok(CheckedTarget { target, plugin: row.try_get(2)? })
        };
        Ok(rows.iter().map(read).collect())
    }

    /// The filters of a collaboration, each with the digest that it is stored with.
    pub async fn checked_filters(
        &mut self,
        co: &str,
    ) -> Result<Vec<Result<(Filter, String), StoreError>>, StoreError> {
        let rows = sqlx::query("SELECT id, document, plugin FROM filters WHERE co = $1 ORDER BY id")
            .bind(co)
            .fetch_all(&mut self.connection)
            .await?;
        let read =
            |row: &AnyRow| Ok((document("filters", row.try_get(0)?, row.try_get(1)?)?, row.try_get(2)?));
        Ok(rows.iter().map(read).collect())
    }

    /// The servers of a collaboration.
    pub async fn checked_servers(
        &mut self,
        co: &str,
    ) -> Result<Vec<Result<ServerRow, StoreError>>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, description, configuration, secrets, revision FROM servers WHERE co = $1 ORDER BY id",
        )
        .bind(co)
        .fetch_all(&mut self.connection)
        .await?;
        Ok(rows.iter().map(server_of).collect())
    }

    /// Where the notifications of each collaboration go that has settings of its own.
    pub async fn checked_notification_settings(
        &mut self,
    ) -> Result<Vec<(String, Result<NotificationSettingsRow, StoreError>)>, StoreError> {
        let rows = sqlx::query("SELECT document, secrets, co FROM notification_settings ORDER BY co")
            .fetch_all(&mut self.connection)
            .await?;
        let read = |row: &AnyRow| {
            let co: String = row.try_get(2)?;
            let settings = notification_settings::settings_of(&co, row);
            Ok((co, settings))
        };
        rows.iter().map(read).collect()
    }

    /// The plugins of the catalog.
    pub async fn checked_plugins(&mut self) -> Result<Vec<CheckedPlugin>, StoreError> {
        let rows = sqlx::query("SELECT digest, name, size_bytes FROM plugins ORDER BY digest")
            .fetch_all(&mut self.connection)
            .await?;
        let read = |row: &AnyRow| {
            let size_bytes = unsigned(row.try_get(2)?);
            Ok(CheckedPlugin { digest: row.try_get(0)?, name: row.try_get(1)?, size_bytes })
        };
        rows.iter().map(read).collect()
    }

    /// The component of a plugin.
    pub async fn component(&mut self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let wasm = sqlx::query_scalar("SELECT wasm FROM plugin_components WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(wasm)
    }
}

fn due_of(row: &AnyRow, column: usize, key: &str) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = row.try_get(column)?;
    due.map(|due| timestamp("records", key, due)).transpose()
}
