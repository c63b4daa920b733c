//! From a change to its outcome: a host on SQLite, plugins in the sandbox, and what is known of it afterwards.

mod automatic_mode;
mod filters;
mod identifiers;
mod manual_and_disabled_modes;
mod modes;
mod provisioned_services;
mod queue;
mod reprovision_all;
mod state;
mod syslog;
mod the_bundled_api_plugin;
mod what_is_provisioned;

use std::collections::HashMap;

use provender::pipeline::ProvisionError;
use provender::provisioning::{Action, FailureClass, InvocationOutcome, InvocationState, ServiceStatus};
use provender::registry::record::{Record, Status};
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
