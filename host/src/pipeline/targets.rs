//! What a target needs at run time: its plugins loaded, its limits, its servers. Kept until its configuration changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Parts;
use super::contract::CollaborationView;
use super::lookups::Lookups;
use super::plugin_state::StoredState;
use crate::administration::LiveServer;
use crate::capabilities::contract::types::{Context, ServerKind, SlotBinding};
use crate::capabilities::{Grants, files, http, registry, state};
use crate::plugins::{LoadedPlugin, Slot};
use crate::provisioning::{FailureClass, Target};
use crate::registry::record::{Collaboration, EmailList, Record, RecordKind, SubjectKey};
use crate::sandbox::Limits;
use crate::store::{Store, StoreError};

/// Why a target cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum TargetProblem {
    #[error("there is no target `{0}`")]
    Unknown(String),
    #[error("target `{target}` cannot be called: {reason}")]
    Unusable { target: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TargetProblem {
    pub(super) fn class(&self) -> FailureClass {
        match self {
            Self::Unknown(_) | Self::Unusable { .. } => FailureClass::Configuration,
            Self::Store(_) => FailureClass::HostFault,
        }
    }
}

/// One plugin of a run with its configuration.
pub(super) struct Step {
    /// `id` of the filter or target.
    pub(super) id: String,
    pub(super) loaded: Arc<LoadedPlugin>,
    /// As JSON text.
    pub(super) configuration: String,
}

impl Step {
    /// Whether the plugin handles subjects of this kind.
    pub(super) fn handles(&self, kind: &str) -> bool {
        self.loaded.manifest.subject_kinds.iter().any(|handled| handled == kind)
    }
}

/// What all subjects of a collaboration share.
pub(super) struct CollaborationState {
    pub(super) collaboration: Collaboration,
    pub(super) view: CollaborationView,
    pub(super) email_lists: Vec<EmailList>,
}

/// A target ready to be called.
pub(super) struct TargetRuntime {
    pub(super) co: Arc<CollaborationState>,
    pub(super) provisioner: Step,
    pub(super) filters: Vec<Step>,
    pub(super) limits: Limits,
    pub(super) target: Target,
    /// [`Target::settings`].
    pub(super) settings: String,
    files: Vec<Arc<files::Slot>>,
    http: Vec<Arc<http::Slot>>,
}

/// Runtimes by collaboration and target, each for one generation of the collaboration's configuration.
#[derive(Default)]
pub struct RuntimeCache(Mutex<HashMap<(String, String), Generation>>);

/// A runtime, and the number of the configuration that it was built from.
type Generation = (i64, Arc<TargetRuntime>);

/// The runtime of a target, built anew when the configuration of its collaboration is no longer that of `generation`.
pub(super) async fn runtime(
    parts: &Parts,
    co: &str,
    target: &str,
    generation: i64,
) -> Result<Arc<TargetRuntime>, TargetProblem> {
    let key = (co.to_owned(), target.to_owned());
    let cached = {
        let cache = parts.runtimes.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&key).filter(|(built, _)| *built == generation).map(|(_, runtime)| Arc::clone(runtime))
    };
    if let Some(runtime) = cached {
        return Ok(runtime);
    }
    let runtime = Arc::new(build(parts, co, target).await?);
    let mut cache = parts.runtimes.0.lock().unwrap_or_else(PoisonError::into_inner);
    cache.insert(key, (generation, Arc::clone(&runtime)));
    Ok(runtime)
}

async fn build(parts: &Parts, co: &str, id: &str) -> Result<TargetRuntime, TargetProblem> {
    let unusable = |reason: String| TargetProblem::Unusable { target: id.to_owned(), reason };
    let store = &parts.store;
    let mut target = store.target(co, id).await?.ok_or_else(|| TargetProblem::Unknown(id.to_owned()))?;
    let limits = parts.limits.overridden(&target.limits).map_err(|error| unusable(error.to_string()))?;
    let load =
        async |digest: &str| parts.catalog.load(digest).await.map_err(|error| unusable(error.to_string()));
    let loaded = load(&target.plugin.digest).await?;
    target.subject_kinds = Some(loaded.manifest.record_kinds());
    let mut filters = Vec::new();
    for filter_id in &target.filters {
        let filter = store.filter(co, filter_id).await?;
        let filter = filter.ok_or_else(|| unusable(format!("its filter `{filter_id}` is gone")))?;
        if filter.suspended {
            continue;
        }
        let loaded = load(&filter.plugin.digest).await?;
        filters.push(Step { id: filter.id, loaded, configuration: filter.configuration.to_string() });
    }
    let (files, http) = bind(parts, co, &target, &loaded).await?;
    let provisioner = Step { id: target.id.clone(), loaded, configuration: target.configuration.to_string() };
    let co = Arc::new(collaboration(store, co).await?);
    let settings = target.settings();
    Ok(TargetRuntime { co, provisioner, filters, limits, target, settings, files, http })
}

