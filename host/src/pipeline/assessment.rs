//! What a run would do at this moment, up to the provisioner, which is not called.

use uuid::Uuid;

use super::Parts;
use super::contract::without_cause;
use super::dispatch::Work;
use super::loader::Loaded;
use super::recording::RecordedStep;
use super::run::{Chain, Run};
use super::subject::{Assembled, assemble};
use super::targets::TargetRuntime;
use crate::provisioning::{
    Action, Decision, InvocationOutcome, NotEligible, PlannedInvocation, decide, eligible,
};
use crate::registry::record::SubjectKey;
use crate::sandbox::Json;
use crate::store::StoreError;

/// What a run would do.
pub(super) struct Assessment {
    pub(super) verdict: Assessed,
    /// Why the host itself keeps the subject out, before any filter.
    pub(super) not_eligible: Option<NotEligible>,
    /// The filters that were called.
    pub(super) filters: Vec<RecordedStep>,
}

/// What a run would come to.
pub(super) enum Assessed {
    /// The provisioner gets this record.
    Send(Json),
    Remove(NotEligible),
    LeaveOut(NotEligible),
    /// A filter or a limit ends it.
    Fail(InvocationOutcome),
    /// There is no trace of the subject.
    Nothing,
}

/// Assesses a subject by what was read of it. `held`: whether the target may hold it.
pub(super) async fn assess(
    parts: &Parts,
    runtime: &TargetRuntime,
    subject: &SubjectKey,
    loaded: Loaded,
    held: bool,
) -> Result<Assessment, StoreError> {
    let now = parts.clock.now();
    let none = |verdict| Assessment { verdict, not_eligible: None, filters: Vec::new() };
    let assembled = assemble(&parts.store, &runtime.co, None, loaded, now).await?;
    let Some(Assembled { subject: record, candidate }) = assembled else {
        return Ok(none(Assessed::Nothing));
    };
    let action = Action::ReprovisionRequested;
    if let Err(why) = eligible(&candidate, &runtime.target) {
        let verdict = left_or_removed(decide(action, Err(why.clone()), held, &runtime.target));
        return Ok(Assessment { verdict, not_eligible: Some(why), filters: Vec::new() });
    }
    let planned = PlannedInvocation::new(Uuid::now_v7(), &runtime.target.id, subject.clone(), action);
    let work = Work::of_plan(&runtime.co.collaboration.id, &planned);
    let mut run = Run::new(parts, &work, runtime, now);
    let verdict = match run.begin(record, action) {
        Err(too_large) => Assessed::Fail(too_large),
        Ok(invocation) => match run.filtered(invocation).await {
            Chain::Passed(passed) => Assessed::Send(Json::of(&*without_cause(&passed.subject))),
            Chain::Dropped(why, _) => left_or_removed(decide(action, Err(why), held, &runtime.target)),
            Chain::Ended(outcome) => Assessed::Fail(outcome),
        },
    };
    let filters = run.recording.take().map(|recording| recording.steps).unwrap_or_default();
    Ok(Assessment { verdict, not_eligible: None, filters })
}

fn left_or_removed(decision: Decision) -> Assessed {
    match decision {
        Decision::Remove(why) => Assessed::Remove(why),
        Decision::LeaveOut(why) => Assessed::LeaveOut(why),
        Decision::Send(_) => Assessed::Nothing,
    }
}
