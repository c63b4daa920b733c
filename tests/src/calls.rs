//! Calls of plugins with nothing around them: no store, no target, only the sandbox and what a test grants.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use anyhow::anyhow;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use provender::capabilities::contract::Filtered;
use provender::capabilities::contract::records::{Collaboration, Metadata, Person, Status, Subject};
use provender::capabilities::contract::state::Scope;
use provender::capabilities::contract::types::{Action, Context, Failure, Invocation, Outcome};
use provender::capabilities::plugin::{Plugin, PluginHost, Said};
use provender::capabilities::slots::Slots;
use provender::capabilities::state::StateReader;
use provender::capabilities::{CallState, Grants, Surroundings, files, http, ldap, state};
use provender::host::CACHE_KEY_PURPOSE;
use provender::plugins::Catalog;
use provender::sandbox::{Fault, Limits, Mode, Refused, Settings};
use provender::servers::configuration::HttpConfiguration;
use provender::servers::connector::Resolver;
use provender::servers::files::FilesRoot;
use provender::servers::http::HttpServer;
use provender::servers::ldap::LdapServer;
use provender::servers::secret::SecretKey;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::guests::{MISBEHAVING, MISBEHAVING_FILTER};
use crate::host::SECRET_KEY;
use crate::witness;

/// Where compiled components are kept for all tests and all runs of them, whatever features they are built with: to
/// compile one takes longer than most tests.
pub const COMPILED: &str = concat!(env!("TARGET_FOLDER"), "/compiled-by-tests");

/// What the clocks of a call start at.
pub const TIME: &str = "2026-03-01T08:30:00Z";

static HOST: LazyLock<PluginHost> = LazyLock::new(|| start(64 << 20));

/// The sandbox of this process.
pub fn plugin_host() -> &'static PluginHost {
    &HOST
}

/// Settings of a sandbox that keeps what it compiles in a folder, where the hosts of the tests find it too.
pub fn settings(compiled: &Path) -> Settings {
    let key = SecretKey::from_base64(SECRET_KEY).expect("a key");
    Settings::small(compiled.to_owned(), key.derive(CACHE_KEY_PURPOSE))
}

/// A sandbox that takes components of at most so many bytes.
pub fn start(component_bytes: u64) -> PluginHost {
    let settings = settings(Path::new(COMPILED));
    PluginHost::start(&Settings { component_bytes, ..settings }).expect("a sandbox")
}

/// A sandbox whose instances live in a pool or do not.
pub fn start_with_pool(pool: bool) -> PluginHost {
    PluginHost::start(&Settings { pool, ..settings(Path::new(COMPILED)) }).expect("a sandbox")
}

/// Loads a component.
pub async fn load(component: &[u8]) -> Result<Plugin, Refused> {
    plugin_host().load(&Catalog::digest(component), component.into()).await
}

/// The provisioner that does what its configuration says.
pub async fn misbehaving() -> &'static Plugin {
    static PLUGIN: OnceCell<Plugin> = OnceCell::const_new();
    PLUGIN.get_or_init(|| async { load(MISBEHAVING).await.expect("a plugin") }).await
}

/// The data filter that does what its configuration says.
pub async fn misbehaving_filter() -> &'static Plugin {
    static PLUGIN: OnceCell<Plugin> = OnceCell::const_new();
    PLUGIN.get_or_init(|| async { load(MISBEHAVING_FILTER).await.expect("a plugin") }).await
}

/// A call of a plugin that does what its configuration says.
#[derive(Default)]
pub struct TestCall {
    configuration: Value,
    filter: Value,
    limits: BTreeMap<String, u64>,
    seed: [u8; 32],
    slots: Slots,
    roots: Vec<witness::Root>,
    state: state::Grant,
}

impl TestCall {
    /// Takes these steps, whichever export is called: an array as `guests/misbehaving` reads it.
    pub fn of(steps: Value) -> Self {
        let configuration = json!({ "check": steps, "prepare": steps, "provision": steps, "inspect": steps });
        Self { configuration, ..Self::default() }
    }

    /// With a limit other than the default.
    pub fn limit(mut self, word: &str, value: u64) -> Self {
        self.limits.insert(word.to_owned(), value);
        self
    }

