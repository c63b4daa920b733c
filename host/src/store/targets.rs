//! Provisioning targets and data filters.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{document, json};
use super::{Store, StoreError, Transaction};
use crate::provisioning::{Filter, Target};

impl Store {
    /// The targets of a collaboration, by ascending id.
    pub async fn targets(&self, co: &str) -> Result<Vec<Target>, StoreError> {
        targets(&mut *self.reader().await?, co).await
    }

    /// One target.
    pub async fn target(&self, co: &str, id: &str) -> Result<Option<Target>, StoreError> {
        target(&mut *self.reader().await?, co, id).await
    }

    /// The filters of a collaboration, by ascending id.
    pub async fn filters(&self, co: &str) -> Result<Vec<Filter>, StoreError> {
        filters(&mut *self.reader().await?, co).await
    }

    /// One filter.
    pub async fn filter(&self, co: &str, id: &str) -> Result<Option<Filter>, StoreError> {
        filter(&mut *self.reader().await?, co, id).await
    }

    /// The ids of the targets that have the filter.
    pub async fn filter_users(&self, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
        filter_users(&mut *self.reader().await?, co, id).await
    }
}

impl Transaction<'_> {
    /// The targets of a collaboration, by ascending id.
    pub async fn targets(&mut self, co: &str) -> Result<Vec<Target>, StoreError> {
        targets(self.in_collaboration(co).await?, co).await
    }

    /// One target.
    pub async fn target(&mut self, co: &str, id: &str) -> Result<Option<Target>, StoreError> {
        target(self.in_collaboration(co).await?, co, id).await
    }

    /// Stores a target in place of the one with its id. Its plugin must be installed.
    pub async fn put_target(&mut self, co: &str, target: &Target) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO targets (co, id, plugin, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (co, id) DO UPDATE SET plugin = excluded.plugin, document = excluded.document",
        )
        .bind(co)
        .bind(target.id.as_str())
        .bind(target.plugin.digest.as_str())
        .bind(json(target)?)
        .execute(self.in_configuration(co).await?)
        .await?;
        Ok(())
    }

    /// Removes a target, its plugin's state, its provisioned services and its unfinished invocations, and returns
    /// whether there was one. Finished invocations stay.
    pub async fn delete_target(&mut self, co: &str, id: &str) -> Result<bool, StoreError> {
        let connection = self.in_configuration(co).await?;
        for statement in [
            "DELETE FROM plugin_state WHERE co = $1 AND target = $2",
            "DELETE FROM provisioned_services WHERE co = $1 AND target = $2",
            "DELETE FROM provisioned_records WHERE co = $1 AND target = $2",
            "DELETE FROM invocations WHERE co = $1 AND target = $2 AND finished IS NULL",
        ] {
            sqlx::query(statement).bind(co).bind(id).execute(&mut *connection).await?;
        }
        sqlx::query(
            "UPDATE jobs SET status = 'canceled', ended = $3, message = 'the target was removed', gave_up = 0 \
             WHERE co = $1 AND target = $2 AND status IN ('queued', 'in_progress')",
        )
        .bind(co)
        .bind(id)
        .bind(Timestamp::now().as_microsecond())
        .execute(&mut *connection)
        .await?;
        let deleted = sqlx::query("DELETE FROM targets WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id)
            .execute(connection)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The filters of a collaboration, by ascending id.
    pub async fn filters(&mut self, co: &str) -> Result<Vec<Filter>, StoreError> {
        filters(self.in_collaboration(co).await?, co).await
    }

    /// One filter.
    pub async fn filter(&mut self, co: &str, id: &str) -> Result<Option<Filter>, StoreError> {
        filter(self.in_collaboration(co).await?, co, id).await
    }

    /// Stores a filter in place of the one with its id. Its plugin must be installed.
    pub async fn put_filter(&mut self, co: &str, filter: &Filter) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO filters (co, id, plugin, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (co, id) DO UPDATE SET plugin = excluded.plugin, document = excluded.document",
        )
        .bind(co)
        .bind(filter.id.as_str())
        .bind(filter.plugin.digest.as_str())
        .bind(json(filter)?)
        .execute(self.in_configuration(co).await?)
        .await?;
        Ok(())
    }

    /// Removes a filter and returns whether there was one.
    pub async fn delete_filter(&mut self, co: &str, id: &str) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM filters WHERE co = $1 AND id = $2")
            .bind(co)
            .bind(id)
            .execute(self.in_configuration(co).await?)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The ids of the targets that have the filter.
    pub async fn filter_users(&mut self, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
        filter_users(self.in_collaboration(co).await?, co, id).await
    }
}

pub(super) async fn targets(connection: &mut AnyConnection, co: &str) -> Result<Vec<Target>, StoreError> {
    let rows = sqlx::query("SELECT id, document FROM targets WHERE co = $1 ORDER BY id")
        .bind(co)
        .fetch_all(connection)
        .await?;
    rows.iter().map(target_of).collect()
}

async fn target(connection: &mut AnyConnection, co: &str, id: &str) -> Result<Option<Target>, StoreError> {
    let row = sqlx::query("SELECT id, document FROM targets WHERE co = $1 AND id = $2")
        .bind(co)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(target_of).transpose()
}

async fn filters(connection: &mut AnyConnection, co: &str) -> Result<Vec<Filter>, StoreError> {
    let rows = sqlx::query("SELECT id, document FROM filters WHERE co = $1 ORDER BY id")
        .bind(co)
        .fetch_all(connection)
        .await?;
    rows.iter().map(filter_of).collect()
}

async fn filter(connection: &mut AnyConnection, co: &str, id: &str) -> Result<Option<Filter>, StoreError> {
    let row = sqlx::query("SELECT id, document FROM filters WHERE co = $1 AND id = $2")
        .bind(co)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(filter_of).transpose()
}

async fn filter_users(connection: &mut AnyConnection, co: &str, id: &str) -> Result<Vec<String>, StoreError> {
    let users = targets(connection, co).await?.into_iter();
    Ok(users
        .filter(|target| target.filters.iter().any(|filter| filter == id))
        .map(|target| target.id)
        .collect())
}

fn target_of(row: &AnyRow) -> Result<Target, StoreError> {
    document("targets", row.try_get(0)?, row.try_get(1)?)
}

fn filter_of(row: &AnyRow) -> Result<Filter, StoreError> {
    document("filters", row.try_get(0)?, row.try_get(1)?)
}
