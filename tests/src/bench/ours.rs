//! Our call: a fresh instance with all limits, whose effects pass the gate and end up in a transcript, and whose end is
//! typed. One read of the state from memory, one line of the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::calls::{COMPILED, Stored, TIME, settings};
use crate::guests::MAPPING;
use provender::capabilities::contract::Filtered;
use provender::capabilities::contract::state::Scope;
use provender::capabilities::contract::types::{Invocation, Outcome};
use provender::capabilities::plugin::{Plugin, PluginHost};
use provender::capabilities::state::StateReader;
use provender::capabilities::{CallState, Grants, Surroundings, state};
use provender::plugins::Catalog;
use provender::sandbox::{Limits, Mode, Settings};
use provender_guest_mapping::account;

use super::measure::Contender;
use super::raw::INSTANCES;
use super::subject;

/// The mapping in a sandbox, and a filter.
#[derive(Clone)]
pub struct Ours {
    pub host: PluginHost,
    mapping: Arc<Plugin>,
    filter: Arc<Plugin>,
    stored: Arc<dyn StateReader>,
    limits: Limits,
}

/// A state that is read as slowly as a counterpart answers.
struct Slow {
    stored: Arc<dyn StateReader>,
    answers_after: Duration,
}

impl StateReader for Slow {
    fn value(&self, scope: Scope, key: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>> {
        async move {
            tokio::time::sleep(self.answers_after).await;
            self.stored.value(scope, key).await
        }
        .boxed()
    }

    fn keys(
        &self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
        self.stored.keys(scope, prefix, after, limit)
    }
}

/// A sandbox that keeps what it compiled in a folder.
pub fn sandbox(compiled: &Path) -> PluginHost {
    PluginHost::start(&Settings { instances: INSTANCES, ..settings(compiled) }).expect("a sandbox")
}

/// Loads a plugin.
pub async fn load(host: &PluginHost, component: &[u8]) -> Arc<Plugin> {
    Arc::new(host.load(&Catalog::digest(component), component.into()).await.expect("a plugin"))
}

/// The mapping as another plugin: with a custom section of its own.
pub fn variant(number: u32) -> Vec<u8> {
    let mut component = MAPPING.to_vec();
    // Section 0; its length; the length of its name; its name; its content.
    component.extend([0, 8, 3, b'n', b'r', b'.']);
    component.extend(number.to_le_bytes());
    component
}

/// A filter that comes with the host.
pub fn group_name() -> &'static [u8] {
    provender_bundled_plugins::find("group-name").expect("a bundled filter").wasm
}

impl Ours {
    pub async fn start() -> Self {
        let host = sandbox(Path::new(COMPILED));
        let stored = BTreeMap::from([(account::KEY.to_owned(), b"an account of old".to_vec())]);
        Self {
            mapping: load(&host, MAPPING).await,
            filter: load(&host, group_name()).await,
            stored: Arc::new(Stored(stored)),
            limits: Limits::default(),
            host,
        }
    }

    /// The same sandbox with another plugin.
    pub fn with(&self, mapping: Arc<Plugin>) -> Self {
        Self { mapping, ..self.clone() }
    }

    /// The same plugin with an effect that takes so long, as one on a counterpart over a network does.
    pub fn with_counterpart(&self, answers_after: Duration) -> Self {
        Self { stored: Arc::new(Slow { stored: Arc::clone(&self.stored), answers_after }), ..self.clone() }
    }

    /// The state of a call, as the pipeline makes it.
    pub fn state(&self) -> CallState {
        let surroundings = Surroundings {
            limits: self.limits.clone(),
            seed: [1; 32],
            time: TIME.parse().expect("a time"),
            mode: Mode::Live,
        };
        let state = state::Grant { reader: Some(Arc::clone(&self.stored)), subject: true };
        CallState::new(surroundings, Grants { state, ..Grants::default() })
    }

    /// Calls the mapping.
    pub async fn provision(&self, invocation: Arc<Invocation>) -> Outcome {
        let end = self.host.provision(&self.mapping, self.state(), invocation).await;
        end.result.expect("a call").expect("an outcome")
    }

    /// Calls the filter, and the mapping with what it gives.
    async fn filter_and_provision(&self, to_filter: Arc<Invocation>, configuration: String) {
        let end = self.host.filter(&self.filter, self.state(), Arc::clone(&to_filter)).await;
        let Filtered::Pass(subject) = end.result.expect("a call").expect("a subject") else {
            panic!("the filter lets everybody pass")
        };
        let mut invocation = Invocation {
            id: to_filter.id.clone(),
            attempt: to_filter.attempt,
            context: to_filter.context.clone(),
            action: to_filter.action.clone(),
            subject,
            extensions: Vec::new(),
        };
        invocation.context.configuration = configuration;
        self.provision(Arc::new(invocation)).await;
    }

    /// The call.
    pub fn contender(&self, name: &'static str, invocation: &Arc<Invocation>) -> Contender {
        let (ours, invocation) = (self.clone(), Arc::clone(invocation));
        Contender::new(name, move || {
            let (ours, invocation) = (ours.clone(), Arc::clone(&invocation));
            async move {
                ours.provision(invocation).await;
            }
        })
    }

    /// A filter and the call: two instances.
    pub fn filter_contender(&self, name: &'static str) -> Contender {
        let ours = self.clone();
        let to_filter = subject::invocation(r#"{"identifier_type":"posix"}"#);
        let configuration = subject::mapping_configuration();
        Contender::new(name, move || {
            let (ours, to_filter, configuration) =
                (ours.clone(), Arc::clone(&to_filter), configuration.clone());
            async move { ours.filter_and_provision(to_filter, configuration).await }
        })
    }
}
