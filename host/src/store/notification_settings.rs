//! Where the notifications of a collaboration go; secrets are sealed by the caller.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{document, json};
use super::{Store, StoreError, Transaction};
use crate::provisioning::NotificationSettings;

/// Settings with their secrets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotificationSettingsRow {
    pub settings: NotificationSettings,
    /// Sealed text by field.
    pub secrets: BTreeMap<String, String>,
}

impl Store {
    /// The settings of a collaboration; the default when it has none.
    pub async fn notification_settings(&self, co: &str) -> Result<NotificationSettingsRow, StoreError> {
        settings(&mut *self.reader().await?, co).await
    }
}

impl Transaction<'_> {
    /// The settings of a collaboration; the default when it has none.
    pub async fn notification_settings(&mut self, co: &str) -> Result<NotificationSettingsRow, StoreError> {
        settings(self.in_collaboration(co).await?, co).await
    }

    /// Stores the settings of a collaboration, in place of those that it has.
    pub async fn put_notification_settings(
        &mut self,
        co: &str,
        row: &NotificationSettingsRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO notification_settings (co, document, secrets) VALUES ($1, $2, $3) \
             ON CONFLICT (co) DO UPDATE SET document = excluded.document, secrets = excluded.secrets",
        )
        .bind(co)
        .bind(json(&row.settings)?)
        .bind(json(&row.secrets)?)
        .execute(self.in_collaboration(co).await?)
        .await?;
        Ok(())
    }
}

async fn settings(connection: &mut AnyConnection, co: &str) -> Result<NotificationSettingsRow, StoreError> {
    let row = sqlx::query("SELECT document, secrets FROM notification_settings WHERE co = $1")
        .bind(co)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(|row| settings_of(co, row)).transpose().map(Option::unwrap_or_default)
}

pub(super) fn settings_of(co: &str, row: &AnyRow) -> Result<NotificationSettingsRow, StoreError> {
    Ok(NotificationSettingsRow {
        settings: document("notification_settings", co, row.try_get(0)?)?,
        secrets: document("notification_settings", co, row.try_get(1)?)?,
    })
}