    /// With other random numbers.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = seed;
        self
    }

    /// With a directory bound to a slot, for these operations.
    pub fn folder(mut self, slot: &str, root: &Path, operations: &[&str]) -> Self {
        let root = witness::Root::bind(root);
        self.slots.files.0.push(Arc::new(files::Slot {
            name: slot.to_owned(),
            root: Some(Arc::new(FilesRoot::open(root.path()).expect("a root"))),
            operations: owned(operations),
        }));
        self.roots.push(root);
        self
    }

    /// With a server bound to a slot, for these methods.
    pub fn web(mut self, slot: &str, server: &Arc<HttpServer>, operations: &[&str]) -> Self {
        self.slots.http.0.push(Arc::new(http::Slot {
            name: slot.to_owned(),
            server: Arc::clone(server),
            operations: owned(operations),
            safe_requests: Vec::new(),
            expected_answers: Vec::new(),
        }));
        self
    }

    /// With a directory bound to the slot `directory`, for searches.
    pub fn directory(mut self, server: &Arc<LdapServer>) -> Self {
        self.slots.ldap.0.push(Arc::new(ldap::Slot {
            name: "directory".to_owned(),
            server: Some(Arc::clone(server)),
            operations: owned(&["search"]),
        }));
        self
    }

    /// With a state, of the target and of the subject.
    pub fn state(mut self, reader: impl StateReader + 'static) -> Self {
        self.state = state::Grant { reader: Some(Arc::new(reader)), subject: true };
        self
    }

    /// With a state of the target alone.
    pub fn state_of_target(mut self, reader: impl StateReader + 'static) -> Self {
        self.state = state::Grant { reader: Some(Arc::new(reader)), subject: false };
        self
    }

    /// Crashes in this way, whichever export of whichever world is called: see `guests/crash`.
    pub fn crashing(how: &str) -> Self {
        let mut call = Self::of(json!([{ "do": "crash", "how": how }]));
        call.filter = json!({ "check": how, "filter": { "do": "crash", "how": how } });
        call
    }

    /// Takes this step as a data filter: an object as `guests/misbehaving-filter` reads it.
    pub fn of_filter(step: Value) -> Self {
        Self { filter: json!({ "filter": step }), ..Self::default() }
    }

    /// Filters a person.
    pub async fn filter(mut self) -> Said<Filtered> {
        self.configuration = std::mem::take(&mut self.filter);
        let (plugin, invocation) = (misbehaving_filter().await, self.invocation());
        self.witnessed(async |state| plugin_host().filter(plugin, state, invocation).await).await
    }

    /// Checks the configuration of a data filter.
    pub async fn check_filter(mut self) -> Said<Vec<String>> {
        self.configuration = std::mem::take(&mut self.filter);
        let (plugin, context) = (misbehaving_filter().await, self.context());
        plugin_host().check(plugin, self.into_state(), &context).await
    }

    fn invocation(&self) -> Invocation {
        Invocation {
            id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
            attempt: 1,
            context: self.context(),
            action: Action::Updated,
            subject: person("anna"),
            extensions: Vec::new(),
        }
    }

    /// Provisions a person by the same plugin in another sandbox.
    pub async fn provision_in(self, host: &PluginHost, plugin: &Plugin) -> Said<Outcome> {
        let invocation = self.invocation();
        self.witnessed(async |state| host.provision(plugin, state, invocation).await).await
    }

    /// Provisions a person.
    pub async fn provision(self) -> Said<Outcome> {
        let (plugin, invocation) = (misbehaving().await, self.invocation());
        self.witnessed(async |state| plugin_host().provision(plugin, state, invocation).await).await
    }

    /// Checks the configuration.
    pub async fn check(self) -> Said<Vec<String>> {
        let (plugin, context) = (misbehaving().await, self.context());
        self.witnessed(async |state| plugin_host().check(plugin, state, &context).await).await
    }

    /// Prepares the counterpart.
    pub async fn prepare(self) -> Said<Vec<String>> {
        let (plugin, context) = (misbehaving().await, self.context());
        self.witnessed(async |state| plugin_host().prepare(plugin, state, &context).await).await
    }

    /// Looks at a person.
    pub async fn inspect(self) -> Said<provender::capabilities::contract::types::Inspection> {
        let (plugin, context) = (misbehaving().await, self.context());
        self.witnessed(async |state| plugin_host().inspect(plugin, state, &context, &person("anna")).await)
            .await
    }

    /// Makes the call, and notes what it did to the roots and what was refused to it.
    async fn witnessed<T>(mut self, call: impl AsyncFnOnce(CallState) -> Said<T>) -> Said<T> {
        let roots = std::mem::take(&mut self.roots);
        let end = call(self.into_state()).await;
        witness::refusals(&end.transcript);
        drop(roots);
        end
    }

    fn context(&self) -> Context {
        Context {
            co: "physics".to_owned(),
            target: "under-test".to_owned(),
            target_description: "Under test".to_owned(),
            configuration: self.configuration.to_string(),
            slots: self.slots.bindings(),
            time: TIME.to_owned(),
        }
    }

    fn into_state(self) -> CallState {
        let surroundings = Surroundings {
            limits: Limits::default().overridden(&self.limits).expect("limits"),
            seed: self.seed,
            time: TIME.parse().expect("a time"),
            mode: Mode::Live,
        };
        let grants = Grants { slots: self.slots, state: self.state, ..Grants::default() };
        CallState::new(surroundings, grants)
    }
}

/// The state of a call that nothing is granted, at another time and with other limits.
pub fn nothing_granted_at(seconds: i64, limits: &[(&str, u64)]) -> CallState {
    let limits = limits.iter().map(|(word, value)| ((*word).to_owned(), *value)).collect();
    let limits = Limits::default().overridden(&limits).expect("limits");
    let time = Timestamp::from_second(seconds).expect("a time");
    CallState::new(Surroundings { limits, seed: [0; 32], time, mode: Mode::Live }, Grants::default())
}

