//! A loaded plugin and its exports: each a typed call in a fresh instance.

use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::contract::Filtered;
use super::contract::data_filter::{DataFilter, DataFilterPre};
use super::contract::provisioner::{Provisioner, ProvisionerPre};
use super::contract::records::Subject;
use super::contract::types::{Context, Description, Failure, Inspection as Held, Invocation, Outcome};
use super::{CallState, Grants, Surroundings, link};
use crate::sandbox::{
    CONTRACT, Call, CallEnd, Inspection, Limits, Mode, Pace, Refused, Sandbox, Settings, World,
};

/// Loads plugins and calls them.
#[derive(Clone)]
pub struct PluginHost {
    sandbox: Arc<Sandbox<CallState>>,
}

/// A plugin that is compiled, checked and linked.
pub struct Plugin {
    /// What it is by its binary alone.
    pub inspection: Inspection,
    instance: InstancePre<CallState>,
    exports: Exports,
    pace: Pace,
}

/// Where the component has its exports; those of the other world it has not.
#[derive(Clone, Copy)]
struct Exports {
    describe: Option<ComponentExportIndex>,
    check: Option<ComponentExportIndex>,
    prepare: Option<ComponentExportIndex>,
    provision: Option<ComponentExportIndex>,
    inspect: Option<ComponentExportIndex>,
    filter: Option<ComponentExportIndex>,
}

/// What the plugin said, or why it could not.
pub type Said<T> = CallEnd<CallState, Result<T, Failure>>;

impl Exports {
    fn of(component: &Component) -> Self {
        let export = |interface: &str, name| {
            let interface =
                component.get_export_index(None, format!("provender:plugin/{interface}@{CONTRACT}"))?;
            component.get_export_index(Some(&interface), name)
        };
        Self {
            describe: export("plugin", "describe"),
            check: export("plugin", "check"),
            prepare: export("provisioning", "prepare"),
            provision: export("provisioning", "provision"),
            inspect: export("provisioning", "inspect"),
            filter: export("filtering", "filter"),
        }
    }
}

/// Makes the instance in the store and calls one export of it. Only this one is compared with its type, which for all of
/// them takes as long as a short call; that was done when the plugin was loaded.
macro_rules! call {
    ($self:ident, $plugin:ident, $state:ident, $export:ident, $arguments:expr) => {{
        let call = Call { export: stringify!($export), pace: &$plugin.pace, state: $state };
        let (ready, index) = ($plugin.instance.clone(), $plugin.exports.$export);
        $self
            .sandbox
            .call(&$plugin.instance, call, move |store| {
                async move {
                    // Else it is of the other world: the host's own mistake, caught before by the plugin's world.
                    let index = index.ok_or_else(|| wasmtime::Error::msg("the plugin's world has no such export"))?;
                    let instance = ready.instantiate_async(&mut *store).await?;
                    let export = instance.get_typed_func(&mut *store, index)?;
                    let (said,) = export.call_async(store, $arguments).await?;
                    Ok(said)
                }
                .boxed()
            })
            .await
    }};
}

impl PluginHost {
    /// Starts the sandbox with every capability linked.
    pub fn start(settings: &Settings) -> wasmtime::Result<Self> {
        Ok(Self { sandbox: Arc::new(Sandbox::start(settings, link)?) })
    }

    /// Compiles, checks and links a component, or takes what was compiled of it before.
    pub async fn load(&self, digest: &str, wasm: Arc<[u8]>) -> Result<Plugin, Refused> {
        let loaded = self.sandbox.load(digest, wasm).await?;
        let unfit = |error: wasmtime::Error| Refused::contract(&error);
        let instance = loaded.instance;
        let complete = match loaded.inspection.world {
            World::Provisioner => ProvisionerPre::new(instance.clone()).map(drop),
            World::DataFilter => DataFilterPre::new(instance.clone()).map(drop),
        };
        complete.map_err(unfit)?;
        let plugin = Plugin {
            exports: Exports::of(instance.component()),
            inspection: loaded.inspection,
            instance,
            pace: Pace::default(),
        };
        match self.mismatch(&plugin).await {
            Some(error) => {
                self.forget(digest);
                Err(unfit(error))
            }
            None => Ok(plugin),
        }
    }

    /// How the exports differ from those of the contract in their types. They are compared with an instance only.
    async fn mismatch(&self, plugin: &Plugin) -> Option<wasmtime::Error> {
        let surroundings = Surroundings {
            limits: Limits::default(),
            seed: [0; 32],
            time: Timestamp::UNIX_EPOCH,
            mode: Mode::Live,
        };
        let state = CallState::new(surroundings, Grants::default());
        let call = Call { export: "instantiate", pace: &plugin.pace, state };
        let (ready, world) = (plugin.instance.clone(), plugin.inspection.world);
        let end = self.sandbox.call(&plugin.instance, call, move |store| {
            async move {
                let instance = ready.instantiate_async(&mut *store).await?;
                Ok(match world {
                    World::Provisioner => Provisioner::new(&mut *store, &instance).err(),
                    World::DataFilter => DataFilter::new(&mut *store, &instance).err(),
                })
            }
            .boxed()
        });
        // No instance is a matter of limits, for the call that meets it.
        end.await.result.ok().flatten()
    }

    /// Names the engine: what is equal for two of the same name uses the same fuel.
    pub fn engine(&self) -> &str {
        self.sandbox.engine()
    }

    /// Removes what was compiled of a component.
    pub fn forget(&self, digest: &str) {
        self.sandbox.forget(digest);
    }

    /// What the plugin says of itself.
    pub async fn describe(&self, plugin: &Plugin, state: CallState) -> CallEnd<CallState, Description> {
        call!(self, plugin, state, describe, ())
    }

    /// Tests a configuration and the counterparts.
    pub async fn check(&self, plugin: &Plugin, state: CallState, context: &Context) -> Said<Vec<String>> {
        let context = context.clone();
        call!(self, plugin, state, check, (&context,))
    }

    /// Sets the counterpart up.
    pub async fn prepare(&self, plugin: &Plugin, state: CallState, context: &Context) -> Said<Vec<String>> {
        let context = context.clone();
        call!(self, plugin, state, prepare, (&context,))
    }

    /// Brings the counterpart up to date with one subject.
    pub async fn provision(
        &self,
        plugin: &Plugin,
        state: CallState,
        invocation: impl Into<Arc<Invocation>>,
    ) -> Said<Outcome> {
        let invocation = invocation.into();
        call!(self, plugin, state, provision, (&*invocation,))
    }

    /// Reads what the counterpart holds of one subject.
    pub async fn inspect(
        &self,
        plugin: &Plugin,
        state: CallState,
        context: &Context,
        subject: &Subject,
    ) -> Said<Held> {
        let (context, subject) = (context.clone(), subject.clone());
        call!(self, plugin, state, inspect, (&context, &subject))
    }

    /// Runs a data filter over one subject.
    pub async fn filter(
        &self,
        plugin: &Plugin,
        state: CallState,
        invocation: impl Into<Arc<Invocation>>,
    ) -> Said<Filtered> {
        let invocation = invocation.into();
        call!(self, plugin, state, filter, (&*invocation,))
    }
}
