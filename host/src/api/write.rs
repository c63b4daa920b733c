//! Writes to the registry and their answers: what was stored, and what became of it at each target.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::InCo;
use super::problem::Problem;
use super::records::etag;
use super::request::{Preferences, WriteQuery};
use crate::host::Host;
use crate::provisioning::{Action, InvocationOutcome, PlannedInvocation, RegisteredJob};
use crate::registry::history::Operation;
use crate::registry::record::SubjectKey;
use crate::registry::write::{WriteError, WriteOptions, Written};

/// What a write came to.
#[derive(Serialize, ToSchema)]
pub(super) struct WriteAnswer<T> {
    /// As stored; null when it was removed.
    #[schema(required = true)]
    record: Option<T>,
    /// Number in the change history; null when nothing changed.
    #[schema(required = true)]
    change: Option<i64>,
    /// What followed, in the order it was planned. Empty when nothing did, and with `provision=false`.
    provisioning: Vec<Provisioning>,
}

/// What became of a change at one target.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Provisioning {
    target: String,
    /// A change of a membership provisions both the person and the group.
    subject: SubjectKey,
    action: Action,
    /// `id` of the invocation; null when a job does it.
    #[schema(required = true)]
    invocation: Option<Uuid>,
    /// `id` of the job that does it later.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<i64>,
    /// The action's two-letter code in COmanage Registry.
    #[schema(value_type = String)]
    code: &'static str,
    /// Null as long as it is under way.
    #[schema(required = true)]
    outcome: Option<InvocationOutcome>,
}

impl Provisioning {
    fn by_job(registered: RegisteredJob) -> Self {
        let RegisteredJob { id, target, subject, action, superseded_by, .. } = registered;
        let job = Some(superseded_by.unwrap_or(id));
        let code = action.code(subject.kind);
        Self { target, subject, action, code, invocation: None, job, outcome: None }
    }
}

/// A write with what its answer needs.
pub(super) struct Write {
    host: Arc<Host>,
    co: String,
    options: WriteOptions,
    preferences: Preferences,
}

impl Write {
    pub(super) fn new(host: Arc<Host>, caller: InCo, query: &WriteQuery, preferences: Preferences) -> Self {
        let WriteQuery { provision, pipeline, deprovision } = *query;
        let options = WriteOptions { actor: caller.caller.actor, provision, pipeline, deprovision };
        Self { host, co: caller.co, options, preferences }
    }

    /// Commits, hands over to the pipeline, and answers with `document` of what was written.
    ///
    /// `location` is told when the write created something.
    pub(super) async fn answer<T, W, F>(
        self,
        write: W,
        location: Option<String>,
        document: impl FnOnce(&mut Written) -> Option<T>,
    ) -> Result<Response, Problem>
    where
        T: Serialize,
        W: FnOnce(Arc<Host>, String, WriteOptions) -> F,
        F: Future<Output = Result<Written, WriteError>> + Send + 'static,
    {
        let mut written =
            self.commit(write(Arc::clone(&self.host), self.co.clone(), self.options.clone())).await?;
        let mut provisioning = self.provisioning(&written.planned).await?;
        let at_once = self.preferences.respond_async && self.preferences.wait.is_none();
        let waited = !at_once && provisioning.iter().all(|one| one.outcome.is_some());
        // Nobody waits for jobs.
        provisioning.extend(written.queued.drain(..).map(Provisioning::by_job));
        let created = written.operation == Some(Operation::Created);
        let status = match (waited, created) {
            (false, _) => StatusCode::ACCEPTED,
            (true, true) => StatusCode::CREATED,
            (true, false) => StatusCode::OK,
        };
        let mut headers = HeaderMap::new();
        if let Some(location) = location.filter(|_| created) {
            headers.extend(HeaderValue::from_str(&location).map(|location| (header::LOCATION, location)));
        }
        headers.extend(written.record.as_ref().map(|record| (header::ETAG, etag(record))));
        if self.preferences.respond_async && !waited {
            let applied = HeaderValue::from_static("respond-async");
            headers.insert(HeaderName::from_static("preference-applied"), applied);
        }
        let answer = WriteAnswer { record: document(&mut written), change: written.change, provisioning };
        Ok((status, headers, Json(answer)).into_response())
    }

    /// A caller who goes away must not keep what is committed from being provisioned, so this runs on its own.
    async fn commit(
        &self,
        write: impl Future<Output = Result<Written, WriteError>> + Send + 'static,
    ) -> Result<Written, Problem> {
        let (host, co) = (Arc::clone(&self.host), self.co.clone());
        let committed = tokio::spawn(async move {
            let written = write.await?;
            host.pipeline.submit(&co, &written.planned);
            if !written.queued.is_empty() {
                host.jobs.wake();
            }
            Ok::<_, WriteError>(written)
        });
        Ok(committed.await.map_err(|error| Problem::internal(&error))??)
    }

    async fn provisioning(&self, planned: &[PlannedInvocation]) -> Result<Vec<Provisioning>, Problem> {
        let ids: Vec<Uuid> = planned.iter().map(|planned| planned.id).collect();
        let mut outcomes = self.outcomes(&ids).await?;
        let results = planned.iter().map(|planned| Provisioning {
            target: planned.target.clone(),
            subject: planned.subject.clone(),
            action: planned.action,
            code: planned.action.code(planned.subject.kind),
            invocation: Some(planned.id),
            job: None,
            outcome: outcomes.remove(&planned.id),
        });
        Ok(results.collect())
    }

    /// The outcomes that are there before the caller's patience ends.
    async fn outcomes(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, InvocationOutcome>, Problem> {
        let patience = self.patience();
        if ids.is_empty() || patience.is_zero() {
            return Ok(HashMap::new());
        }
        let finished = tokio::time::timeout(patience, self.host.pipeline.outcomes(&self.co, ids));
        let invocations = match finished.await {
            Ok(finished) => finished?,
            Err(_) => {
                let mut so_far = Vec::with_capacity(ids.len());
                for id in ids {
                    so_far.extend(self.host.store.invocation(&self.co, *id).await?);
                }
                so_far
            }
        };
        Ok(invocations.into_iter().filter_map(|one| Some((one.id, one.outcome?))).collect())
    }

    /// An answer without all outcomes is worth more than none, so this is less than a request may take.
    fn patience(&self) -> Duration {
        let timeout = Duration::from_millis(self.host.configuration.api.request_timeout_ms);
        let longest = timeout.saturating_sub(Duration::from_secs(5)).max(timeout / 2);
        match self.preferences {
            Preferences { respond_async: true, wait } => wait.unwrap_or_default().min(longest),
            Preferences { respond_async: false, .. } => longest,
        }
    }
}