/// The state of a call that nothing is granted.
pub fn nothing_granted() -> CallState {
    let time: Timestamp = TIME.parse().expect("a time");
    CallState::new(
        Surroundings { limits: Limits::default(), seed: [0; 32], time, mode: Mode::Live },
        Grants::default(),
    )
}

/// The history of a call that ended well.
pub fn history<T: AsHistory>(end: Said<T>) -> Vec<String> {
    match end.result {
        Ok(Ok(said)) => said.into_history(),
        Ok(Err(failure)) => panic!("the plugin failed: {failure:?}"),
        Err(fault) => panic!("the call failed: {fault}"),
    }
}

/// The failure that a plugin reported.
pub fn failure<T: fmt::Debug>(end: Said<T>) -> Failure {
    match end.result {
        Ok(Err(failure)) => failure,
        Ok(Ok(said)) => panic!("the call ended well: {said:?}"),
        Err(fault) => panic!("the call failed: {fault}"),
    }
}

/// The fault that ended a call.
pub fn fault<T: fmt::Debug>(end: &Said<T>) -> &Fault {
    match &end.result {
        Err(fault) => fault,
        Ok(Ok(said)) => panic!("the call ended well: {said:?}"),
        Ok(Err(failure)) => panic!("the plugin failed: {failure:?}"),
    }
}

/// What an export gives when all is well, as lines.
pub trait AsHistory {
    /// The lines.
    fn into_history(self) -> Vec<String>;
}

impl AsHistory for Outcome {
    fn into_history(self) -> Vec<String> {
        match self {
            Self::Applied(applied) => applied.history,
            other => panic!("nothing was applied: {other:?}"),
        }
    }
}

impl AsHistory for Vec<String> {
    fn into_history(self) -> Self {
        self
    }
}

/// A state in memory, as calls before stored it.
#[derive(Default)]
pub struct Stored(pub BTreeMap<String, Vec<u8>>);

impl StateReader for Stored {
    fn value(&self, _: Scope, key: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>> {
        async move { Ok(self.0.get(&key).cloned()) }.boxed()
    }

    fn keys(
        &self,
        _: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
        let keys = self
            .0
            .keys()
            .filter(move |key| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after));
        let page = keys.take(limit as usize).cloned().collect();
        async move { Ok(page) }.boxed()
    }
}

/// A state that cannot be read.
pub struct Unreadable;

impl StateReader for Unreadable {
    fn value(&self, _: Scope, _: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>> {
        async { Err(anyhow!("the disk is gone")) }.boxed()
    }

    fn keys(
        &self,
        _: Scope,
        _: String,
        _: Option<String>,
        _: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
        async { Err(anyhow!("the disk is gone")) }.boxed()
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A person of whom nothing is known but the `id`.
pub fn person(id: &str) -> Subject {
    Subject::Person(Person {
        metadata: Metadata {
            id: id.to_owned(),
            created: TIME.to_owned(),
            modified: TIME.to_owned(),
            revision: 0,
            source: None,
        },
        co: Collaboration { id: "physics".to_owned(), name: "Physics".to_owned(), description: None },
        status: Status::Active,
        date_of_birth: None,
        timezone: None,
        names: Vec::new(),
        email_addresses: Vec::new(),
        identifiers: Vec::new(),
        urls: Vec::new(),
        roles: Vec::new(),
        memberships: Vec::new(),
        org_identities: Vec::new(),
        agreements: Vec::new(),
        authenticators: Vec::new(),
        cluster_accounts: Vec::new(),
        extensions: Vec::new(),
    })
}

/// A server as configured, with its secrets, that looks names up in `names` alone.
pub fn http_server(
    configuration: Value,
    secrets: &[(&str, &str)],
    names: &[(&str, &str)],
) -> Arc<HttpServer> {
    let names =
        names.iter().map(|(name, address)| ((*name).to_owned(), address.parse().expect("an address")));
    http_server_resolving(configuration, secrets, Arc::new(Names(names.collect())))
}

/// A server as configured, with its secrets, that looks names up so.
pub fn http_server_resolving(
    configuration: Value,
    secrets: &[(&str, &str)],
    resolver: Arc<dyn Resolver>,
) -> Arc<HttpServer> {
    let configuration: HttpConfiguration = serde_json::from_value(configuration).expect("a configuration");
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    Arc::new(HttpServer::new(&configuration, &secrets.collect(), resolver).expect("a server"))
}

/// A server at this URL, at an address of this machine if need be.
pub fn local_server(base_url: &str) -> Arc<HttpServer> {
    http_server(json!({ "base_url": base_url, "allow_private_addresses": true }), &[], &[])
}

/// Names and their addresses.
#[derive(Debug)]
struct Names(BTreeMap<String, IpAddr>);

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let found = self.0.get(name).map(|address| vec![*address]);
        async move { found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) }.boxed()
    }
}
