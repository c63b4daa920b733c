//! Why a subject is at a target or not: from its last change through eligibility, filters and plugin to the outcome.

use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::assessment::{Assessed, Assessment, assess};
use super::difference::Difference;
use super::loader;
use super::recording::{RecordedStep, Said};
use super::targets::{TargetProblem, TargetRuntime, runtime};
use super::{Pipeline, ProvisionError};
use crate::provisioning::{Invocation, InvocationOutcome, Mode, NotEligible, ServiceView};
use crate::registry::history::Change;
use crate::registry::record::{Record, SubjectKey};
use crate::store::{InvocationFilter, StoreError, StoredRecord};

/// Why a subject is at a target or not. The provisioner is not called for it; the filters are.
#[skip_serializing_none]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub target: String,
    pub subject: SubjectKey,
    /// What a run at this moment would do.
    pub would: Would,
    /// Why the subject must not be at the target; none when it may.
    pub not_eligible: Option<NotEligible>,
    /// In the order in which they decide.
    pub steps: Vec<ExplainedStep>,
    /// Where the subject stands at the target.
    pub service: ServiceView,
    /// The last run for the subject at the target.
    pub last_invocation: Option<Invocation>,
}

/// What a run would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    /// The plugin would be given the record.
    Send,
    /// The plugin would be asked to delete it.
    Remove,
    /// Nothing: it does not belong there, and is not there.
    LeaveOut,
    /// It would fail before the plugin is called.
    Fail,
}

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What changed last.
    Change,
    /// Whether the target is called for it.
    Mode,
    /// Whether the subject belongs there.
    Eligibility,
    /// What a data filter makes of it.
    Filter,
    /// What the plugin would be called with.
    Plugin,
}

/// One step on the way of a change to the outcome.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExplainedStep {
    pub question: Question,
    /// Whether the way goes on behind it.
    pub passed: bool,
    pub text: String,
    /// What a filter changes: the first differences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Difference>,
}

