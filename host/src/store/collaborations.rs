//! Collaborations: the tenants that everything else belongs to.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::records::record_of;
use super::rows::{document, json};
use super::{Store, StoreError, Transaction};
use crate::registry::record::{Collaboration, RecordKind, Reference, SubjectKey};

impl Store {
    /// All collaborations, by ascending id.
    pub async fn collaborations(&self) -> Result<Vec<Collaboration>, StoreError> {
        let rows = sqlx::query("SELECT id, document FROM collaborations ORDER BY id")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(collaboration_of).collect()
    }

    /// One collaboration.
    pub async fn collaboration(&self, co: &str) -> Result<Option<Collaboration>, StoreError> {
        collaboration(&mut *self.reader().await?, co).await
    }
}

impl Transaction<'_> {
    /// One collaboration.
    pub async fn collaboration(&mut self, co: &str) -> Result<Option<Collaboration>, StoreError> {
        collaboration(self.in_collaboration(co).await?, co).await
    }

    /// Stores a collaboration, in place of the one with its id. If that says anything new, people are to be brought into its
    /// automatic groups.
    pub async fn put_collaboration(&mut self, collaboration: &Collaboration) -> Result<(), StoreError> {
        let document = json(collaboration)?;
        sqlx::query(
            "INSERT INTO collaborations (id, document, unsettled) VALUES ($1, $2, '') \
             ON CONFLICT (id) DO UPDATE SET document = excluded.document, unsettled = CASE \
             WHEN collaborations.document = excluded.document THEN collaborations.unsettled ELSE '' END",
        )
        .bind(collaboration.id.as_str())
        .bind(document)
        .execute(self.in_configuration(&collaboration.id).await?)
        .await?;
        Ok(())
    }
}

/// Records that may name an entry: whether they do is told by reading them.
const MENTIONS: &str = "SELECT kind, id, document, deleted, last_memberships FROM records \
     WHERE co = $1 AND deleted IS NULL AND document LIKE $2 ESCAPE '\\' AND (kind, id) > ($3, $4) \
     ORDER BY kind, id LIMIT 100";

impl Transaction<'_> {
    /// The `id`s of living groups whose `id` begins so, ascending.
    pub async fn group_ids_below(&mut self, co: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM records WHERE co = $1 AND kind = 'group' AND id >= $2 AND id < $3 \
             AND deleted IS NULL ORDER BY id",
        )
        .bind(co)
        .bind(prefix)
        // Behind all that begin so: no text has a greater character.
        .bind(format!("{prefix}{}", char::MAX))
        .fetch_all(self.in_collaboration(co).await?)
        .await?;
        Ok(ids)
    }

    /// A living record that refers to an entry of its collaboration, if there is one, but for these groups. Reads all
    /// records.
    pub async fn record_that_refers(
        &mut self,
        co: &str,
        reference: Reference,
        id: &str,
        but: &[String],
    ) -> Result<Option<SubjectKey>, StoreError> {
        let mut text = format!("\"{}\":\"{id}\"", reference.field());
        for special in ['\\', '%', '_'] {
            text = text.replace(special, &format!("\\{special}"));
        }
        let mut after = (String::new(), String::new());
        loop {
            let rows = sqlx::query(MENTIONS)
                .bind(co)
                .bind(format!("%{text}%"))
                .bind(after.0.as_str())
                .bind(after.1.as_str())
                .fetch_all(self.in_collaboration(co).await?)
                .await?;
            for row in &rows {
                let stored = record_of(row)?;
                let counts = stored.key.kind != RecordKind::Group || !but.contains(&stored.key.id);
                if counts && reference.is_in(&stored.record, id) {
                    return Ok(Some(stored.key));
                }
                after = (stored.key.kind.word().to_owned(), stored.key.id);
            }
            if rows.is_empty() {
                return Ok(None);
            }
        }
    }
}

async fn collaboration(
    connection: &mut AnyConnection,
    co: &str,
) -> Result<Option<Collaboration>, StoreError> {
    let row = sqlx::query("SELECT id, document FROM collaborations WHERE id = $1")
        .bind(co)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(collaboration_of).transpose()
}

pub(super) fn collaboration_of(row: &AnyRow) -> Result<Collaboration, StoreError> {
    document("collaborations", row.try_get(0)?, row.try_get(1)?)
}
