//! One call: a fresh store and instance, all limits in force, and an end by blame.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use wasmtime::component::{InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, Store};

use super::fault::Fault;
use super::gate::Violation;
use super::guest::GuestState;
use super::inspection::Refused;
use super::lanes::{Lanes, Pace};
use super::limits::{LimitName, Limits};
use super::load::{Loaded, Loader, Settings};
use super::transcript::Transcript;

/// Runs components whose stores hold an `S`.
pub struct Sandbox<S: GuestState> {
    engine: String,
    loader: Arc<Loader<S>>,
    slots: Arc<Semaphore>,
    lanes: Lanes,
}

/// One call to be made.
pub struct Call<'a, S> {
    /// Name of the export, for errors.
    pub export: &'static str,
    /// How the plugin's calls before this one went.
    pub pace: &'a Pace,
    pub state: S,
}

/// How a call ended.
pub struct CallEnd<S, R> {
    pub result: Result<R, Fault>,
    pub state: S,
    pub transcript: Transcript,
    pub fuel: u64,
    pub memory_bytes: u64,
    pub effects: u64,
    pub duration_us: u64,
}

impl<S: GuestState> Sandbox<S> {
    /// Starts the engines and links what `link` offers.
    pub fn start(
        settings: &Settings,
        link: impl Fn(&mut Linker<S>) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<Self> {
        let slots = Arc::new(Semaphore::new(settings.instances as usize));
        let (watched, instances) = (Arc::clone(&slots), settings.instances as usize);
        let loader = Loader::start(settings, move || watched.available_permits() < instances, link)?;
        let engine = format!("provender {}, {}", env!("CARGO_PKG_VERSION"), loader.fingerprint());
        Ok(Self { engine, loader: Arc::new(loader), slots, lanes: Lanes::start()? })
    }

    /// Compiles, checks and links a component, or takes what was compiled of it before.
    pub async fn load(&self, digest: &str, wasm: Arc<[u8]>) -> Result<Loaded<S>, Refused> {
        self.loader.load(digest, wasm).await
    }

    /// Removes what was compiled of a component.
    pub fn forget(&self, digest: &str) {
        self.loader.forget(digest);
    }

    /// Names the engine: the version of the host, and what its compiler makes of a component.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Calls an export: `body` makes the instance in the store and calls it.
    pub async fn call<R: Send + 'static>(
        &self,
        instance: &InstancePre<S>,
        call: Call<'_, S>,
        body: impl for<'a> FnOnce(&'a mut Store<S>) -> BoxFuture<'a, wasmtime::Result<R>> + Send + 'static,
    ) -> CallEnd<S, R> {
        // Waiting for a slot is not the plugin's fault, so the clock starts after it. The semaphore is never closed.
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let Call { export, pace, state } = call;
        let call = made(instance.engine().clone(), export, state, body);
        let call = async move {
            // Until the instance is gone, wherever that is.
            let _slot = slot;
            call.await
        };
        self.lanes.run(pace, call).await
    }
}

/// Makes a call, from its store to what came of it.
async fn made<S: GuestState, R: Send>(
    engine: Engine,
    export: &'static str,
    mut state: S,
    body: impl for<'a> FnOnce(&'a mut Store<S>) -> BoxFuture<'a, wasmtime::Result<R>>,
) -> CallEnd<S, R> {
    let gate = Arc::clone(&state.guest().gate);
    let limits = gate.limits();
    let fuel_limit = limits.get(LimitName::Fuel);
    let limit_ms = limits.get(LimitName::DeadlineMs);
    let started = gate.start();
    let mut store = Store::new(&engine, state);
    let outcome = match arm(&mut store, limits) {
        Ok(()) => tokio::time::timeout(Duration::from_millis(limit_ms), body(&mut store)).await,
        Err(error) => Ok(Err(error)),
    };
    let fuel = fuel_limit.saturating_sub(store.get_fuel().unwrap_or(0));
    let mut state = store.into_data();
    let guest = state.guest();
    let stderr = guest.stderr.text();
    let memory_bytes = guest.limiter.memory_peak as u64;
    let mut transcript = gate.take_transcript();
    // What the guest left under way ends with its call.
    guest.table = ResourceTable::new();
    transcript.stderr.clone_from(&stderr);
    let left = gate.left_of_record().map(|difference| Violation::Diverged { difference });
    let result = match (gate.violation().or(left), outcome) {
        (Some(violation), _) => Err(Fault::of_violation(export, violation, stderr)),
        (None, Err(_)) => Err(Fault::Deadline { export, limit_ms, stderr }),
        (None, Ok(Err(error))) => Err(Fault::of_error(export, &error, limits, stderr)),
        (None, Ok(Ok(value))) => Ok(value),
    };
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    CallEnd { result, state, transcript, fuel, memory_bytes, effects: gate.effects(), duration_us }
}

/// Puts the limits of a call on its store.
fn arm<S: GuestState>(store: &mut Store<S>, limits: &Limits) -> wasmtime::Result<()> {
    store.limiter(|state| &mut state.guest().limiter);
    store.set_fuel(limits.get(LimitName::Fuel))?;
    // A plugin that computes lets others on at every tick; its CPU is bounded by fuel, its time by the deadline.
    store.epoch_deadline_async_yield_and_update(1);
    // The first tick may come at once; an ordinary call is to end before it is asked.
    store.set_epoch_deadline(2);
    store.set_max_component_handles(limits.size(LimitName::Resources));
    store.set_hostcall_fuel(usize::try_from(limits.crossing()).unwrap_or(usize::MAX));
    Ok(())
}
