//! Calls of a target's provisioner with nothing around them but the sandbox: nothing is planned, read from the registry, or
//! stored. What a plugin keeps stays in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use provender::capabilities::contract::records::{CollaborationUnit, Group, Identifier, Subject};
use provender::capabilities::contract::registry::{Affiliation, GroupPage, MemberPage, ServicePage};
use provender::capabilities::contract::types::{Action, Context, Invocation, Outcome};
use provender::capabilities::plugin::{Plugin, PluginHost};
use provender::capabilities::registry::{self, RegistryReader};
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, http, ldap, messaging, sql, state};
use provender::registry::record::SubjectKey;
use provender::sandbox::{Limits, Mode};
use provender::servers::LiveServer;
use uuid::Uuid;

use super::ours::{load, sandbox};
use crate::calls::{COMPILED, Stored, TIME};
use crate::host::{CO, TestHost};

/// A provisioner, and the subjects to call it for.
pub struct Alone {
    host: PluginHost,
    plugin: Arc<Plugin>,
    slots: Slots,
    context: Context,
    subjects: Vec<Subject>,
    kept: Vec<Kept>,
    registry: Arc<Affiliations>,
}

/// What a plugin keeps of a subject.
type Kept = Mutex<BTreeMap<String, Vec<u8>>>;

/// A registry that has affiliations and nothing else.
struct Affiliations(Vec<Affiliation>);

impl Alone {
    /// The provisioner of a target that has one slot, with the connections of its server, and the subjects as it is given
    /// them now.
    pub async fn of(test: &TestHost, target: &str, subjects: &[SubjectKey]) -> Self {
        let found = test.host.store.target(CO, target).await.expect("a store").expect("a target");
        let (slot, server) = found.slots.iter().next().expect("a slot");
        let live = test.host.administration.server_live(CO, server).await.expect("a server");
        let host = sandbox(Path::new(COMPILED));
        let bundled = provender_bundled_plugins::find(&found.plugin.name).expect("a bundled plugin");
        let plugin = load(&host, bundled.wasm).await;
        let slots = bound(slot, live);
        let context = Context {
            co: CO.to_owned(),
            target: target.to_owned(),
            target_description: String::new(),
            configuration: found.configuration.to_string(),
            slots: slots.bindings(),
            time: TIME.to_owned(),
        };
        let kept = subjects.iter().map(|_| Kept::default()).collect();
        let collaboration =
            test.host.store.collaboration(CO).await.expect("a store").expect("a collaboration");
        let affiliations = collaboration.affiliations.into_iter().map(|defined| Affiliation {
            affiliation: defined.affiliation,
            edu_person_affiliation: defined.edu_person_affiliation,
        });
        let registry = Arc::new(Affiliations(affiliations.collect()));
        let mut alone = Self { host, plugin, slots, context, subjects: Vec::new(), kept, registry };
        alone.look(test, target, subjects).await;
        alone
    }

    /// Takes the subjects as the target is given them now.
    pub async fn look(&mut self, test: &TestHost, target: &str, subjects: &[SubjectKey]) {
        self.subjects.clear();
        for subject in subjects {
            let preview = test.host.pipeline.preview(CO, target, subject).await.expect("a preview");
            let given = preview.transcript.expect("a call").input.subject;
            self.subjects.push(serde_json::from_str(given.text()).expect("a subject"));
        }
    }

    /// Forgets what the plugin kept.
    pub fn forget(&mut self) {
        self.kept.iter_mut().for_each(|kept| *kept = Kept::default());
    }

    /// Calls the plugin for a subject.
    pub async fn provision(&self, number: usize) {
        let invocation = Invocation {
            id: Uuid::now_v7().to_string(),
            attempt: 1,
            context: self.context.clone(),
            action: Action::ReprovisionRequested,
            subject: self.subjects[number].clone(),
            extensions: Vec::new(),
        };
        let surroundings = Surroundings {
            limits: Limits::default(),
            seed: [1; 32],
            time: TIME.parse().expect("a time"),
            mode: Mode::Live,
        };
        let kept = || self.kept[number].lock().expect("no panic in between");
        let stored = Stored(kept().clone());
        let grants = Grants {
            slots: self.slots.clone(),
            registry: registry::Grant(Some(Arc::clone(&self.registry) as _)),
            state: state::Grant { reader: Some(Arc::new(stored)), subject: true },
        };
        let state = CallState::new(surroundings, grants);
        let end = self.host.provision(&self.plugin, state, invocation).await;
        let outcome = end.result.expect("a call").expect("an outcome");
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
        let mut kept = kept();
        for change in end.state.into_state_changes() {
            match change.value {
                Some(value) => kept.insert(change.key, value),
                None => kept.remove(&change.key),
            };
        }
    }
}

fn bound(slot: &str, live: LiveServer) -> Slots {
    let (name, operations, mut slots) = (slot.to_owned(), Vec::new(), Slots::default());
    match live {
        LiveServer::Ldap(server) => {
            slots.ldap.0.push(Arc::new(ldap::Slot { name, server: Some(server), operations }));
        }
        LiveServer::Messaging(server) => {
            slots.messaging.0.push(Arc::new(messaging::Slot { name, server: Some(server), operations }));
        }
        LiveServer::Sql(server) => slots.sql.0.push(Arc::new(sql::Slot::new(name, server, operations))),
        LiveServer::Http(server) => {
            let (safe_requests, expected_answers) = (Vec::new(), Vec::new());
            slots.http.0.push(Arc::new(http::Slot {
                name,
                server,
                operations,
                safe_requests,
                expected_answers,
            }));
        }
        LiveServer::Files(_) => panic!("no bench has such a server"),
    }
    slots
}

impl RegistryReader for Affiliations {
    fn members(
        &self,
        _: String,
        _: Option<String>,
        _: Option<String>,
        _: u32,
    ) -> BoxFuture<'_, anyhow::Result<Option<MemberPage>>> {
        async { Ok(None) }.boxed()
    }

    fn group(&self, _: String) -> BoxFuture<'_, anyhow::Result<Option<Group>>> {
        async { Ok(None) }.boxed()
    }

    fn groups(&self, _: Option<String>, _: u32) -> BoxFuture<'_, anyhow::Result<GroupPage>> {
        async { Ok(GroupPage { groups: Vec::new(), next: None }) }.boxed()
    }

    fn services(&self, _: Option<String>, _: u32) -> BoxFuture<'_, anyhow::Result<ServicePage>> {
        async { Ok(ServicePage { services: Vec::new(), next: None }) }.boxed()
    }

    fn collaboration_units(&self) -> BoxFuture<'_, anyhow::Result<Vec<CollaborationUnit>>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn affiliations(&self) -> BoxFuture<'_, anyhow::Result<Vec<Affiliation>>> {
        async { Ok(self.0.clone()) }.boxed()
    }

    fn written_identifiers(&self, _: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<Identifier>>>> {
        async { Ok(None) }.boxed()
    }
}
