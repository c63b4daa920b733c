//! What a provisioning would do at this moment: the same run with the same decisions, in which reads happen, nothing that
//! changes anything does, and of which nothing is stored.

use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dispatch::Work;
use super::effects::{Happened, ShownEffect};
use super::explain::ExplainError;
use super::recording::Recording;
use super::run::{Run, ended};
use super::targets::runtime;
use super::{Pipeline, ProvisionError, loader};
use crate::provisioning::{Action, FailureClass, InvocationOutcome, NotEligible, PlannedInvocation};
use crate::registry::record::SubjectKey;

/// What a provisioning on request would do at this moment. Nothing of it was stored, and no counterpart was changed.
#[skip_serializing_none]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    pub target: String,
    pub subject: SubjectKey,
    /// What the plugin would be called for; none when it would not be called.
    pub action: Option<Action>,
    /// Why the subject must not be at the target; none when it may.
    pub not_eligible: Option<NotEligible>,
    /// At counterparts, in their order.
    pub effects: Vec<ShownEffect>,
    /// Effects that no longer fitted.
    pub effects_left_out: u64,
    /// Why nobody can tell what would come next, where the preview ends before the plugin did.
    pub ends: Option<String>,
    /// How the run would end; none where the preview ends before.
    pub outcome: Option<InvocationOutcome>,
    /// What each plugin did, in full; none when none was called.
    pub transcript: Option<Recording>,
}

impl Pipeline {
    /// Runs filters and provisioner for a subject as a request to provision would, and keeps what would change anything
    /// from happening. Also for a disabled target.
    pub async fn preview(
        &self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Preview, ExplainError> {
        let parts = &*self.parts;
        let loaded = loader::load_one(&parts.store, co, subject).await?;
        let runtime = runtime(parts, co, target, loaded.generation).await?;
        if loaded.stored.is_none() {
            return Err(ProvisionError::unknown(subject).into());
        }
        let action = Action::ReprovisionRequested;
        let planned = PlannedInvocation::new(Uuid::now_v7(), target, subject.clone(), action);
        let work = Work::of_plan(co, &planned);
        let run = Run::new(parts, &work, &runtime, parts.clock.now()).previewed();
        let (end, _, recording) = ended(run, loaded).await?;
        let steps = recording.as_ref().map_or(&[][..], |recording| &recording.steps);
        let (ends, outcome) = match end.outcome {
            InvocationOutcome::Failed { class: FailureClass::PreviewEnded, message, .. } => {
                (Some(message), None)
            }
            outcome => (None, Some(outcome)),
        };
        let mut effects: Vec<_> = steps.iter().flat_map(|step| ShownEffect::of(&step.transcript)).collect();
        // What the plugin tried behind the end was refused for that alone.
        effects.retain(|effect| ends.is_none() || effect.happened != Happened::Refused);
        Ok(Preview {
            target: target.to_owned(),
            subject: subject.clone(),
            action: end.delivery.sent,
            not_eligible: end.delivery.not_eligible,
            effects,
            effects_left_out: steps.iter().map(|step| step.transcript.effects_left_out).sum(),
            ends,
            outcome,
            transcript: recording,
        })
    }
}
