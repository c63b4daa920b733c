//! From the bytes of a component to one that is compiled, checked and linked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wasmtime::component::{Component, InstancePre, Linker};

use super::cache::{Cache, Code};
use super::compiler::{CompileLimits, Compiler};
use super::engine::{Engines, fingerprint};
use super::guest::GuestState;
use super::inspection::{Inspection, Refused, inspect, sniff, walk};

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where compiled components are kept.
    pub cache_directory: PathBuf,
    /// Protects the cache; must not lie in its directory.
    pub cache_key: [u8; 32],
    /// Calls that run at once; more of them wait.
    pub instances: u32,
    /// Whether instances live in a pool of slots, where it takes microseconds to make one. It needs address space for
    /// two GiB an instance; without it, and for components that do not fit into a slot, memory is mapped for each call.
    pub pool: bool,
    /// The largest component taken, in bytes.
    pub component_bytes: u64,
    pub compiler: Compiler,
    pub compile_limits: CompileLimits,
}

impl Settings {
    /// A small sandbox, for tests and examinations: it compiles in this process.
    pub fn small(cache_directory: PathBuf, cache_key: [u8; 32]) -> Self {
        Self {
            cache_directory,
            cache_key,
            instances: 8,
            pool: true,
            component_bytes: 64 << 20,
            compiler: Compiler::InProcess,
            compile_limits: CompileLimits { seconds: 60, memory_bytes: 1 << 30 },
        }
    }
}

/// A component that is compiled, checked and linked.
pub struct Loaded<S: 'static> {
    /// What it is.
    pub inspection: Inspection,
    /// Ready to be made an instance of.
    pub instance: InstancePre<S>,
}

/// Loads components into the engines of a host.
pub(super) struct Loader<S: 'static> {
    engines: Engines,
    linkers: Linkers<S>,
    cache: Cache,
    compiler: Compiler,
    compile_limits: CompileLimits,
    /// One compilation at a time, in the order of their arrival: it takes all the cores that it may have.
    turns: Semaphore,
    component_bytes: u64,
}

struct Linkers<S: 'static> {
    pooling: Option<Linker<S>>,
    on_demand: Linker<S>,
}

/// Code that is none of this host's engines'.
struct Foreign(wasmtime::Error);

impl<S: GuestState> Loader<S> {
    pub(super) fn start(
        settings: &Settings,
        busy: impl Fn() -> bool + Send + 'static,
        link: impl Fn(&mut Linker<S>) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<Self> {
        let engines = Engines::start(settings.pool.then_some(settings.instances), busy)?;
        let linked = |engine| -> wasmtime::Result<_> {
            let mut linker = Linker::new(engine);
            link(&mut linker)?;
            Ok(linker)
        };
        let linkers = Linkers {
            pooling: engines.pooling.as_ref().map(&linked).transpose()?,
            on_demand: linked(&engines.on_demand)?,
        };
        let cache = Cache::open(&settings.cache_directory, &settings.cache_key, &engines.on_demand)?;
        Ok(Self {
            engines,
            linkers,
            cache,
            compiler: settings.compiler.clone(),
            compile_limits: settings.compile_limits,
            turns: Semaphore::new(1),
            component_bytes: settings.component_bytes,
        })
    }

    /// Loads a component in a task of its own: what was begun is done for the next one who asks, if the first goes away.
    pub(super) async fn load(self: &Arc<Self>, digest: &str, wasm: Arc<[u8]>) -> Result<Loaded<S>, Refused> {
        let limit = self.component_bytes;
        let size = wasm.len() as u64;
        if size > limit {
            return Err(Refused::TooLarge { size, limit });
        }
        sniff(&wasm)?;
        let (loader, digest) = (Arc::clone(self), digest.to_owned());
        let loading = tokio::spawn(async move { loader.load_now(&Arc::from(digest), wasm).await });
        loading.await.unwrap_or_else(|error| Err(unloaded(&error)))
    }

    async fn load_now(self: &Arc<Self>, digest: &Arc<str>, wasm: Arc<[u8]>) -> Result<Loaded<S>, Refused> {
        if let Some(loaded) = self.load_cached(digest).await? {
            return Ok(loaded);
        }
        let walked = Arc::clone(&wasm);
        self.blocking(move |_| walk(&walked)).await?;
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        // It may be what the one before compiled.
        if let Some(loaded) = self.load_cached(digest).await? {
            return Ok(loaded);
        }
        let started = Instant::now();
        let compiled = self.compiler.compile(self.compile_limits, &wasm).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let code = compiled.inspect_err(|error| {
            // Who offered it may have gone away by now.
            tracing::warn!(%digest, %error, duration_ms, "component not compiled");
        })?;
        tracing::info!(%digest, duration_ms, "component compiled");
        let digest = Arc::clone(digest);
        self.blocking(move |loader| {
            let loaded = loader.link(&code).unwrap_or_else(|Foreign(error)| {
                Err(Refused::CompilerFailed {
                    message: format!("what the compiler gave is no code of this host: {error:#}"),
                })
            })?;
            loader.cache.keep(&digest, &code);
            Ok(loaded)
        })
        .await
    }

    async fn load_cached(self: &Arc<Self>, digest: &Arc<str>) -> Result<Option<Loaded<S>>, Refused> {
        let digest = Arc::clone(digest);
        self.blocking(move |loader| {
            let Some(code) = loader.cache.lookup(&digest) else { return Ok(None) };
            match loader.link(&code) {
                Ok(loaded) => loaded.map(Some),
                Err(Foreign(error)) => {
                    tracing::warn!(%digest, %error, "unfit cache entry, compiling anew");
                    Ok(None)
                }
            }
        })
        .await
    }

    /// Links into the pool what fits, and what does not to instances made on demand.
    fn link(&self, code: &Code) -> Result<Result<Loaded<S>, Refused>, Foreign> {
        if let (Some(engine), Some(linker)) = (&self.engines.pooling, &self.linkers.pooling) {
            match code.component(engine) {
                Ok(component) => return Ok(link(linker, &component)),
                Err(error) => tracing::debug!(%error, "component does not fit into the pool"),
            }
        }
        let component = code.component(&self.engines.on_demand).map_err(Foreign)?;
        Ok(link(&self.linkers.on_demand, &component))
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let loader = Arc::clone(self);
        spawn_blocking(move || work(&loader)).await.unwrap_or_else(|error| Err(unloaded(&error)))
    }

    /// Tells the code of this host's engines from that of others.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&self.engines.on_demand)
    }

    /// Removes what was compiled of a component.
    pub(super) fn forget(&self, digest: &str) {
        self.cache.forget(digest);
    }
}

fn unloaded(error: &tokio::task::JoinError) -> Refused {
    Refused::CompilerFailed { message: format!("loading it failed: {error}") }
}

fn link<S: GuestState>(linker: &Linker<S>, component: &Component) -> Result<Loaded<S>, Refused> {
    let inspection = inspect(linker.engine(), component)?;
    let instance = linker.instantiate_pre(component).map_err(|error| Refused::contract(&error))?;
    Ok(Loaded { inspection, instance })
}
