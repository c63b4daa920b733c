//! The end of a run: outcome, provisioned service, state of the plugin and identifiers it gave, in one transaction.

use jiff::Timestamp;

use super::dispatch::Work;
use crate::capabilities::contract::state::Scope;
use crate::capabilities::contract::types::WrittenIdentifier;
use crate::capabilities::state::StateChange;
use crate::provisioning::{Action, InvocationOutcome, ProvisionedService, Usage};
use crate::registry::write_back::write_back;
use crate::store::{self, FinishedInvocation, Store, StoreError};

/// A run that ended.
pub(super) struct Finished {
    /// The action that the plugin was called with.
    pub(super) action: Action,
    pub(super) outcome: InvocationOutcome,
    /// Identifiers that the plugin wants stored with the subject, in place of those it stored before.
    pub(super) identifiers: Option<Vec<WrittenIdentifier>>,
    pub(super) state: Vec<StateChange>,
    pub(super) usage: Usage,
    /// As JSON text.
    pub(super) transcript: String,
    pub(super) at: Timestamp,
}

/// Commits the end of a run.
pub(super) async fn commit(store: &Store, work: &Work, finished: Finished) -> Result<(), StoreError> {
    let work = work.clone();
    let before = store.provisioned_service(&work.co, &work.target, &work.subject).await?;
    store
        .write(move |transaction| {
            Box::pin(async move {
                let Finished { action, outcome, identifiers, state, usage, transcript, at } = finished;
                let end = FinishedInvocation {
                    co: work.co.clone(),
                    id: work.id,
                    outcome: outcome.clone(),
                    usage,
                    finished: at,
                    transcript,
                };
                // Nothing is left to commit when the target went away meanwhile.
                if transaction.finish_invocations(&[end]).await?.is_empty() {
                    return Ok(());
                }
                let service = before
                    .unwrap_or_else(|| ProvisionedService::never(work.target.clone(), work.subject.clone()))
                    .after(work.id, action, &outcome, at);
                transaction.put_provisioned_services(&work.co, &[service]).await?;
                if !state.is_empty() {
                    let changes: Vec<_> = state.into_iter().map(|change| stored(change, &work)).collect();
                    transaction.set_plugin_state(&work.co, &work.target, &changes).await?;
                }
                if let Some(identifiers) = identifiers {
                    let identifiers =
                        identifiers.into_iter().map(|it| (it.identifier, it.identifier_type)).collect();
                    write_back(transaction, &work.co, &work.target, &work.subject, identifiers, at).await?;
                }
                Ok(())
            })
        })
        .await
}

fn stored(change: StateChange, work: &Work) -> store::StateChange {
    let subject = match change.scope {
        Scope::Target => None,
        Scope::Subject => Some(work.subject.clone()),
    };
    store::StateChange { subject, key: change.key, value: change.value }
}
