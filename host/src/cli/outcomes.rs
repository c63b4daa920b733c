//! How invocations ended: one in a line, many in numbers; and the wait until they have.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Table, printable, word};
use crate::host::Host;
use crate::provisioning::{CodedInvocation, FailureClass, Invocation, InvocationOutcome};
use crate::registry::history::Operation;
use crate::registry::record::SubjectKey;
use crate::registry::write::Written;
use crate::store::{InvocationFilter, Store, StoreError};

/// How often the store is asked what is left.
const POLL: Duration = Duration::from_millis(50);
/// Invocations read at once.
const PAGE: u32 = 1_000;
/// Failures that are shown one by one.
const SHOWN_FAILURES: usize = 10;

/// Waits until these invocations, in ascending order, are finished, whichever process runs them; tells how many are for
/// sure.
pub(super) async fn finished(
    store: &Store,
    ids: &[Uuid],
    mut on_progress: impl FnMut(u64),
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
    let mut before = Uuid::from_u128(first.as_u128().saturating_sub(1));
    loop {
        match store.unfinished_invocations(1, Some(before)).await?.first() {
            Some(pending) if pending.invocation.id <= *last => {
                // Everything up to it is finished, so the next search need not start from the beginning.
                let id = pending.invocation.id;
                before = Uuid::from_u128(id.as_u128().saturating_sub(1));
                on_progress(ids.partition_point(|planned| *planned < id) as u64);
                tokio::time::sleep(POLL).await;
            }
            _ => return Ok(()),
        }
    }
}

/// How many invocations of a target ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    pub(super) applied: u64,
    pub(super) unchanged: u64,
    pub(super) skipped: u64,
    pub(super) failed: u64,
    /// Gone with their target before they ran, or still to run.
    pub(super) unfinished: u64,
}

/// An invocation that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Failure {
    pub(super) invocation: Uuid,
    pub(super) target: String,
    pub(super) subject: SubjectKey,
    pub(super) class: FailureClass,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_seconds: Option<u32>,
}

/// How invocations ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Outcomes {
    /// By target.
    pub(super) targets: BTreeMap<String, Tally>,
    /// In the order they were planned.
    pub(super) failures: Vec<Failure>,
}

impl Outcomes {
    /// Reads how these invocations, in ascending order, ended.
    pub(super) async fn read(store: &Store, co: &str, ids: &[Uuid]) -> Result<Self, StoreError> {
        let mut outcomes = Self::default();
        let Some(first) = ids.first() else { return Ok(outcomes) };
        let mut before = ids.last().map(|last| Uuid::from_u128(last.as_u128().saturating_add(1)));
        loop {
            let page = store.invocations(co, &InvocationFilter::default(), before, PAGE).await?;
            before = page.last().map(|invocation| invocation.id);
            for invocation in &page {
                if ids.binary_search(&invocation.id).is_ok() {
                    outcomes.count(invocation);
                }
            }
            if before.is_none_or(|oldest| oldest <= *first) {
                outcomes.failures.reverse();
                return Ok(outcomes);
            }
        }
    }

    fn count(&mut self, invocation: &Invocation) {
        let tally = self.targets.entry(invocation.target.clone()).or_default();
        match &invocation.outcome {
            None => tally.unfinished += 1,
            Some(InvocationOutcome::Applied { .. }) => tally.applied += 1,
            Some(InvocationOutcome::Unchanged) => tally.unchanged += 1,
            Some(InvocationOutcome::Skipped { .. }) => tally.skipped += 1,
            Some(InvocationOutcome::Failed { class, message, retry_after_seconds, .. }) => {
                tally.failed += 1;
                self.failures.push(Failure {
                    invocation: invocation.id,
                    target: invocation.target.clone(),
                    subject: invocation.subject.clone(),
                    class: *class,
                    message: message.clone(),
                    retry_after_seconds: *retry_after_seconds,
                });
            }
        }
    }

    /// Numbers by target.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["target", "applied", "unchanged", "skipped", "failed"]);
        for (target, tally) in &self.targets {
            let numbers = [tally.applied, tally.unchanged, tally.skipped, tally.failed];
            table.row([target.clone()].into_iter().chain(numbers.map(|number| number.to_string())));
        }
        table
    }

    /// The first failures, and how many there are beside them.
    pub(super) fn failures_text(&self) -> String {
        let lines = self.failures.iter().take(SHOWN_FAILURES).map(|failure| {
            let Failure { target, subject, class, message, .. } = failure;
            let (kind, class) = (word(&subject.kind), word(class));
            format!("{kind} {} to {target}: {class}: {}\n", subject.id, printable(message))
        });
        let mut text: String = lines.collect();
        if self.failures.len() > SHOWN_FAILURES {
            text.push_str(&format!("and {} more\n", self.failures.len() - SHOWN_FAILURES));
        }
        text
    }
}

