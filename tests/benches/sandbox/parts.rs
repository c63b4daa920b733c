//! What each part of our call adds to raw wasmtime: the parts put around it one after the other.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use provender::capabilities::contract::provisioner::ProvisionerPre;
use provender::capabilities::contract::types::{Invocation, Outcome};
use provender::capabilities::{CallState, link};
use provender::sandbox::instance_pool;
use provender_tests::guests::MAPPING;
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use provender_tests::bench::measure::{Contender, interleaved, print_table};
use provender_tests::bench::ours::Ours;
use provender_tests::bench::raw::{FUEL, INSTANCES, Raw, engine};

/// The mapping linked to the real functions of the host, called with only some parts of the sandbox.
#[derive(Clone)]
struct Partial {
    ours: Ours,
    ready: Arc<ProvisionerPre<CallState>>,
    slots: Arc<Semaphore>,
}

impl Partial {
    fn start(ours: &Ours) -> Self {
        let engine = engine(instance_pool(INSTANCES));
        let component = Component::new(&engine, MAPPING).expect("a component");
        let mut linker = Linker::new(&engine);
        link(&mut linker).expect("a linker");
        let instance = linker.instantiate_pre(&component).expect("a linked component");
        Self {
            ours: ours.clone(),
            ready: Arc::new(ProvisionerPre::new(instance).expect("a provisioner")),
            slots: Arc::new(Semaphore::new(INSTANCES as usize)),
        }
    }

    fn store(&self) -> Store<CallState> {
        let mut store = Store::new(self.ready.engine(), self.ours.state());
        store.set_fuel(FUEL).expect("fuel");
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(2);
        store
    }

    async fn provision(&self, store: &mut Store<CallState>, invocation: &Invocation) -> Outcome {
        let instance = self.ready.instantiate_async(&mut *store).await.expect("an instance");
        let said = instance.provender_plugin_provisioning().call_provision(store, invocation).await;
        said.expect("a call").expect("an outcome")
    }

    async fn with_effects(self, invocation: Arc<Invocation>) {
        self.provision(&mut self.store(), &invocation).await;
    }

    async fn with_timeout(self, invocation: Arc<Invocation>) {
        let mut store = self.store();
        let body = {
            let (this, store) = (self.clone(), &mut store);
            async move { this.provision(store, &invocation).await }.boxed()
        };
        tokio::time::timeout(Duration::from_secs(30), body).await.expect("an end in time");
    }

    async fn with_slot(self, invocation: Arc<Invocation>) {
        let slots = Arc::clone(&self.slots);
        let _slot = slots.acquire().await;
        self.with_timeout(invocation).await;
    }

    fn contender<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        invocation: &Arc<Invocation>,
        call: fn(Self, Arc<Invocation>) -> F,
    ) -> Contender {
        let (partial, invocation) = (self.clone(), Arc::clone(invocation));
        Contender::new(name, move || -> BoxFuture<'static, ()> {
            call(partial.clone(), Arc::clone(&invocation)).boxed()
        })
    }
}

/// Prints what each part adds.
pub(crate) async fn print(ours: &Ours, raw: &Raw, invocation: &Arc<Invocation>, rounds: usize) {
    let partial = Partial::start(ours);
    let made = {
        let (ours, raw, invocation) = (ours.clone(), raw.clone(), Arc::clone(invocation));
        Contender::new("state", move || {
            let (ours, raw, invocation) = (ours.clone(), raw.clone(), Arc::clone(&invocation));
            async move {
                let _state = ours.state();
                raw.kept(&invocation).await;
            }
        })
    };
    let contenders = [
        raw.clone().contender("raw wasmtime", invocation),
        raw.clone().limited_contender("limits on the store", invocation),
        made,
        partial.contender("effects", invocation, Partial::with_effects),
        partial.contender("timeout", invocation, Partial::with_timeout),
        partial.contender("slot", invocation, Partial::with_slot),
        ours.contender("ours", invocation),
    ];
    let mut samples = interleaved(&contenders, rounds).await;
    let medians: Vec<f64> = samples.iter_mut().map(|samples| samples.median()).collect();
    let [raw, limited, made, effects, timeout, slot, ours] = medians[..] else {
        unreachable!("seven contenders")
    };
    let row = |part: &str, cost: f64| {
        [part.to_owned(), format!("{cost:+.2}"), format!("{:+.1} %", 100.0 * cost / raw)]
    };
    print_table(
        ["part of our call above raw wasmtime", "µs", "of raw"],
        &[
            row("limits on memory, tables, instances, handles, crossings", limited - raw),
            row("state of a call made and dropped: gate, budgets, grants", made - raw),
            row("real functions of the host: one read and one log line through the gate", effects - made),
            row("deadline (timeout around a boxed future)", timeout - effects),
            row("slot of the pool (semaphore)", slot - timeout),
            row(
                "the rest: lanes, what was used, transcript and outcome handed out",
                ours - slot - (limited - raw),
            ),
            row("all of it", ours - raw),
        ],
    );
}
