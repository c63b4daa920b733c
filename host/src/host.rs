//! A host put together from its parts, as every command and the service use it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::administration::Administration;
use crate::capabilities::plugin::PluginHost;
use crate::clock::Clock;
use crate::configuration::{
    Configuration, RetentionConfiguration, SECRET_KEY_VARIABLE, WorkersConfiguration,
};
use crate::delivery::Deliverer;
use crate::jobs::Runner;
use crate::monitoring;
use crate::pipeline::{Parts, Pipeline, RuntimeCache};
use crate::plugins::Catalog;
use crate::registry::write::Registry;
use crate::sandbox::Settings;
use crate::schedule::Schedule;
use crate::servers::secret::SecretKey;
use crate::store::{Store, StoreError};
use crate::syslog::Syslog;

/// A running host.
pub struct Host {
    pub configuration: Configuration,
    pub store: Store,
    pub registry: Registry,
    pub catalog: Catalog,
    pub administration: Administration,
    pub pipeline: Pipeline,
    pub jobs: Runner,
    syslog: Syslog,
    /// Empty as long as notifications are left to another process.
    deliverer: OnceLock<Arc<Deliverer>>,
}

/// How long running calls may take to end when the host stops.
const GRACE: Duration = Duration::from_secs(20);

/// What the key of the compiled components is derived for: one of its own, so that the secret key serves one purpose only.
pub const CACHE_KEY_PURPOSE: &str = "compiled components";

/// How often old invocations and jobs are removed, and how many at once.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
const PRUNE_PAGE: u32 = 1_000;

impl Host {
    /// Opens a host that runs work, beside other processes on the same database: also what dead ones left unfinished.
    pub async fn start(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        let host = Self::start_without_jobs(configuration).await?;
        if host.configuration.workers.jobs > 0 {
            tokio::spawn(host.jobs.clone().run());
        }
        Ok(host)
    }

    /// As [`start`](Self::start), but jobs run only when they are asked for.
    pub async fn start_without_jobs(configuration: Configuration) -> anyhow::Result<Arc<Self>> {
        let host = Self::open(configuration).await?;
        let taken = host.pipeline.execute().await?;
        if taken > 0 {
            tracing::info!(invocations = taken, "unfinished work taken up");
        }
        tokio::spawn(monitoring::keep_for_so_long(host.store.clone(), host.configuration.retention.clone()));
        tokio::spawn(prune(host.store.clone(), host.configuration.retention.clone()));
        let schedule = Schedule {
            store: host.store.clone(),
            registry: host.registry.clone(),
            pipeline: host.pipeline.clone(),
            jobs: host.jobs.clone(),
            clock: host.clock().clone(),
        };
        tokio::spawn(schedule.run());
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
        let syslog = Syslog::open(&configuration.syslog);
        let pipeline = Pipeline::new(Parts {
            store: store.clone(),
            catalog: catalog.clone(),
            administration: administration.clone(),
            plugins,
            limits,
            syslog: syslog.clone(),
            concurrency: configuration.sandbox.concurrency,
            clock: configuration.workers.clock.clone(),
            lease: Duration::from_millis(configuration.workers.lease_ms),
            runtimes: RuntimeCache::default(),
        });
        let WorkersConfiguration { jobs, clock, .. } = &configuration.workers;
        let registry = Registry::with_clock(store.clone(), clock.clone());
        let jobs = Runner::new(store.clone(), pipeline.clone(), clock.clone(), *jobs);
        let deliverer = OnceLock::new();
        Ok(Arc::new(Self {
            configuration,
            store,
            registry,
            catalog,
            administration,
            pipeline,
            jobs,
            syslog,
            deliverer,
        }))
    }

    /// Delivers notifications from now on.
    pub fn deliver_notifications(&self) -> anyhow::Result<()> {
        let Self { store, administration, syslog, configuration, .. } = self;
        let deliverer = Deliverer::new(store.clone(), administration.clone(), syslog.clone(), configuration)?;
        tokio::spawn(Arc::clone(self.deliverer.get_or_init(|| Arc::new(deliverer))).run());
        Ok(())
    }

    /// Whether this process runs what is planned; otherwise others do, and this one waits for them.
    pub fn executes(&self) -> bool {
        self.pipeline.executes()
    }

    /// The time that schedules go by.
    pub fn clock(&self) -> &Clock {
        &self.configuration.workers.clock
    }

    /// Lets running calls end, and closes the store. What is planned stays there.
    pub async fn stop(&self) {
        self.pipeline.stop(GRACE).await;
        if let Some(deliverer) = self.deliverer.get() {
            deliverer.stop().await;
        }
        self.store.close().await;
    }
}

/// Removes invocations and jobs that ended longer ago than they are kept, until the store is closed.
async fn prune(store: Store, kept: RetentionConfiguration) {
    loop {
        match prune_page(&store, &kept).await {
            Ok(removed) if removed >= u64::from(PRUNE_PAGE) => continue,
            Ok(_) => {}
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "what is old was not removed"),
        }
        tokio::time::sleep(PRUNE_INTERVAL).await;
    }
}

async fn prune_page(store: &Store, kept: &RetentionConfiguration) -> Result<u64, StoreError> {
    let before = |days: u32| {
        let kept = SignedDuration::from_hours(24 * i64::from(days));
        Timestamp::now().checked_sub(kept).unwrap_or(Timestamp::MIN)
    };
    let (invocations, jobs) = (before(kept.keep_invocations_days), before(kept.keep_jobs_days));
    store
        .write(move |transaction| {
            Box::pin(async move {
                let pruned = transaction.prune_invocations(invocations, false, PRUNE_PAGE).await?;
                Ok(pruned.max(transaction.prune_jobs(jobs, PRUNE_PAGE).await?))
            })
        })
        .await
}

fn secret_key(configuration: &Configuration) -> anyhow::Result<SecretKey> {
    Ok(match &configuration.secret_key {
        Some(key) => SecretKey::from_base64(key.expose_secret()).context(SECRET_KEY_VARIABLE)?,
        None => SecretKey::load_or_create(&configuration.secret_key_file())?,
    })
}
