//! What a target needs at run time: its plugins loaded, its limits, its servers. Kept until its configuration changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Parts;
use super::contract::CollaborationView;
use super::lookups::Lookups;
use super::plugin_state::StoredState;
use crate::capabilities::contract::types::Context;
use crate::capabilities::http::{ExpectedAnswer, RequestPattern};
use crate::capabilities::slots::Slots;
use crate::capabilities::{Grants, files, http, ldap, messaging, registry, sql, state};
use crate::plugins::{LoadedPlugin, Manifest, Slot};
use crate::provisioning::{FailureClass, Target};
use crate::registry::record::{Collaboration, EmailList, Record, RecordKind, SubjectKey};
use crate::sandbox::Limits;
use crate::servers::LiveServer;
use crate::servers::configuration::secrets::SecretFiles;
use crate::servers::pacing::seconds;
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
    slots: Slots,
    secrets: WatchedSecrets,
}

/// The files that secrets of the target's servers were read from.
struct WatchedSecrets {
    files: Vec<Arc<SecretFiles>>,
    looked: Mutex<Instant>,
}

/// How long a secret in a file may be another one before it is noticed.
const SECRETS_ARE_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

impl WatchedSecrets {
    fn new(files: Vec<Arc<SecretFiles>>) -> Self {
        Self { files, looked: Mutex::new(Instant::now()) }
    }

    /// Whether a secret is another one by now, as far as that was looked at.
    fn changed(&self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let now = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*looked) < SECRETS_ARE_LOOKED_AT_EVERY {
            return false;
        }
        *looked = now;
        drop(looked);
        self.files.iter().any(|files| files.changed())
    }
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
    match cached {
        Some(runtime) if !runtime.secrets.changed() => return Ok(runtime),
        // What was read before must not be used again, also when what is there now is of no use.
        Some(_) => drop(parts.runtimes.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)),
        None => {}
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
    let (slots, secrets) = bind(parts, co, &target, &loaded).await?;
    let provisioner = Step { id: target.id.clone(), loaded, configuration: target.configuration.to_string() };
    let co = Arc::new(collaboration(store, co).await?);
    let settings = target.settings();
    Ok(TargetRuntime { co, provisioner, filters, limits, target, settings, slots, secrets })
}

async fn bind(
    parts: &Parts,
    co: &str,
    target: &Target,
    loaded: &LoadedPlugin,
) -> Result<(Slots, WatchedSecrets), TargetProblem> {
    let unusable = |reason: String| TargetProblem::Unusable { target: target.id.clone(), reason };
    let (mut bound, mut secrets) = (Slots::default(), Vec::new());
    for Slot { name, operations, .. } in &loaded.manifest.slots {
        let Some(server) = target.slots.get(name) else { continue };
        let live = parts.administration.watched_server(co, server).await;
        let (name, operations) = (name.clone(), operations.clone());
        let (live, files) =
            live.map_err(|error| unusable(format!("server `{server}` of slot `{name}`: {error}")))?;
        secrets.extend(Some(files).filter(|files| !files.is_empty()));
        match live {
            LiveServer::Files(root) => {
                bound.files.0.push(Arc::new(files::Slot { name, root: Some(root), operations }));
            }
            LiveServer::Ldap(server) => {
                bound.ldap.0.push(Arc::new(ldap::Slot { name, server: Some(server), operations }));
            }
            LiveServer::Messaging(server) => {
                let slot = messaging::Slot { name, server: Some(server), operations };
                bound.messaging.0.push(Arc::new(slot));
            }
            LiveServer::Http(server) => {
                let (safe_requests, expected_answers) = requests(&loaded.manifest, &name);
                let slot = http::Slot { name, server, operations, safe_requests, expected_answers };
                bound.http.0.push(Arc::new(slot));
            }
            LiveServer::Sql(server) => bound.sql.0.push(Arc::new(sql::Slot::new(name, server, operations))),
        }
    }
    Ok((bound, WatchedSecrets::new(secrets)))
}

type Requests = (Vec<RequestPattern>, Vec<(RequestPattern, ExpectedAnswer)>);

/// What a plugin says of its requests to a slot: those that read, and the answers it expects to others.
fn requests(manifest: &Manifest, slot: &str) -> Requests {
    let pattern =
        |method: &str, path: &str| RequestPattern { method: method.to_owned(), path: path.to_owned() };
    let safe = manifest.safe_requests.iter().filter(|safe| safe.slot == slot);
    let expected = manifest.expected_answers.iter().filter(|expected| expected.slot == slot);
    let answer = |status: u16, body: &str| ExpectedAnswer { status, body: body.to_owned().into() };
    (
        safe.map(|safe| pattern(&safe.method, &safe.path)).collect(),
        expected
            .map(|expected| {
                (pattern(&expected.method, &expected.path), answer(expected.status, &expected.body))
            })
            .collect(),
    )
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
        Context {
            co: self.co.collaboration.id.clone(),
            target: self.target.id.clone(),
            target_description: self.target.description.clone(),
            configuration: self.provisioner.configuration.clone(),
            slots: self.slots.bindings(),
            time,
        }
    }

    /// When a new try of what failed now is worth while, in seconds, if a server told or is down.
    pub(super) fn rest_seconds(&self) -> Option<u32> {
        u32::try_from(seconds(self.slots.rest()?)).ok()
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
            slots: self.slots.clone(),
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