impl ExplainedStep {
    fn new(question: Question, passed: bool, text: impl Into<String>) -> Self {
        Self { question, passed, text: text.into(), changed: Vec::new() }
    }
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Target(#[from] TargetProblem),
    #[error(transparent)]
    Subject(#[from] ProvisionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pipeline {
    /// Explains why a subject is at a target or not.
    pub async fn explain(
        &self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Explanation, ExplainError> {
        let store = &self.parts.store;
        let services = self.services_at(co, subject, |found| found.id == target).await?;
        let service = services.ok_or_else(|| ProvisionError::unknown(subject))?.pop();
        let service = service.ok_or_else(|| ProvisionError::UnknownTarget(target.to_owned()))?;
        let loaded = loader::load_one(store, co, subject).await?;
        let stored = loaded.stored.clone();
        let runtime = runtime(&self.parts, co, target, loaded.generation).await?;
        let change = store.last_change_of(co, subject).await?;
        let assessment = assess(&self.parts, &runtime, subject, loaded, service.held).await?;
        let filter = InvocationFilter {
            target: Some(target.to_owned()),
            subject: Some(subject.clone()),
            failed_only: false,
        };
        let last_invocation = store.invocations(co, &filter, None, 1).await?.pop();
        Ok(Explanation {
            target: target.to_owned(),
            subject: subject.clone(),
            would: would(&assessment),
            not_eligible: match &assessment.verdict {
                Assessed::Remove(why) | Assessed::LeaveOut(why) => Some(why.clone()),
                _ => None,
            },
            steps: steps(&runtime, stored.as_ref(), change.as_ref(), assessment),
            service,
            last_invocation,
        })
    }
}

fn would(assessment: &Assessment) -> Would {
    match assessment.verdict {
        Assessed::Send(_) => Would::Send,
        Assessed::Remove(_) => Would::Remove,
        Assessed::LeaveOut(_) | Assessed::Nothing => Would::LeaveOut,
        Assessed::Fail(_) => Would::Fail,
    }
}

fn steps(
    runtime: &TargetRuntime,
    stored: Option<&StoredRecord>,
    change: Option<&Change>,
    assessment: Assessment,
) -> Vec<ExplainedStep> {
    let mut steps =
        vec![of_change(change), of_mode(runtime.target.mode), of_eligibility(&assessment, stored)];
    steps.extend(assessment.filters.iter().map(of_filter));
    steps.push(of_plugin(&assessment.verdict, &runtime.provisioner.loaded.manifest.name));
    steps
}

fn of_change(change: Option<&Change>) -> ExplainedStep {
    let Some(change) = change else {
        return ExplainedStep::new(Question::Change, false, "the history has no change of the record");
    };
    let Change { sequence, parts, actor, provision, at, .. } = change;
    let what = format!("{:?}", change.operation).to_lowercase();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let quietly = if *provision { "" } else { ", not to be provisioned" };
    let text = format!("change {sequence} at {at} by {actor}, {what}{parts}{quietly}");
    ExplainedStep::new(Question::Change, *provision, text)
}

fn of_mode(mode: Mode) -> ExplainedStep {
    let word = serde_json::to_value(mode).ok().and_then(|word| word.as_str().map(str::to_owned));
    let word = word.unwrap_or_default();
    let (passed, when) = match mode {
        Mode::Disabled => (false, "never called"),
        Mode::Manual => (false, "called on request only"),
        Mode::Enrollment => (false, "called when an enrollment ends, and on request"),
        Mode::Automatic => (true, "called at every change"),
        Mode::Queue => (true, "called by a job at every change"),
        Mode::QueueOnError => (true, "called at every change, and by a job after a failure"),
    };
    ExplainedStep::new(Question::Mode, passed, format!("mode {word}: {when}"))
}

fn of_eligibility(assessment: &Assessment, stored: Option<&StoredRecord>) -> ExplainedStep {
    let status = match stored.map(|stored| &stored.record) {
        Some(Record::Person(person)) => format!("status {:?}", person.status).to_lowercase(),
        _ => String::new(),
    };
    match &assessment.not_eligible {
        Some(why) => ExplainedStep::new(Question::Eligibility, false, why.to_string()),
        None if status.is_empty() => ExplainedStep::new(Question::Eligibility, true, "belongs to the target"),
        None => ExplainedStep::new(Question::Eligibility, true, format!("belongs to the target: {status}")),
    }
}

fn of_filter(step: &RecordedStep) -> ExplainedStep {
    let (passed, what) = match &step.said {
        Said::Unchanged => (true, "passes it on as it is".to_owned()),
        Said::Passed(_) => (true, format!("changes it in {} places", step.changed.len())),
        Said::Dropped(reason) => (false, format!("drops it: {reason}")),
        Said::Failed(failure) => (false, format!("fails: {failure:?}")),
        Said::Ended(fault) | Said::Late(fault) => (false, format!("fails: {fault}")),
        Said::Other(_) | Said::Finished(_) => (false, "ends in a way that is newer than the host".to_owned()),
    };
    let text = format!("filter `{}` ({} {}) {what}", step.id, step.plugin, step.version);
    ExplainedStep { changed: step.changed.clone(), ..ExplainedStep::new(Question::Filter, passed, text) }
}

fn of_plugin(verdict: &Assessed, plugin: &str) -> ExplainedStep {
    let (passed, text) = match verdict {
        Assessed::Send(record) => {
            (true, format!("`{plugin}` gets a record of {} bytes", record.text().len()))
        }
        Assessed::Remove(why) => (true, format!("`{plugin}` is asked to delete it: {why}")),
        Assessed::LeaveOut(why) => (false, format!("`{plugin}` is not called, and holds nothing: {why}")),
        Assessed::Nothing => (false, format!("`{plugin}` is not called: there is no such record")),
        Assessed::Fail(InvocationOutcome::Failed { message, .. }) => {
            (false, format!("`{plugin}` is not called: {message}"))
        }
        Assessed::Fail(_) => (false, format!("`{plugin}` is not called")),
    };
    ExplainedStep::new(Question::Plugin, passed, text)
}
