//! A host put together from its parts, as every command and the service use it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use crate::administration::Administration;
use crate::capabilities::plugin::PluginHost;
use crate::configuration::{Configuration, SECRET_KEY_VARIABLE};
use crate::pipeline::{Parts, Pipeline, RuntimeCache};
use crate::plugins::Catalog;
use crate::registry::write::Registry;
use crate::sandbox::Settings;
use crate::servers::secret::SecretKey;
use crate::store::{ExecutorLock, Store, StoreError};
use crate::syslog::Syslog;

/// A running host.
pub struct Host {
    pub configuration: Configuration,
    pub store: Store,
    pub registry: Registry,
    pub catalog: Catalog,
    pub administration: Administration,
    pub pipeline: Pipeline,
    /// Held while this process runs what is planned.
    executor: Option<Arc<Mutex<ExecutorLock>>>,
}

/// How long running calls may take to end when the host stops.
const GRACE: Duration = Duration::from_secs(20);

/// How often this process makes sure that it still is the executor.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// How often old invocations are removed, and how many at once.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
const PRUNE_PAGE: u32 = 1_000;

impl Host {
    /// Opens the store, becomes the process that executes unless there is one, and takes up unfinished work.
    pub async fn start(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        configuration.create_data_directory()?;
        let key = Arc::new(secret_key(&configuration)?);
        let limits = configuration.limits().context("configuration `limits`")?;
        let store = Store::open(&configuration.database_url()).await?;
        let executor = store.try_lock_executor().await?.map(|lock| Arc::new(Mutex::new(lock)));
        let plugins = PluginHost::start(&Settings {
            cache_directory: configuration.data_directory.join("compiled"),
            // A key of its own, so that the secret key serves one purpose only.
            cache_key: key.derive("compiled components"),
            instances: configuration.sandbox.instances,
            component_bytes: configuration.sandbox.component_bytes,
        })
        .map_err(|error| anyhow::anyhow!("sandbox: {error:#}"))?;
        let catalog = Catalog::new(store.clone(), plugins.clone(), limits.clone());
        let administration = Administration::new(store.clone(), catalog.clone(), limits.clone(), key);
        let parts = Parts {
            store: store.clone(),
            catalog: catalog.clone(),
            administration: administration.clone(),
            plugins,
            limits,
            syslog: Syslog::open(&configuration.syslog),
            concurrency: configuration.sandbox.concurrency,
            runtimes: RuntimeCache::default(),
        };
        let pipeline = Pipeline::start(parts, executor.is_some());
        let registry = Registry::new(store.clone());
        let host =
            Arc::new(Self { configuration, store, registry, catalog, administration, pipeline, executor });
        host.take_up().await?;
        Ok(host)
    }

    async fn take_up(&self) -> anyhow::Result<()> {
        let Some(executor) = &self.executor else { return Ok(()) };
        let resumed = self.pipeline.resume().await?;
        if resumed > 0 {
            tracing::info!(invocations = resumed, "unfinished work taken up");
        }
        tokio::spawn(watch(Arc::downgrade(executor), self.pipeline.clone()));
        tokio::spawn(prune(self.store.clone(), self.configuration.retention.keep_invocations_days));
        Ok(())
    }

    /// Whether this process runs what is planned; otherwise another one does, and this one waits for it.
    pub fn executes(&self) -> bool {
        self.executor.is_some()
    }

    /// Lets running calls end, and closes the store. What is planned stays there.
    pub async fn stop(&self) {
        self.pipeline.stop(GRACE).await;
        self.store.close().await;
    }
}

/// Stops running what is planned when the right to do so is lost: another process may have it by then.
async fn watch(executor: Weak<Mutex<ExecutorLock>>, pipeline: Pipeline) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(executor) = executor.upgrade() else { return };
        if let Err(error) = executor.lock().await.check().await {
            tracing::error!(%error, "executor lock lost; this process provisions no more, start it again");
            pipeline.stop(GRACE).await;
            return;
        }
    }
}

/// Removes invocations that ended longer ago than they are kept, until the store is closed.
async fn prune(store: Store, days: u32) {
    loop {
        match prune_page(&store, days).await {
            Ok(removed) if removed >= u64::from(PRUNE_PAGE) => continue,
            Ok(_) => {}
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "old invocations not removed"),
        }
        tokio::time::sleep(PRUNE_INTERVAL).await;
    }
}

async fn prune_page(store: &Store, days: u32) -> Result<u64, StoreError> {
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    let before = Timestamp::now().checked_sub(kept).unwrap_or(Timestamp::MIN);
    store
        .write(move |transaction| {
            Box::pin(async move { transaction.prune_invocations(before, false, PRUNE_PAGE).await })
        })
        .await
}

fn secret_key(configuration: &Configuration) -> anyhow::Result<SecretKey> {
    Ok(match &configuration.secret_key {
        Some(key) => SecretKey::from_base64(key.expose_secret()).context(SECRET_KEY_VARIABLE)?,
        None => SecretKey::load_or_create(&configuration.secret_key_file())?,
    })
}
