//! A host in a folder of its own, with SQLite and one collaboration.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use provender::administration::{AdministrationError, FilterInput, ServerInput, TargetInput};
use provender::configuration::Configuration;
use provender::host::Host;
use provender::jobs;
use provender::plugins::Manifest;
use provender::provisioning::{Invocation, InvocationOutcome, Job, ProvisionedService};
use provender::registry::record::{
    Collaboration, GroupNesting, Membership, OrgIdentitySource, Record, SubjectKey,
};
use provender::registry::write::{WriteOptions, Written};
use provender::store::InvocationFilter;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::calls::COMPILED;
use crate::guests::{MISBEHAVING, MISBEHAVING_FILTER};
use crate::waiting::eventually;
use crate::witness::Root;

/// The collaboration of all tests.
pub const CO: &str = "physics";

/// A secret key. All hosts of the tests have the same, so that they can share what they compiled.
pub(crate) const SECRET_KEY: &str = "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=";

/// How long a killed process is waited for: short, since tests kill many.
pub(crate) const LEASE_MS: u64 = 2_000;

/// A host in a temporary folder.
pub struct TestHost {
    pub host: Arc<Host>,
    // Before the folder, which takes them away.
    roots: Mutex<Vec<Root>>,
    folder: TempDir,
}

/// Settings of a host whose data is in a folder of its own, and whose compiled components are those of all tests.
pub fn configuration(folder: &Path) -> Configuration {
    let mut configuration = Configuration {
        data_directory: data_directory(folder),
        secret_key: Some(SECRET_KEY.into()),
        ..Configuration::default()
    };
    configuration.syslog.enabled = false;
    configuration.sandbox.instances = 8;
    configuration.workers.lease_ms = LEASE_MS;
    configuration
}

/// Makes the data directory of a host.
pub fn data_directory(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    std::fs::create_dir_all(COMPILED).expect("a folder for what is compiled");
    std::fs::create_dir_all(&data).expect("a data directory");
    if !data.join("compiled").exists() {
        std::os::unix::fs::symlink(COMPILED, data.join("compiled")).expect("a link to what is compiled");
    }
    data
}

