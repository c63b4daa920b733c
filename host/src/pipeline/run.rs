//! One run of one planned provisioning.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use ring::digest;
use uuid::Uuid;

use super::commit::Finished;
use super::contract::{
    action, failed_by_fault, failed_by_plugin, filtered_by_plugin, finished_by_plugin, subject_kind,
    timestamp,
};
use super::dispatch::Work;
use super::loader::Loader;
use super::recording::{Recording, Role, Said};
use super::subject::{Assembled, assemble};
use super::targets::{Step, TargetRuntime};
use super::{Parts, targets};
use crate::capabilities::contract::records::{Extension, Subject};
use crate::capabilities::contract::types::{self, WrittenIdentifier};
use crate::capabilities::state::StateChange;
use crate::capabilities::{CallState, Grants, Surroundings};
use crate::provisioning::{Action, FailureClass, InvocationOutcome, ServiceStatus, Usage};
use crate::sandbox::{CallEnd, Fault, Json, LimitName, Limits, Mode};

/// A run so far.
struct Run<'a> {
    parts: &'a Parts,
    work: &'a Work,
    runtime: &'a TargetRuntime,
    started: Timestamp,
    usage: Usage,
    recording: Option<Recording>,
}

/// How a run ended, before it is committed.
struct End {
    outcome: InvocationOutcome,
    identifiers: Option<Vec<WrittenIdentifier>>,
    state: Vec<StateChange>,
}

impl From<InvocationOutcome> for End {
    fn from(outcome: InvocationOutcome) -> Self {
        Self { outcome, identifiers: None, state: Vec::new() }
    }
}

/// What came of a run, to be committed.
pub(super) struct Called {
    /// None when the target is gone, and its work with it.
    pub(super) finished: Option<Finished>,
    /// How many calls of the target may run at once, if that is known.
    pub(super) concurrency: Option<u32>,
}

/// Runs one planned provisioning. It stays planned until its end is committed, and is taken up again without.
pub(super) async fn run(parts: &Parts, loader: &Loader, work: &Work) -> Called {
    let clock = Instant::now();
    let started = Timestamp::now();
    let mut concurrency = None;
    let (end, action, mut usage, recording) =
        match attempt(parts, loader, work, started, &mut concurrency).await {
            Ok(attempted) => attempted,
            Err(targets::TargetProblem::Unknown(_)) => return Called { finished: None, concurrency },
            Err(problem) => {
                let outcome = host_fault(problem.class(), problem.to_string());
                (End::from(outcome), work.action, Usage::default(), None)
            }
        };
    usage.duration_us = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    report(parts, work, &end.outcome);
    let finished = Finished {
        work: work.clone(),
        action,
        outcome: end.outcome,
        identifiers: end.identifiers,
        state: end.state,
        usage,
        transcript: Json::of(&recording),
        at: Timestamp::now(),
    };
    Called { finished: Some(finished), concurrency }
}

fn host_fault(class: FailureClass, message: String) -> InvocationOutcome {
    InvocationOutcome::Failed { class, message, location: None, retry_after_seconds: None, filter: None }
}

/// A failure that nobody waits for is told to the operator: once, here.
fn report(parts: &Parts, work: &Work, outcome: &InvocationOutcome) {
    let InvocationOutcome::Failed { class, message, .. } = outcome else { return };
    let kind = subject_kind(work.subject.kind);
    tracing::error!(
        co = work.co, target = work.target, kind, subject = work.subject.id, invocation = %work.id, ?class,
        plugin_message = message, "provisioning failed"
    );
    if work.change.is_some() {
        let class = serde_json::to_value(class).unwrap_or_default();
        parts.syslog.error(&format!(
            "provisioning of {kind} {} to target {} of {} failed ({}): {message}",
            work.subject.id,
            work.target,
            work.co,
            class.as_str().unwrap_or_default(),
        ));
    }
}

/// None of a run that called no plugin.
type Attempted = (End, Action, Usage, Option<Recording>);

async fn attempt(
    parts: &Parts,
    loader: &Loader,
    work: &Work,
    started: Timestamp,
    concurrency: &mut Option<u32>,
) -> Result<Attempted, targets::TargetProblem> {
    let loaded = loader.load(&work.co, &work.subject).await?;
    let runtime = targets::runtime(parts, &work.co, &work.target, loaded.generation).await?;
    *concurrency = Some(runtime.concurrency());
    let nothing = |reason: &str| {
        let outcome = InvocationOutcome::Skipped { reason: reason.to_owned() };
        Ok((End::from(outcome), work.action, Usage::default(), None))
    };
    if !runtime.handles(subject_kind(work.subject.kind)) {
        return nothing(&format!("the plugin does not handle a {}", subject_kind(work.subject.kind)));
    }
    let assembled = assemble(&parts.store, &runtime.co, work, loaded, started).await?;
    let Some(Assembled { subject, action }) = assembled else {
        return nothing("the record is gone without a trace");
    };
    // A run that was cut off may have reached the target, and nothing tells of it.
    if action == Action::Deleted && work.attempt == 1 {
        let service = parts.store.provisioned_service(&work.co, &work.target, &work.subject).await?;
        if service.is_none_or(|service| service.status == ServiceStatus::Never) {
            return nothing("the target was never called for this subject");
        }
    }
    let mut run = Run { parts, work, runtime: &runtime, started, usage: Usage::default(), recording: None };
    let end = run.through(subject, action).await;
    let Run { usage, mut recording, .. } = run;
    if let Some(recording) = &mut recording {
        recording.fit(runtime.limits.size(LimitName::TranscriptBytes));
    }
    Ok((end, action, usage, recording))
}

