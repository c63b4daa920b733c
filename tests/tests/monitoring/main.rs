//! What administrators learn of provisioning: the history of each subject, notifications, and how they reach people.

mod both_databases;
mod delivery;
mod history;
mod notifications;
mod survival;

use provender::provisioning::{FailureClass, HistoryEvent};
use provender::registry::record::{Record, RecordKind, Service, Status, SubjectKey};
use provender_tests::host::{CO, TestHost};
use provender_tests::people::{group, group_key, person, person_key, plain_person};
use serde_json::{Value, json};

fn named(id: &str, given: &str) -> Record {
    let mut person = plain_person(id);
    person.names[0].given = Some(given.to_owned());
    Record::Person(Box::new(person))
}

fn failing(class: &str, message: &str) -> Value {
    json!([{"do": "fail", "failure": class, "message": message}])
}
