//! What a change of a target's settings would mean: every subject of its collaboration looked at, nothing sent.

use std::collections::HashMap;

use futures::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::assessment::{Assessed, assess};
use super::loader::{self, Loaded};
use super::targets::{TargetProblem, TargetRuntime, runtime};
use super::{Parts, Pipeline};
use crate::provisioning::{InvocationOutcome, ProvisionedService};
use crate::registry::record::{RecordKind, SubjectKey};
use crate::store::StoreError;

/// How many subjects a run over all would concern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReEvaluation {
    pub target: String,
    /// Records that were looked at, removed ones too.
    pub examined: u64,
    /// Belong there, and are not there.
    pub added: u64,
    /// Are there with another record than they would get, from another plugin, configuration or server, or failed last.
    pub updated: u64,
    /// Are there as they would be.
    pub unchanged: u64,
    /// May be there, and do not belong there.
    pub removed: u64,
    /// Neither are nor belong there.
    pub left_out: u64,
    /// Would fail before the plugin is called.
    pub failed: u64,
    /// The first that would fail, and why.
    pub failures: Vec<ReEvaluationFailure>,
}

/// A subject that would fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReEvaluationFailure {
    pub subject: SubjectKey,
    pub message: String,
}

/// Subjects read at once.
const PAGE: u32 = 200;
/// Failures that are listed.
const FAILURES: usize = 20;
/// In the order in which all are provisioned.
const KINDS: [RecordKind; 5] = [
    RecordKind::Department,
    RecordKind::EmailList,
    RecordKind::Group,
    RecordKind::Person,
    RecordKind::Service,
];

impl Pipeline {
    /// Looks at every subject as the target is configured now. Calls the filters, and nothing else.
    pub async fn re_evaluate(&self, co: &str, target: &str) -> Result<ReEvaluation, TargetProblem> {
        let parts = &self.parts;
        let generation = parts.store.configuration_generation(co).await?;
        let runtime = runtime(parts, co, target, generation).await?;
        let mut found = ReEvaluation { target: target.to_owned(), ..ReEvaluation::default() };
        for kind in KINDS.into_iter().filter(|kind| runtime.target.handles(*kind)) {
            let mut after: Option<String> = None;
            loop {
                let ids = parts.store.record_ids(co, kind, after.as_deref(), PAGE).await?;
                let Some(last) = ids.last() else { break };
                after = Some(last.clone());
                page(parts, &runtime, (kind, ids), &mut found).await?;
            }
        }
        Ok(found)
    }
}

async fn page(
    parts: &Parts,
    runtime: &TargetRuntime,
    (kind, ids): (RecordKind, Vec<String>),
    found: &mut ReEvaluation,
) -> Result<(), StoreError> {
    let (co, target) = (runtime.co.collaboration.id.as_str(), runtime.target.id.as_str());
    let subjects: Vec<SubjectKey> = ids.into_iter().map(|id| SubjectKey { kind, id }).collect();
    let places: Vec<(String, SubjectKey)> =
        subjects.iter().map(|subject| (target.to_owned(), subject.clone())).collect();
    let services = parts.store.provisioned_services_at(co, &places).await?;
    let services: HashMap<SubjectKey, ProvisionedService> =
        services.into_iter().map(|service| (service.subject.clone(), service)).collect();
    let records: HashMap<SubjectKey, String> =
        parts.store.provisioned_records_at(co, &places).await?.into_iter().collect();
    let loaded: Vec<(SubjectKey, Loaded)> =
        loader::load(&parts.store, co, &subjects).await?.into_iter().collect();
    let assessed = loaded.into_iter().map(|(subject, loaded)| {
        let service = services.get(&subject);
        async move {
            let held = service.is_some_and(|service| service.held);
            let assessment = assess(parts, runtime, &subject, loaded, held).await?;
            Ok::<_, StoreError>((subject, service, assessment.verdict))
        }
    });
    let mut assessed = futures::stream::iter(assessed).buffer_unordered(parts.concurrency.max(1));
    while let Some(one) = assessed.next().await {
        let (subject, service, verdict) = one?;
        let as_now = service.is_some_and(|service| service.was_delivered_with(&runtime.settings));
        let last = records.get(&subject).map(String::as_str).filter(|_| as_now);
        found.count(subject, service.is_some_and(|service| service.held), last, verdict);
    }
    Ok(())
}

impl ReEvaluation {
    /// `last`: the last provisioned record, if it was delivered as it would be now.
    fn count(&mut self, subject: SubjectKey, held: bool, last: Option<&str>, verdict: Assessed) {
        self.examined += 1;
        match verdict {
            Assessed::Send(_) if !held => self.added += 1,
            Assessed::Send(record) if last == Some(record.text()) => self.unchanged += 1,
            Assessed::Send(_) => self.updated += 1,
            Assessed::Remove(_) => self.removed += 1,
            Assessed::LeaveOut(_) | Assessed::Nothing => self.left_out += 1,
            Assessed::Fail(outcome) => {
                self.failed += 1;
                if let InvocationOutcome::Failed { message, .. } = outcome
                    && self.failures.len() < FAILURES
                {
                    self.failures.push(ReEvaluationFailure { subject, message });
                }
            }
        }
    }
}
