//! The installed plugins: taken in, listed, found, removed, and loaded once for all calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use tokio::sync::OnceCell;

use super::error::{FindError, InstallError, PluginUnavailable, RemoveError};
use super::examination::examine;
use super::manifest::Manifest;
use crate::capabilities::plugin::{Plugin, PluginHost};
use crate::sandbox::Limits;
use crate::store::{PluginRow, Store, StoreError};

/// Digits of a digest that may stand for it.
const MIN_PREFIX_DIGITS: usize = 8;

/// The installed plugins. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    host: PluginHost,
    limits: Limits,
    loaded: Arc<Mutex<HashMap<String, Loading>>>,
}

/// Loaded by the first who asks, while others wait for it.
type Loading = Arc<OnceCell<Arc<LoadedPlugin>>>;

/// A plugin ready to be called.
pub struct LoadedPlugin {
    pub manifest: Manifest,
    pub plugin: Plugin,
}

impl Catalog {
    /// A catalog over the plugins of `store`; `limits` bound the call of `describe`.
    pub fn new(store: Store, host: PluginHost, limits: Limits) -> Self {
        Self { store, host, limits, loaded: Arc::default() }
    }

    /// Examines a component and keeps it. One that is installed already stays as it is.
    ///
    /// `origin` is the name of the file, for messages.
    pub async fn install(&self, origin: &str, wasm: Vec<u8>) -> Result<Manifest, InstallError> {
        let refused = |problem| InstallError { origin: origin.to_owned(), problem };
        let digest = Self::digest(&wasm);
        if let Some(row) = self.store.plugin(&digest).await.map_err(|error| refused(error.into()))? {
            return manifest_of(row).map_err(|error| refused(error.into()));
        }
        let wasm: Arc<[u8]> = wasm.into();
        let (mut manifest, plugin) =
            examine(&self.host, &self.limits, &digest, Arc::clone(&wasm)).await.map_err(refused)?;
        manifest.installed = Some(Timestamp::now());
        self.keep(&manifest, wasm).await.map_err(|error| refused(error.into()))?;
        let loaded = OnceCell::new_with(Some(Arc::new(LoadedPlugin { manifest: manifest.clone(), plugin })));
        self.loaded().insert(digest, Arc::new(loaded));
        tracing::info!(
            plugin = manifest.name,
            version = manifest.version,
            digest = manifest.digest,
            "plugin installed"
        );
        Ok(manifest)
    }

    /// Does everything that [`install`](Self::install) does but keeping it.
    pub async fn examine(&self, origin: &str, wasm: Vec<u8>) -> Result<Manifest, InstallError> {
        let refused = |problem| InstallError { origin: origin.to_owned(), problem };
        let digest = Self::digest(&wasm);
        let (manifest, _) = examine(&self.host, &self.limits, &digest, wasm.into()).await.map_err(refused)?;
        if self.store.plugin(&digest).await.map_err(|error| refused(error.into()))?.is_none() {
            self.host.forget(&digest);
        }
        Ok(manifest)
    }

    /// All plugins, by name, then by the time of installation.
    pub async fn list(&self) -> Result<Vec<Manifest>, StoreError> {
        self.store.plugins().await?.into_iter().map(manifest_of).collect()
    }

    /// Finds a plugin by its name (the newest installed), `name@version`, its digest or at least eight first digits of
    /// it.
    pub async fn find(&self, reference: &str) -> Result<Manifest, FindError> {
        let rows = self.store.plugins().await?;
        let by_name = |row: &&PluginRow| match reference.split_once('@') {
            Some((name, version)) => row.name == name && row.version == version,
            None => row.name == reference,
        };
        let mut found: Vec<&PluginRow> = rows.iter().filter(by_name).collect();
        if let Some(newest) = found.pop() {
            return Ok(manifest_of(newest.clone())?);
        }
        if reference.len() >= MIN_PREFIX_DIGITS {
            let digits = reference.to_ascii_lowercase();
            found = rows.iter().filter(|row| row.digest.starts_with(&digits)).collect();
        }
        match found.as_slice() {
            [only] => Ok(manifest_of((*only).clone())?),
            [] => Err(FindError::NotFound {
                reference: reference.to_owned(),
                installed: rows.iter().map(|row| format!("{}@{}", row.name, row.version)).collect(),
            }),
            several => Err(FindError::Ambiguous {
                reference: reference.to_owned(),
                digests: several.iter().map(|row| row.digest.clone()).collect(),
            }),
        }
    }

    /// Removes a plugin that nothing uses, and what was compiled of it.
    pub async fn remove(&self, digest: &str) -> Result<(), RemoveError> {
        let wanted = digest.to_owned();
        let removal = self.store.write(move |transaction| {
            Box::pin(async move {
                let users = transaction.plugin_users(&wanted).await?;
                if !users.is_empty() {
                    return Err(RemoveError::InUse { digest: wanted, users });
                }
                match transaction.remove_plugin(&wanted).await? {
                    true => Ok(()),
                    false => Err(RemoveError::NotFound { digest: wanted }),
                }
            })
        });
        removal.await?;
        self.loaded().remove(digest);
        self.host.forget(digest);
        tracing::info!(digest, "plugin removed");
        Ok(())
    }

    /// A plugin ready to be called. Loaded once; one that fails is tried again at the next call.
    pub async fn load(&self, digest: &str) -> Result<Arc<LoadedPlugin>, PluginUnavailable> {
        let loading = Arc::clone(self.loaded().entry(digest.to_owned()).or_default());
        loading.get_or_try_init(|| self.load_from_store(digest)).await.cloned()
    }

    /// SHA-256 as 64 hexadecimal digits.
    pub fn digest(wasm: &[u8]) -> String {
        digest(&SHA256, wasm).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    async fn load_from_store(&self, digest: &str) -> Result<Arc<LoadedPlugin>, PluginUnavailable> {
        let unreadable = |error: StoreError| PluginUnavailable::Store {
            digest: digest.to_owned(),
            message: error.to_string(),
        };
        let missing = || PluginUnavailable::NotInstalled { digest: digest.to_owned() };
        let row = self.store.plugin(digest).await.map_err(unreadable)?.ok_or_else(missing)?;
        let manifest = manifest_of(row).map_err(unreadable)?;
        let wasm = self.store.plugin_component(digest).await.map_err(unreadable)?.ok_or_else(missing)?;
        match self.host.load(digest, wasm.into()).await {
            Ok(plugin) => Ok(Arc::new(LoadedPlugin { manifest, plugin })),
            Err(refused) => Err(PluginUnavailable::Refused { name: manifest.label(), refused }),
        }
    }

    async fn keep(&self, manifest: &Manifest, wasm: Arc<[u8]>) -> Result<(), StoreError> {
        let row = PluginRow {
            digest: manifest.digest.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            world: manifest.world.word().to_owned(),
            size_bytes: manifest.size_bytes,
            installed: manifest.installed.unwrap_or_default(),
            manifest: serde_json::to_value(manifest).map_err(|error| StoreError::Value(error.to_string()))?,
        };
        self.store
            .write(move |transaction| Box::pin(async move { transaction.put_plugin(&row, &wasm).await }))
            .await
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, Loading>> {
        // Nothing in it is left half done by a panic.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn manifest_of(row: PluginRow) -> Result<Manifest, StoreError> {
    serde_json::from_value(row.manifest).map_err(|error| StoreError::CorruptDocument {
        table: "plugins",
        key: row.digest,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