impl TestHost {
    /// Starts one with an empty collaboration, which knows the org identity source "hr".
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Configuration)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut configuration = configuration(folder.path());
        change(&mut configuration);
        let host = Host::start(configuration).await.expect("a host");
        let collaboration = Collaboration {
            id: CO.to_owned(),
            name: "Physics".to_owned(),
            org_identity_sources: vec![OrgIdentitySource {
                id: "hr".to_owned(),
                description: "Payroll".to_owned(),
            }],
            ..Collaboration::default()
        };
        host.registry.put_collaboration(collaboration).await.expect("a collaboration");
        Self { host, roots: Mutex::default(), folder }
    }

    /// Stops the host and starts another on the same data.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// As [`restart`](Self::restart), with other settings.
    pub async fn restart_with(self, change: impl FnOnce(&mut Configuration)) -> Self {
        let Self { host, roots, folder } = self;
        let mut configuration = host.configuration.clone();
        change(&mut configuration);
        host.stop().await;
        drop(host);
        Self { host: Host::start(configuration).await.expect("a host"), roots, folder }
    }

    /// That every invariant of the host holds, as `provender check` sees it.
    pub async fn assert_healthy(&self) {
        let report = provender::check::check(&self.host.configuration).await.expect("a report");
        assert!(report.is_healthy(), "{report:#?}");
    }

    /// A folder for files of the test, which is there.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Installs a component.
    pub async fn install(&self, component: &[u8]) -> Manifest {
        self.host.catalog.install("test.wasm", component.to_vec()).await.expect("an installed plugin")
    }

    /// Installs a plugin that comes with the host.
    pub async fn install_bundled(&self, name: &str) -> Manifest {
        self.install(provender_bundled_plugins::find(name).expect("a bundled plugin").wasm).await
    }

    /// Configures a server.
    pub async fn server(&self, id: &str, mut configuration: Value) {
        if let Some(root) = configuration.get_mut("root") {
            let bound = Root::bind(Path::new(root.as_str().unwrap_or_default()));
            *root = json!(bound.path());
            self.roots.lock().expect("no panic in between").push(bound);
        }
        let input: ServerInput =
            serde_json::from_value(json!({ "configuration": configuration })).expect("a server");
        self.host.administration.put_server(CO, id, input).await.expect("a stored server");
    }

    /// Configures a filter that does what its configuration says.
    pub async fn misbehaving_filter(&self, id: &str, step: Value) {
        let plugin = self.install(MISBEHAVING_FILTER).await;
        let input = json!({"plugin": plugin.digest, "configuration": {"filter": step}});
        let input: FilterInput = serde_json::from_value(input).expect("a filter");
        self.host.administration.put_filter(CO, id, input).await.expect("a stored filter");
    }

    /// Configures a target.
    pub async fn target(&self, id: &str, input: Value) {
        self.try_target(id, input).await.expect("a stored target");
    }

    /// Configures a target, if that can be done.
    pub async fn try_target(&self, id: &str, input: Value) -> Result<(), AdministrationError> {
        let input: TargetInput = serde_json::from_value(input).expect("a target");
        self.host.administration.put_target(CO, id, input).await.map(|_| ())
    }

    /// Configures a target that takes these steps when it provisions.
    pub async fn misbehaving_target(&self, id: &str, steps: Value) {
        self.misbehaving_target_with(id, steps, json!({})).await;
    }

    /// As [`misbehaving_target`](Self::misbehaving_target), with more of the target's own settings.
    pub async fn misbehaving_target_with(&self, id: &str, steps: Value, settings: Value) {
        let plugin = self.install(MISBEHAVING).await;
        let mut input = json!({"plugin": plugin.digest, "configuration": {"provision": steps}});
        if let (Value::Object(input), Value::Object(settings)) = (&mut input, settings) {
            input.extend(settings);
        }
        self.target(id, input).await;
    }

    /// Configures the changelog, and gives the file that it writes.
    pub async fn changelog(&self, id: &str, settings: Value) -> PathBuf {
        let root = self.folder(id);
        self.install_bundled("changelog").await;
        self.server(&format!("folder-of-{id}"), json!({"kind": "files", "root": root})).await;
        let mut input = json!({"plugin": "changelog", "slots": {"log": format!("folder-of-{id}")}});
        if let (Value::Object(input), Value::Object(settings)) = (&mut input, settings) {
            input.extend(settings);
        }
        self.target(id, input).await;
        root.join("changelog.ndjson")
    }

    /// Writes a record, and waits for what follows from it.
    pub async fn put(&self, key: SubjectKey, record: Record) -> Vec<Invocation> {
        self.put_as(key, record, &by_test()).await
    }

    /// The same, with other options.
    pub async fn put_as(&self, key: SubjectKey, record: Record, options: &WriteOptions) -> Vec<Invocation> {
        let written = self.host.registry.put(CO, key, record, options).await.expect("a stored record");
        self.follow(written).await
    }

    /// Deletes a record, and waits for what follows from it.
    pub async fn delete(&self, key: &SubjectKey) -> Vec<Invocation> {
        let written = self.host.registry.delete(CO, key, &by_test()).await.expect("a deleted record");
        self.follow(written).await
    }

    /// Writes a membership, and waits for what follows from it.
    pub async fn put_membership(&self, membership: Membership) -> Vec<Invocation> {
        let written =
            self.host.registry.put_membership(CO, membership, &by_test()).await.expect("a membership");
        self.follow(written).await
    }

    /// Removes a membership, and waits for what follows from it.
    pub async fn delete_membership(&self, group: &str, person: &str) -> Vec<Invocation> {
        let written = self.host.registry.delete_membership(CO, group, person, &by_test()).await;
        self.follow(written.expect("a removed membership")).await
    }

    /// Nests a group in another, and waits for what follows from it.
    pub async fn nest(&self, source: &str, group: &str, negate: bool) -> Vec<Invocation> {
        let nesting = GroupNesting { group: group.to_owned(), source: source.to_owned(), negate };
        let written = self.host.registry.nest(CO, nesting, &by_test()).await.expect("a nesting");
        self.follow(written).await
    }

    /// Begins to provision all records to a target, on the request of `eve`.
    pub async fn reprovision_all(&self, target: &str) -> Job {
        let now = self.host.clock().now();
        jobs::reprovision_all(&self.host.store, CO, target, "eve", now).await.expect("a job")
    }

    /// A job, once it has ended.
    pub async fn ended(&self, id: i64) -> Job {
        eventually("the job to end", async || {
            let job = self.host.store.job(CO, id).await.expect("a store");
            job.filter(|job| job.ended.is_some())
        })
        .await
    }

    async fn follow(&self, written: Written) -> Vec<Invocation> {
        self.host.pipeline.submit(CO, &written.planned);
        let ids: Vec<_> = written.planned.iter().map(|planned| planned.id).collect();
        self.host.pipeline.outcomes(CO, &ids).await.expect("outcomes")
    }

    /// Where a subject stands at a target.
    pub async fn service(&self, target: &str, subject: &SubjectKey) -> Option<ProvisionedService> {
        self.host.store.provisioned_service(CO, target, subject).await.expect("a store")
    }

    /// The invocations of a target, oldest first.
    pub async fn invocations(&self, target: &str) -> Vec<Invocation> {
        let of_target = InvocationFilter { target: Some(target.to_owned()), ..InvocationFilter::default() };
        let mut found = self.host.store.invocations(CO, &of_target, None, 1_000).await.expect("a store");
        found.reverse();
        found
    }

    /// What an invocation did, step by step.
    pub async fn transcript(&self, invocation: &Invocation) -> Value {
        let transcript = self.host.store.transcript(CO, invocation.id).await.expect("a store");
        serde_json::from_str(&transcript.expect("a transcript")).expect("JSON")
    }
}

/// Who writes in tests.
pub fn by_test() -> WriteOptions {
    WriteOptions::by("test")
}

/// The history of an invocation that was applied.
pub fn history(invocation: &Invocation) -> &[String] {
    match &invocation.outcome {
        Some(InvocationOutcome::Applied { history }) => history,
        other => panic!("not applied: {other:?}"),
    }
}

/// The lines of a file of JSON lines, none where there is no file.
pub fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
