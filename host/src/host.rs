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
    executor: Arc<Mutex<Option<ExecutorLock>>>,
}

/// How long running calls may take to end when the host stops.
const GRACE: Duration = Duration::from_secs(20);

/// What the key of the compiled components is derived for: one of its own, so that the secret key serves one purpose only.
pub(crate) const CACHE_KEY_PURPOSE: &str = "compiled components";

/// How often this process tries to become the executor, or makes sure that it still is.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How often old invocations are removed, and how many at once.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
const PRUNE_PAGE: u32 = 1_000;

impl Host {
    /// Opens a host that runs what is planned, as soon as no other process does: also what was left unfinished.
    pub async fn start(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        let host = Self::open(configuration).await?;
        become_executor(&host.store, &host.executor, &host.pipeline).await?;
        tokio::spawn(stay_executor(
            host.store.clone(),
            Arc::downgrade(&host.executor),
            host.pipeline.clone(),
        ));
        tokio::spawn(prune(host.store.clone(), host.configuration.retention.keep_invocations_days));
        Ok(host)
    }

    /// Opens a host that runs nothing of what is planned.
    pub async fn open(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        configuration.create_data_directory()?;
        let key = Arc::new(secret_key(&configuration)?);
        let limits = configuration.limits().context("configuration `limits`")?;
        let store = Store::open(&configuration.database_url()).await?;
        let plugins = PluginHost::start(&Settings {
            cache_directory: configuration.data_directory.join("compiled"),
            cache_key: key.derive(CACHE_KEY_PURPOSE),
            instances: configuration.sandbox.instances,
            pool: configuration.sandbox.pool,
            component_bytes: configuration.sandbox.component_bytes,
            compiler: configuration.sandbox.compiler.clone(),
            compile_limits: configuration.compile_limits(),
        })
        .map_err(|error| anyhow::anyhow!("sandbox: {error:#}"))?;
        let catalog = Catalog::new(store.clone(), plugins.clone(), limits.clone());
        let administration = Administration::new(store.clone(), catalog.clone(), limits.clone(), key);
        let pipeline = Pipeline::new(Parts {
            store: store.clone(),
            catalog: catalog.clone(),
            administration: administration.clone(),
            plugins,
            limits,
            syslog: Syslog::open(&configuration.syslog),
            concurrency: configuration.sandbox.concurrency,
            runtimes: RuntimeCache::default(),
        });
        let registry = Registry::new(store.clone());
        let executor = Arc::default();
        Ok(Arc::new(Self { configuration, store, registry, catalog, administration, pipeline, executor }))
    }

    /// Whether this process runs what is planned; otherwise another one does, and this one waits for it.
    pub fn executes(&self) -> bool {
        self.pipeline.executes()
    }

    /// Lets running calls end, and closes the store. What is planned stays there.
    pub async fn stop(&self) {
        self.pipeline.stop(GRACE).await;
        self.store.close().await;
    }
}

/// Takes the right to run what is planned, unless another process has it.
async fn become_executor(
    store: &Store,
    executor: &Mutex<Option<ExecutorLock>>,
    pipeline: &Pipeline,
) -> Result<(), StoreError> {
    let mut held = executor.lock().await;
    *held = store.try_lock_executor().await?;
    if held.is_some() {
        let resumed = pipeline.execute().await?;
        if resumed > 0 {
            tracing::info!(invocations = resumed, "unfinished work taken up");
        }
    }
    Ok(())
}

/// Becomes the executor when the process that is ends. Stops running what is planned when the right to do so is lost:
/// another process may have it by then.
async fn stay_executor(store: Store, executor: Weak<Mutex<Option<ExecutorLock>>>, pipeline: Pipeline) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(executor) = executor.upgrade() else { return };
        let kept = match executor.lock().await.as_mut() {
            Some(lock) => Some(lock.check().await),
            None => None,
        };
        match kept {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%error, "executor lock lost; this process provisions no more, start it again");
                pipeline.stop(GRACE).await;
                return;
            }
            None => match become_executor(&store, &executor, &pipeline).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "executor lock cannot be taken"),
            },
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
