//! From a change to its outcome: a host on SQLite, plugins in the sandbox, and what is known of it afterwards.

mod automatic_mode;
mod bundled_filters;
mod deletions;
mod explain;
mod filters;
mod identifiers;
mod manual_and_disabled_modes;
mod modes;
mod previews;
mod provisioned_services;
mod queue;
mod re_evaluation;
mod reprovision_all;
mod secret_rotation;
mod selection;
mod state;
mod syslog;
mod the_bundled_api_plugin;
mod what_is_provisioned;

use std::collections::HashMap;

use provender::pipeline::ProvisionError;
use provender::provisioning::{
    Action, FailureClass, Invocation, InvocationOutcome, InvocationState, NotEligible, ServiceStatus,
};
use provender::registry::record::{
    Group, Membership, OrgIdentity, OrgIdentitySource, Record, RecordKind, Status, SubjectKey,
};
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, TestHost, by_test, history, lines};
use provender_tests::people::{group, group_key, membership, person, person_key, plain_person};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::{Value, json};

fn failed(outcome: Option<&InvocationOutcome>) -> (FailureClass, String) {
    match outcome {
        Some(InvocationOutcome::Failed { class, message, .. }) => (*class, message.clone()),
        other => panic!("did not fail: {other:?}"),
    }
}

/// What came of a subject.
fn of<'a>(done: &'a [Invocation], subject: &SubjectKey) -> &'a Invocation {
    done.iter()
        .find(|done| done.subject == *subject)
        .unwrap_or_else(|| panic!("nothing of {subject:?}: {done:?}"))
}

/// An invocation that called no provisioner, and why.
fn left_out(done: &Invocation) -> NotEligible {
    assert!(matches!(done.outcome, Some(InvocationOutcome::Skipped { .. })), "{done:?}");
    assert_eq!(done.delivery.sent, None);
    done.delivery.not_eligible.clone().expect("a reason")
}

/// The lines of an invocation that deleted.
fn deleted(done: &Invocation) -> &[String] {
    assert_eq!(done.delivery.sent, Some(Action::Deleted), "{done:?}");
    history(done)
}

fn named(id: &str, given: &str) -> Record {
    let mut person = plain_person(id);
    person.names[0].given = Some(given.to_owned());
    Record::Person(Box::new(person))
}

fn of_status(id: &str, status: Status) -> Record {
    let mut person = plain_person(id);
    person.status = status;
    Record::Person(Box::new(person))
}
