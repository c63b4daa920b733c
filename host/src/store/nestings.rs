//! Groups nested in groups.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::dialect::Dialect;
use super::rows::ManyKeys;
use super::{Store, StoreError, Transaction};
use crate::registry::record::GroupNesting;

pub(super) const OF_GROUPS: ManyKeys = ManyKeys {
    head: &["SELECT group_id, source_id, negate FROM group_nestings WHERE co = ", " AND group_id IN"],
    tail: "",
};
pub(super) const OF_SOURCES: ManyKeys = ManyKeys {
    head: &["SELECT group_id, source_id, negate FROM group_nestings WHERE co = ", " AND source_id IN"],
    tail: "",
};
pub(super) const DELETE_OF_GROUP: &str =
    "DELETE FROM group_nestings WHERE co = $1 AND (group_id = $2 OR source_id = $2)";

impl Store {
    /// A page of what is nested in a group, by ascending id of the nested group, from behind `after`.
    pub async fn nestings_of_group(
        &self,
        co: &str,
        group: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupNesting>, StoreError> {
        let rows = sqlx::query(
            "SELECT group_id, source_id, negate FROM group_nestings \
             WHERE co = $1 AND group_id = $2 AND source_id > $3 ORDER BY source_id LIMIT $4",
        )
        .bind(co)
        .bind(group)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(nesting_of).collect()
    }
}

impl Transaction<'_> {
    /// What is nested in these groups, in no order.
    pub async fn nestings_of_groups(
        &mut self,
        co: &str,
        groups: &[String],
    ) -> Result<Vec<GroupNesting>, StoreError> {
        let dialect = self.dialect;
        nestings(&OF_GROUPS, self.in_collaboration(co).await?, dialect, co, groups).await
    }

    /// What these groups are nested in, in no order.
    pub async fn nestings_of_sources(
        &mut self,
        co: &str,
        sources: &[String],
    ) -> Result<Vec<GroupNesting>, StoreError> {
        let dialect = self.dialect;
        nestings(&OF_SOURCES, self.in_collaboration(co).await?, dialect, co, sources).await
    }

    /// Stores a nesting, in place of that of the same groups.
    pub async fn put_nesting(&mut self, co: &str, nesting: &GroupNesting) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO group_nestings (co, group_id, source_id, negate) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (co, group_id, source_id) DO UPDATE SET negate = excluded.negate",
        )
        .bind(co)
        .bind(nesting.group.as_str())
        .bind(nesting.source.as_str())
        .bind(i64::from(nesting.negate))
        .execute(self.in_collaboration(co).await?)
        .await?;
        Ok(())
    }

    /// Removes a nesting and tells whether it was there.
    pub async fn delete_nesting(&mut self, co: &str, group: &str, source: &str) -> Result<bool, StoreError> {
        let deleted =
            sqlx::query("DELETE FROM group_nestings WHERE co = $1 AND group_id = $2 AND source_id = $3")
                .bind(co)
                .bind(group)
                .bind(source)
                .execute(self.in_collaboration(co).await?)
                .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

async fn nestings(
    statement: &ManyKeys,
    connection: &mut AnyConnection,
    dialect: Dialect,
    co: &str,
    groups: &[String],
) -> Result<Vec<GroupNesting>, StoreError> {
    let rows =
        statement.fetch(connection, dialect, &[co], groups, |query, id| query.bind(id.as_str())).await?;
    rows.iter().map(nesting_of).collect()
}

pub(super) fn nesting_of(row: &AnyRow) -> Result<GroupNesting, StoreError> {
    Ok(GroupNesting {
        group: row.try_get(0)?,
        source: row.try_get(1)?,
        negate: row.try_get::<i64, _>(2)? != 0,
    })
}
