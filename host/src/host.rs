//! A host put together from its parts, as every command and the service use it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use crate::administration::Administration;
use crate::capabilities::plugin::PluginHost;
use crate::configuration::Configuration;
use crate::pipeline::{Parts, Pipeline, RuntimeCache};
use crate::plugins::Catalog;
use crate::registry::write::Registry;
use crate::sandbox::{Limits, Settings};
use crate::store::{ExecutorLock, Store};
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
    executor: Option<ExecutorLock>,
}

/// How long running calls may take to end when the host stops.
const GRACE: Duration = Duration::from_secs(20);

/// How often old invocations are removed, and how many at once.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
const PRUNE_PAGE: u32 = 1_000;

impl Host {
    /// Opens the store, becomes the process that executes unless there is one, and takes up unfinished work.
    pub async fn start(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        configuration.create_data_directory()?;
        let key = Arc::new(configuration.secret_key()?);
        let limits = Limits::default().overridden(&configuration.limits).context("configuration `limits`")?;
        let store = Store::open(&configuration.database_url()).await?;
        let executor = store.try_lock_executor().await?;
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

    async fn take_up(self: &Arc<Self>) -> anyhow::Result<()> {
        if !self.executes() {
            return Ok(());
        }
        let resumed = self.pipeline.resume().await?;
        if resumed > 0 {
            tracing::info!(invocations = resumed, "unfinished work taken up");
        }
        let host = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PRUNE_INTERVAL).await;
                let Some(host) = host.upgrade() else { return };
                if let Err(error) = host.prune().await {
                    tracing::error!(%error, "old invocations not removed");
                }
            }
        });
        Ok(())
    }

    /// Removes invocations that ended longer ago than they are kept.
    async fn prune(&self) -> anyhow::Result<()> {
        let days = i64::from(self.configuration.retention.invocations_days);
        let before = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days))?;
        loop {
            let removed = self
                .store
                .write(move |transaction| {
                    Box::pin(async move { transaction.prune_invocations(before, false, PRUNE_PAGE).await })
                })
                .await?;
            if removed < u64::from(PRUNE_PAGE) {
                return Ok(());
            }
        }
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
