//! A loaded plugin and its exports: each a typed call in a fresh instance.

use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use wasmtime::component::InstancePre;

use super::contract::Filtered;
use super::contract::data_filter::{DataFilter, DataFilterPre};
use super::contract::provisioner::{Provisioner, ProvisionerPre};
use super::contract::records::Subject;
use super::contract::types::{Context, Description, Failure, Inspection as Held, Invocation, Outcome};
use super::{CallState, Grants, Surroundings, link};
use crate::sandbox::{Call, CallEnd, Inspection, Limits, Mode, Pace, Refused, Sandbox, Settings, World};

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
    exports: Arc<Exports>,
    pace: Pace,
}

enum Exports {
    Provisioner(ProvisionerPre<CallState>),
    DataFilter(DataFilterPre<CallState>),
}

/// What the plugin said, or why it could not.
pub type Said<T> = CallEnd<CallState, Result<T, Failure>>;

/// An export of the other world was called: the host's own mistake, caught before by the plugin's world.
fn wrong_world(export: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the plugin's world has no export `{export}`"))
}

/// Makes the instance in the store and calls one export of it. The worlds share `plugin`; `provisioning` and
/// `filtering` belong to one each.
macro_rules! call {
    ($self:ident, $plugin:ident, $state:ident, $export:literal, |$instance:ident, $store:ident| {
        provisioner: $provisioner:expr, data_filter: $data_filter:expr $(,)?
    }) => {{
        let call = Call { export: $export, pace: &$plugin.pace, state: $state };
        let exports = Arc::clone(&$plugin.exports);
        $self
            .sandbox
            .call(&$plugin.instance, call, move |$store| {
                async move {
                    match &*exports {
                        Exports::Provisioner(exports) => {
                            let $instance: Provisioner = exports.instantiate_async(&mut *$store).await?;
                            $provisioner
                        }
                        Exports::DataFilter(exports) => {
                            let $instance: DataFilter = exports.instantiate_async(&mut *$store).await?;
                            $data_filter
                        }
                    }
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
        let exports = match loaded.inspection.world {
            World::Provisioner => Exports::Provisioner(ProvisionerPre::new(instance.clone()).map_err(unfit)?),
            World::DataFilter => Exports::DataFilter(DataFilterPre::new(instance.clone()).map_err(unfit)?),
        };
        let plugin = Plugin {
            inspection: loaded.inspection,
            instance,
            exports: Arc::new(exports),
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
        let (ready, exports) = (plugin.instance.clone(), Arc::clone(&plugin.exports));
        let end = self.sandbox.call(&plugin.instance, call, move |store| {
            async move {
                let instance = ready.instantiate_async(&mut *store).await?;
                Ok(match &*exports {
                    Exports::Provisioner(_) => Provisioner::new(&mut *store, &instance).err(),
                    Exports::DataFilter(_) => DataFilter::new(&mut *store, &instance).err(),
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
        call!(self, plugin, state, "describe", |instance, store| {
            provisioner: instance.provender_plugin_plugin().call_describe(store).await,
            data_filter: instance.provender_plugin_plugin().call_describe(store).await,
        })
    }

    /// Tests a configuration and the counterparts.
    pub async fn check(&self, plugin: &Plugin, state: CallState, context: &Context) -> Said<Vec<String>> {
        let context = context.clone();
        call!(self, plugin, state, "check", |instance, store| {
            provisioner: instance.provender_plugin_plugin().call_check(store, &context).await,
            data_filter: instance.provender_plugin_plugin().call_check(store, &context).await,
        })
    }

    /// Sets the counterpart up.
    pub async fn prepare(&self, plugin: &Plugin, state: CallState, context: &Context) -> Said<Vec<String>> {
        let context = context.clone();
        call!(self, plugin, state, "prepare", |instance, store| {
            provisioner: instance.provender_plugin_provisioning().call_prepare(store, &context).await,
            data_filter: { let _ = (instance, store); Err(wrong_world("prepare")) },
        })
    }

    /// Brings the counterpart up to date with one subject.
    pub async fn provision(
        &self,
        plugin: &Plugin,
        state: CallState,
        invocation: impl Into<Arc<Invocation>>,
    ) -> Said<Outcome> {
        let invocation = invocation.into();
        call!(self, plugin, state, "provision", |instance, store| {
            provisioner: instance.provender_plugin_provisioning().call_provision(store, &invocation).await,
            data_filter: { let _ = (instance, store); Err(wrong_world("provision")) },
        })
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
        call!(self, plugin, state, "inspect", |instance, store| {
            provisioner: instance.provender_plugin_provisioning().call_inspect(store, &context, &subject).await,
            data_filter: { let _ = (instance, store); Err(wrong_world("inspect")) },
        })
    }

    /// Runs a data filter over one subject.
    pub async fn filter(
        &self,
        plugin: &Plugin,
        state: CallState,
        invocation: impl Into<Arc<Invocation>>,
    ) -> Said<Filtered> {
        let invocation = invocation.into();
        call!(self, plugin, state, "filter", |instance, store| {
            provisioner: { let _ = (instance, store); Err(wrong_world("filter")) },
            data_filter: instance.provender_plugin_filtering().call_filter(store, &invocation).await,
        })
    }
}