impl Run<'_> {
    /// Through the filters and the provisioner.
    async fn through(&mut self, subject: Subject, action: Action) -> End {
        let written = Json::of(&subject);
        if let Some(outcome) = self.too_large(&written, None) {
            return outcome.into();
        }
        let mut invocation = self.invocation(subject, action);
        let engine = self.parts.plugins.engine().to_owned();
        let limits = &self.runtime.limits;
        self.recording = Some(Recording::new(engine, self.started, limits, &invocation, written));
        for filter in &self.runtime.filters {
            match self.filter(filter, invocation).await {
                Ok(passed) => invocation = passed,
                Err(outcome) => return outcome.into(),
            }
        }
        self.provision(invocation).await
    }

    async fn filter(
        &mut self,
        step: &Step,
        mut invocation: types::Invocation,
    ) -> Result<types::Invocation, InvocationOutcome> {
        let name = step.id.as_str();
        let slots = std::mem::take(&mut invocation.context.slots);
        let own = std::mem::replace(&mut invocation.context.configuration, step.configuration.clone());
        let grants = Grants { registry: self.runtime.registry_grant(self.parts), ..Grants::default() };
        let seed = seed(self.work.id, name);
        let invocation = Arc::new(invocation);
        let state = self.call_state(grants, seed);
        let end = self.parts.plugins.filter(&step.loaded.plugin, state, Arc::clone(&invocation)).await;
        // The call is over, so nobody else has it.
        let mut invocation = Arc::unwrap_or_clone(invocation);
        let said = Said::by_filter(&end.result, &invocation.subject);
        let too_large = match &said {
            Said::Passed(subject) => self.too_large(subject, Some(name)),
            _ => None,
        };
        let (result, _) = self.account(Role::Filter, (step, seed), &invocation, said, end);
        let subject = match result {
            Ok(Ok(filtered)) => filtered_by_plugin(filtered, &invocation.subject, name)?,
            Ok(Err(failure)) => return Err(failed_by_plugin(failure, Some(name))),
            Err(fault) => return Err(failed_by_fault(&fault, Some(name))),
        };
        if let Some(outcome) = too_large {
            return Err(outcome);
        }
        invocation.subject = subject;
        invocation.context.configuration = own;
        invocation.context.slots = slots;
        Ok(invocation)
    }

    async fn provision(&mut self, invocation: types::Invocation) -> End {
        let step = &self.runtime.provisioner;
        let grants = self.runtime.grants(self.parts, Some(&self.work.subject));
        let seed = seed(self.work.id, &step.id);
        let state = self.call_state(grants, seed);
        let invocation = Arc::new(invocation);
        let end = self.parts.plugins.provision(&step.loaded.plugin, state, Arc::clone(&invocation)).await;
        let said = Said::by_provisioner(&end.result);
        let (result, state) = self.account(Role::Provisioner, (step, seed), &invocation, said, end);
        match result {
            Ok(Ok(outcome)) => {
                let (outcome, identifiers) = finished_by_plugin(outcome);
                End { outcome, identifiers, state: state.into_state_changes() }
            }
            Ok(Err(failure)) => failed_by_plugin(failure, None).into(),
            Err(fault) => failed_by_fault(&fault, None).into(),
        }
    }

    /// Adds what a call used and did to the run.
    fn account<R>(
        &mut self,
        role: Role,
        (step, seed): (&Step, [u8; 32]),
        called: &types::Invocation,
        said: Said,
        end: CallEnd<CallState, R>,
    ) -> (Result<R, Fault>, CallState) {
        self.usage.fuel += end.fuel;
        self.usage.effects += end.effects;
        self.usage.memory_bytes = self.usage.memory_bytes.max(end.memory_bytes);
        match &mut self.recording {
            Some(recording) => {
                recording.add(role, (&step.id, &step.loaded.manifest, seed), called, said, end)
            }
            None => (end.result, end.state),
        }
    }

    fn call_state(&self, grants: Grants, seed: [u8; 32]) -> CallState {
        let limits: Limits = self.runtime.limits.clone();
        CallState::new(Surroundings { limits, seed, time: self.started, mode: Mode::Live }, grants)
    }

    fn invocation(&self, subject: Subject, subject_action: Action) -> types::Invocation {
        let mut extensions = Vec::new();
        if let Some(change) = self.work.change {
            extensions
                .push(Extension { name: "provender/change-sequence".to_owned(), json: change.to_string() });
        }
        types::Invocation {
            id: self.work.id.to_string(),
            attempt: self.work.attempt,
            context: self.runtime.context(timestamp(self.started)),
            action: action(subject_action),
            subject,
            extensions,
        }
    }

    fn too_large(&self, subject: &Json, filter: Option<&str>) -> Option<InvocationOutcome> {
        let limit = self.runtime.limits.get(LimitName::RecordBytes);
        let used = subject.text().len() as u64;
        (used > limit).then(|| InvocationOutcome::Failed {
            class: FailureClass::BudgetExceeded,
            message: format!("limit `record_bytes` is {limit}, the subject has {used}"),
            location: None,
            retry_after_seconds: None,
            filter: filter.map(str::to_owned),
        })
    }
}

/// Random numbers depend on the invocation and the step, not on the attempt: a run that is repeated is the same.
pub(super) fn seed(invocation: Uuid, step: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, format!("{invocation}/{step}").as_bytes());
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    seed
}