type Bound = (Vec<Arc<files::Slot>>, Vec<Arc<http::Slot>>);

async fn bind(
    parts: &Parts,
    co: &str,
    target: &Target,
    loaded: &LoadedPlugin,
) -> Result<Bound, TargetProblem> {
    let unusable = |reason: String| TargetProblem::Unusable { target: target.id.clone(), reason };
    let (mut files, mut http) = (Vec::new(), Vec::new());
    for Slot { name, operations, .. } in &loaded.manifest.slots {
        let Some(server) = target.slots.get(name) else { continue };
        let live = parts.administration.server_live(co, server).await;
        match live.map_err(|error| unusable(format!("server `{server}` of slot `{name}`: {error}")))? {
            LiveServer::Files(root) => {
                files.push(Arc::new(files::Slot {
                    name: name.clone(),
                    root: Some(root),
                    operations: operations.clone(),
                }));
            }
            LiveServer::Http(server) => {
                let safe_requests = loaded
                    .manifest
                    .safe_requests
                    .iter()
                    .filter(|safe| safe.slot == *name)
                    .map(|safe| (safe.method.clone(), safe.path.clone()))
                    .collect();
                let (name, operations) = (name.clone(), operations.clone());
                http.push(Arc::new(http::Slot { name, server, operations, safe_requests }));
            }
        }
    }
    Ok((files, http))
}

/// Email lists that a collaboration may have before they are no longer shown with groups.
const EMAIL_LISTS: u32 = 10_000;

async fn collaboration(store: &Store, co: &str) -> Result<CollaborationState, TargetProblem> {
    let collaboration = store.collaboration(co).await?.unwrap_or_default();
    let lists = store.records(co, RecordKind::EmailList, None, EMAIL_LISTS).await?;
    let email_lists = lists
        .into_iter()
        .filter_map(|stored| match stored.record {
            Record::EmailList(list) => Some(*list),
            _ => None,
        })
        .collect();
    Ok(CollaborationState { view: CollaborationView::new(&collaboration), collaboration, email_lists })
}

impl TargetRuntime {
    /// How many calls may run at once.
    pub(super) fn concurrency(&self) -> u32 {
        self.target.concurrency
    }

    /// In what surroundings the provisioner is called.
    pub(super) fn context(&self, time: String) -> Context {
        let slots = self.files.iter().map(|slot| (slot.name.clone(), ServerKind::Files, None)).chain(
            self.http
                .iter()
                .map(|slot| (slot.name.clone(), ServerKind::Http, Some(slot.server.base_url().to_string()))),
        );
        Context {
            co: self.co.collaboration.id.clone(),
            target: self.target.id.clone(),
            target_description: self.target.description.clone(),
            configuration: self.provisioner.configuration.clone(),
            slots: slots
                .map(|(slot, kind, base_url)| SlotBinding { slot, kind, base_url, extensions: Vec::new() })
                .collect(),
            time,
        }
    }

    /// What the provisioner may reach.
    pub(super) fn grants(&self, parts: &Parts, subject: Option<&SubjectKey>) -> Grants {
        let stored = StoredState {
            store: parts.store.clone(),
            co: self.co.collaboration.id.clone(),
            target: self.target.id.clone(),
            subject: subject.cloned(),
        };
        Grants {
            files: files::Grant(self.files.clone()),
            http: http::Grant(self.http.clone()),
            registry: self.registry_grant(parts),
            state: state::Grant { reader: Some(Arc::new(stored)), subject: subject.is_some() },
        }
    }

    /// What a plugin may look up.
    pub(super) fn registry_grant(&self, parts: &Parts) -> registry::Grant {
        registry::Grant(Some(Arc::new(Lookups {
            store: parts.store.clone(),
            co: Arc::clone(&self.co),
            target: self.target.id.clone(),
            clock: parts.clock.clone(),
        })))
    }
}
