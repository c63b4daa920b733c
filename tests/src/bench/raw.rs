//! wasmtime with as little around it as can be: what a call of a component costs before any host adds its own.
//!
//! The engine, its pool, fuel and epochs are those of the sandbox. A call makes a store with an empty state, sets fuel
//! and the epoch's deadline, makes an instance of what was linked before, calls the export with the same typed record,
//! and drops the store. Functions of the host are there and do nothing: a read of the state finds nothing, a line of
//! the log is dropped. No limits, no WASI (an import of it would trap), no timeout, no record of what happened.

use std::sync::Arc;

use crate::guests::MAPPING;
use provender::capabilities::contract::provisioner::{Provisioner, ProvisionerPre};
use provender::capabilities::contract::types::{Invocation, Outcome};
use provender::capabilities::contract::{log, records, state, types};
use provender::sandbox::{engine_configuration, instance_pool};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder,
};

use super::measure::Contender;

/// Slots of the pool.
pub const INSTANCES: u32 = 64;

/// Fuel of a call, as by default.
pub const FUEL: u64 = 500_000_000;

/// The state of a store: nothing, or what limits it.
#[derive(Default)]
pub struct Bare {
    limits: StoreLimits,
}

impl log::Host for Bare {
    fn write(&mut self, _: log::Level, _: String, _: Vec<log::Field>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl state::Host for Bare {
    async fn get(
        &mut self,
        _: state::Scope,
        _: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, state::Error>> {
        Ok(Ok(None))
    }

    async fn set(
        &mut self,
        _: state::Scope,
        _: String,
        _: Vec<u8>,
    ) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(Ok(()))
    }

    async fn delete(&mut self, _: state::Scope, _: String) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(Ok(()))
    }

    async fn keys(
        &mut self,
        _: state::Scope,
        _: String,
        _: Option<String>,
        _: u32,
    ) -> wasmtime::Result<Result<Vec<String>, state::Error>> {
        Ok(Ok(Vec::new()))
    }
}

impl records::Host for Bare {}
impl types::Host for Bare {}

/// An engine as the sandbox has it, with this pool.
pub fn engine(pool: PoolingAllocationConfig) -> Engine {
    let mut configuration = engine_configuration();
    configuration.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&configuration).expect("an engine")
}

/// The mapping, linked.
#[derive(Clone)]
pub struct Raw {
    ready: Arc<ProvisionerPre<Bare>>,
}

impl Raw {
    /// On an engine as the sandbox has it.
    pub fn start() -> Self {
        Self::on(&engine(instance_pool(INSTANCES)))
    }

    /// On an engine.
    pub fn on(engine: &Engine) -> Self {
        let component = Component::new(engine, MAPPING).expect("a component");
        let mut linker = Linker::<Bare>::new(engine);
        log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).expect("a linker");
        state::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).expect("a linker");
        records::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).expect("a linker");
        types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).expect("a linker");
        linker.define_unknown_imports_as_traps(&component).expect("a linker");
        let instance = linker.instantiate_pre(&component).expect("a linked component");
        Self { ready: Arc::new(ProvisionerPre::new(instance).expect("a provisioner")) }
    }

    fn store(&self) -> Store<Bare> {
        let mut store = Store::new(self.ready.engine(), Bare::default());
        store.set_fuel(FUEL).expect("fuel");
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(2);
        store
    }

    /// Makes a call, and gives the store too, which the caller drops.
    pub async fn kept(&self, invocation: &Invocation) -> (Store<Bare>, Outcome) {
        let mut store = self.store();
        let outcome = self.provision(&mut store, invocation).await;
        (store, outcome)
    }

    async fn limited(&self, invocation: &Invocation) -> Outcome {
        let mut store = self.store();
        store.data_mut().limits =
            StoreLimitsBuilder::new().memory_size(128 << 20).table_elements(40_000).instances(100).build();
        store.limiter(|state| &mut state.limits);
        store.set_max_component_handles(10_000);
        store.set_hostcall_fuel(32 << 20);
        self.provision(&mut store, invocation).await
    }

    async fn provision(&self, store: &mut Store<Bare>, invocation: &Invocation) -> Outcome {
        let instance: Provisioner = self.ready.instantiate_async(&mut *store).await.expect("an instance");
        let said = instance.provender_plugin_provisioning().call_provision(store, invocation).await;
        said.expect("a call").expect("an outcome")
    }

    /// The call.
    pub fn contender(self, name: &'static str, invocation: &Arc<Invocation>) -> Contender {
        let invocation = Arc::clone(invocation);
        Contender::new(name, move || {
            let (raw, invocation) = (self.clone(), Arc::clone(&invocation));
            async move {
                raw.kept(&invocation).await;
            }
        })
    }

    /// The call, with limits on memory, tables, instances, handles and crossings.
    pub fn limited_contender(self, name: &'static str, invocation: &Arc<Invocation>) -> Contender {
        let invocation = Arc::clone(invocation);
        Contender::new(name, move || {
            let (raw, invocation) = (self.clone(), Arc::clone(&invocation));
            async move {
                raw.limited(&invocation).await;
            }
        })
    }
}
