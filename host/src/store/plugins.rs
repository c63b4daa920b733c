//! The catalog of plugins and their components.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{document, json, signed, timestamp, unsigned};
use super::{Store, StoreError, Transaction};

/// An installed plugin, without its component.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginRow {
    /// SHA-256 of the component, 64 hexadecimal digits.
    pub digest: String,
    pub name: String,
    pub version: String,
    /// "provisioner" or "data-filter".
    pub world: String,
    pub size_bytes: u64,
    pub installed: Timestamp,
    /// What the plugin says of itself, and its imports.
    pub manifest: serde_json::Value,
}

impl Store {
    /// All plugins, by name, then by the time of installation.
    pub async fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT digest, name, version, world, size_bytes, installed, manifest FROM plugins \
             ORDER BY name, installed, digest",
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(plugin_of).collect()
    }

    /// The plugin with this digest.
    pub async fn plugin(&self, digest: &str) -> Result<Option<PluginRow>, StoreError> {
        plugin(&mut *self.reader().await?, digest).await
    }

    /// The plugins with this name, by the time of installation.
    pub async fn plugins_named(&self, name: &str) -> Result<Vec<PluginRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT digest, name, version, world, size_bytes, installed, manifest FROM plugins \
             WHERE name = $1 ORDER BY installed, digest",
        )
        .bind(name)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(plugin_of).collect()
    }

    /// The component of the plugin with this digest.
    pub async fn plugin_component(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let wasm = sqlx::query_scalar("SELECT wasm FROM plugin_components WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        Ok(wasm)
    }

    /// What uses the plugin with this digest: "target CO/ID" and "filter CO/ID".
    pub async fn plugin_users(&self, digest: &str) -> Result<Vec<String>, StoreError> {
        plugin_users(&mut *self.reader().await?, digest).await
    }
}

impl Transaction<'_> {
    /// The plugin with this digest.
    pub async fn plugin(&mut self, digest: &str) -> Result<Option<PluginRow>, StoreError> {
        plugin(self.connection, digest).await
    }

    /// Stores a plugin and its component, in place of the one with its digest.
    pub async fn put_plugin(&mut self, plugin: &PluginRow, wasm: &[u8]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO plugins (digest, name, version, world, size_bytes, installed, manifest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (digest) DO UPDATE SET name = excluded.name, \
             version = excluded.version, world = excluded.world, size_bytes = excluded.size_bytes, \
             installed = excluded.installed, manifest = excluded.manifest",
        )
        .bind(plugin.digest.as_str())
        .bind(plugin.name.as_str())
        .bind(plugin.version.as_str())
        .bind(plugin.world.as_str())
        .bind(signed(plugin.size_bytes))
        .bind(plugin.installed.as_microsecond())
        .bind(json(&plugin.manifest)?)
        .execute(&mut *self.connection)
        .await?;
        sqlx::query(
            "INSERT INTO plugin_components (digest, wasm) VALUES ($1, $2) \
             ON CONFLICT (digest) DO UPDATE SET wasm = excluded.wasm",
        )
        .bind(plugin.digest.as_str())
        .bind(wasm)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Removes a plugin and returns whether there was one. One that a target or filter uses is a conflict.
    pub async fn remove_plugin(&mut self, digest: &str) -> Result<bool, StoreError> {
        let users = self.plugin_users(digest).await?;
        if !users.is_empty() {
            return Err(StoreError::Conflict(format!("the plugin {digest} is used by {}", users.join(", "))));
        }
        let removed = sqlx::query("DELETE FROM plugins WHERE digest = $1")
            .bind(digest)
            .execute(&mut *self.connection)
            .await?;
        Ok(removed.rows_affected() > 0)
    }

    /// What uses the plugin with this digest: "target CO/ID" and "filter CO/ID".
    pub async fn plugin_users(&mut self, digest: &str) -> Result<Vec<String>, StoreError> {
        plugin_users(self.connection, digest).await
    }
}

async fn plugin(connection: &mut AnyConnection, digest: &str) -> Result<Option<PluginRow>, StoreError> {
    let row = sqlx::query(
        "SELECT digest, name, version, world, size_bytes, installed, manifest FROM plugins WHERE digest = $1",
    )
    .bind(digest)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(plugin_of).transpose()
}

async fn plugin_users(connection: &mut AnyConnection, digest: &str) -> Result<Vec<String>, StoreError> {
    let users = sqlx::query_scalar(
        "SELECT 'target ' || co || '/' || id FROM targets WHERE plugin = $1 \
         UNION ALL SELECT 'filter ' || co || '/' || id FROM filters WHERE plugin = $1 ORDER BY 1",
    )
    .bind(digest)
    .fetch_all(connection)
    .await?;
    Ok(users)
}

fn plugin_of(row: &AnyRow) -> Result<PluginRow, StoreError> {
    let digest: &str = row.try_get(0)?;
    Ok(PluginRow {
        digest: digest.to_owned(),
        name: row.try_get(1)?,
        version: row.try_get(2)?,
        world: row.try_get(3)?,
        size_bytes: unsigned(row.try_get(4)?),
        installed: timestamp("plugins", digest, row.try_get(5)?)?,
        manifest: document("plugins", digest, row.try_get(6)?)?,
    })
}