/// What a write came to.
#[derive(Serialize)]
struct Told {
    subject: SubjectKey,
    operation: Option<Operation>,
    /// Number in the change history.
    change: Option<i64>,
    provisioning: Vec<CodedInvocation>,
}

/// Hands what follows from a write to the pipeline, waits for it, and answers with both.
pub(super) async fn told(host: &Host, co: &str, written: Written) -> anyhow::Result<Answer> {
    host.pipeline.submit(co, &written.planned);
    let ids: Vec<Uuid> = written.planned.iter().map(|planned| planned.id).collect();
    finished(&host.store, &ids, |_| {}).await?;
    let mut provisioning = Vec::with_capacity(ids.len());
    for id in ids {
        provisioning.extend(host.store.invocation(co, id).await?.map(CodedInvocation::from));
    }
    let done = written.operation.map_or_else(|| "nothing to store".to_owned(), |done| word(&done));
    let mut text = format!("{} `{}`: {done}\n", word(&written.subject.kind), written.subject.id);
    let mut table = Table::new(&["target", "kind", "subject", "action", "code", "outcome"]);
    for CodedInvocation { invocation, code } in &provisioning {
        table.row([
            invocation.target.clone(),
            word(&invocation.subject.kind),
            invocation.subject.id.clone(),
            word(&invocation.action),
            (*code).to_owned(),
            outcome_line(invocation.outcome.as_ref()),
        ]);
    }
    if !provisioning.is_empty() {
        text.push_str(&format!("\n{table}"));
    }
    let failed = provisioning
        .iter()
        .any(|one| matches!(one.invocation.outcome, Some(InvocationOutcome::Failed { .. })));
    let Written { subject, operation, change, .. } = written;
    Ok(Answer::new(&Told { subject, operation, change, provisioning }, text)?.failed_if(failed))
}

/// An outcome in words.
pub(super) fn outcome_line(outcome: Option<&InvocationOutcome>) -> String {
    match outcome {
        None => "not finished".to_owned(),
        Some(InvocationOutcome::Applied { history }) if history.is_empty() => "applied".to_owned(),
        Some(InvocationOutcome::Applied { history }) => {
            format!("applied: {}", printable(&history.join("; ")))
        }
        Some(InvocationOutcome::Unchanged) => "unchanged".to_owned(),
        Some(InvocationOutcome::Skipped { reason }) => format!("skipped: {}", printable(reason)),
        Some(InvocationOutcome::Failed { class, message, location, retry_after_seconds, filter }) => {
            let by = filter.as_ref().map(|filter| format!(" in filter `{filter}`")).unwrap_or_default();
            let at = location.as_ref().map(|location| format!("at {}", printable(location)));
            let retry = retry_after_seconds.map(|seconds| format!("try again after {seconds} s"));
            let more: Vec<String> = at.into_iter().chain(retry).collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
            format!("failed{by}: {}: {}{more}", word(class), printable(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::provisioning::{Action, Delivery, InvocationState, Usage};
    use crate::registry::record::RecordKind;

    fn failed() -> InvocationOutcome {
        InvocationOutcome::Failed {
            class: FailureClass::Transient,
            message: "503\u{1b}".to_owned(),
            location: None,
            retry_after_seconds: Some(120),
            filter: None,
        }
    }

    fn invocation(outcome: Option<InvocationOutcome>) -> Invocation {
        Invocation {
            id: Uuid::now_v7(),
            target: "api".to_owned(),
            subject: SubjectKey { kind: RecordKind::Person, id: "42".to_owned() },
            action: Action::Updated,
            change: Some(1),
            cause: None,
            state: InvocationState::Finished,
            attempt: 1,
            planned: Timestamp::UNIX_EPOCH,
            finished: None,
            outcome,
            delivery: Delivery::default(),
            usage: Usage::default(),
            job: None,
            bulk: false,
        }
    }

    #[test]
    fn outcomes_are_counted_by_target_and_failures_told_one_by_one() {
        let mut outcomes = Outcomes::default();
        for outcome in [None, Some(InvocationOutcome::Unchanged), Some(failed())] {
            outcomes.count(&invocation(outcome));
        }
        let tally = outcomes.targets["api"];
        assert_eq!((tally.unfinished, tally.unchanged, tally.failed), (1, 1, 1));
        assert_eq!(outcomes.failures_text(), "person 42 to api: transient: 503\u{fffd}\n");
        for _ in 0..SHOWN_FAILURES {
            outcomes.count(&invocation(Some(failed())));
        }
        assert!(outcomes.failures_text().ends_with("and 1 more\n"));
    }

    #[test]
    fn a_failure_is_told_with_what_helps() {
        assert_eq!(outcome_line(Some(&failed())), "failed: transient: 503\u{fffd} (try again after 120 s)");
    }
}
