//! A line that tells when, why and for whom, with the record as the contract has it.

use provender_sdk::records::{self, Credential, Record};
use provender_sdk::{Failure, Invocation};
use serde::Serialize;
use serde_json::Value;

use crate::Configuration;

/// The host's name for the number that the change has in the change history.
const CHANGE_SEQUENCE: &str = "provender/change-sequence";

/// The members of a line, in the order in which they are written.
#[derive(Serialize)]
struct Envelope<'a> {
    /// When the call was made.
    time: &'a str,
    /// The number of the change in the change history; null where no one change was the cause.
    sequence: Option<u64>,
    /// The same when the line was written again by a new try.
    invocation: &'a str,
    target: &'a str,
    action: &'a str,
    subject: Subject<'a>,
    document: Document<'a>,
}

#[derive(Serialize)]
struct Subject<'a> {
    kind: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Document<'a> {
    Whole(Record<'a>),
    WithoutSecrets(Value),
}

pub(crate) fn line(invocation: &Invocation<Configuration>) -> Result<String, Failure> {
    let configuration = &invocation.context.configuration;
    let kind = invocation.subject.kind();
    let envelope = Envelope {
        time: &invocation.context.time,
        sequence: invocation.extension(CHANGE_SEQUENCE).and_then(|json| serde_json::from_str(json).ok()),
        invocation: &invocation.id,
        target: &invocation.context.target,
        action: invocation.action.word(),
        subject: Subject { kind: kind.word(), id: invocation.subject.id() },
        document: document(&invocation.subject, configuration.include_authenticators),
    };
    serde_json::to_string(&envelope)
        .map_err(|error| Failure::permanent(format!("the line cannot be written as JSON: {error}")))
}

/// The record, written without the detour of taking secrets out where there are none.
fn document(subject: &records::Subject, include_authenticators: bool) -> Document<'_> {
    if include_authenticators || !may_hold_secrets(subject) {
        return Document::Whole(subject.record());
    }
    let mut document = subject.to_json();
    take_out_secrets(&mut document);
    Document::WithoutSecrets(document)
}

fn may_hold_secrets(subject: &records::Subject) -> bool {
    let records::Subject::Person(person) = subject else { return false };
    person
        .authenticators
        .iter()
        .any(|held| matches!(held.credential, Credential::Password(_) | Credential::Other(_)))
}

/// Takes out what is or may be secret of the authenticators of a record; that they exist stays.
fn take_out_secrets(document: &mut Value) {
    let authenticators = document.get_mut("authenticators").and_then(Value::as_array_mut);
    for authenticator in authenticators.into_iter().flatten() {
        for (kind, secret) in [("password", "hash"), ("other", "value")] {
            let credential = authenticator.pointer_mut(&format!("/credential/{kind}"));
            if let Some(credential) = credential.and_then(Value::as_object_mut) {
                credential.remove(secret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{
        Authenticator, Extension, Group, Metadata, PasswordHash, Person, SshKey, Subject as RecordSubject,
    };
    use provender_sdk::{Action, Context};
    use serde_json::json;

    use super::*;

    fn invocation(subject: RecordSubject, include_authenticators: bool) -> Invocation<Configuration> {
        Invocation {
            id: "01J".to_owned(),
            attempt: 1,
            context: Context {
                co: "physics".to_owned(),
                target: "t1".to_owned(),
                target_description: "Change log".to_owned(),
                configuration: Configuration { include_authenticators, ..Configuration::default() },
                slots: vec![],
                time: "2026-03-01T08:30:00Z".to_owned(),
            },
            action: Action::EnteredGracePeriod,
            subject,
            extensions: vec![],
        }
    }

    fn metadata(id: &str) -> Metadata {
        Metadata { id: id.to_owned(), ..Metadata::default() }
    }

    fn person() -> RecordSubject {
        let credential = |credential| Authenticator {
            metadata: Metadata::default(),
            authenticator: "main".to_owned(),
            credential,
        };
        RecordSubject::Person(Person {
            metadata: metadata("p1"),
            authenticators: vec![
                credential(Credential::Password(PasswordHash {
                    scheme: "ssha".to_owned(),
                    hash: "s3cret-hash".to_owned(),
                })),
                credential(Credential::Other(Extension {
                    name: "totp".to_owned(),
                    json: "\"s3cret-seed\"".to_owned(),
                })),
                credential(Credential::SshKey(SshKey { key: "AAAA".to_owned(), ..SshKey::default() })),
            ],
            ..Person::default()
        })
    }

    #[test]
    fn a_line_tells_when_why_and_for_whom_in_a_readable_order() {
        let group = Group { metadata: metadata("g\n1"), name: "staff".to_owned(), ..Group::default() };
        let line = line(&invocation(RecordSubject::Group(group), false)).unwrap();

        assert!(!line.contains('\n'));
        assert!(line.starts_with(
            r#"{"time":"2026-03-01T08:30:00Z","sequence":null,"invocation":"01J","target":"t1","action":"entered_grace_period","subject":{"kind":"group","id":"g\n1"},"document":{"#
        ), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["document"]["name"], "staff");
    }

    #[test]
    fn the_number_of_the_change_is_the_sequence() {
        let mut invocation = invocation(person(), false);
        invocation.extensions = vec![Extension { name: CHANGE_SEQUENCE.to_owned(), json: "123".to_owned() }];
        let line: Value = serde_json::from_str(&line(&invocation).unwrap()).unwrap();
        assert_eq!(line["sequence"], 123);
    }

    #[test]
    fn secrets_are_left_out_unless_asked_for() {
        let without = line(&invocation(person(), false)).unwrap();
        assert!(!without.contains("s3cret"), "{without}");
        let without: Value = serde_json::from_str(&without).unwrap();
        let authenticators = &without["document"]["authenticators"];
        assert_eq!(authenticators[0]["credential"], json!({"password": {"scheme": "ssha"}}));
        assert_eq!(authenticators[1]["credential"], json!({"other": {"name": "totp"}}));
        assert_eq!(authenticators[2]["credential"]["ssh_key"]["key"], "AAAA");

        let with = line(&invocation(person(), true)).unwrap();
        assert!(with.contains("s3cret-hash") && with.contains("s3cret-seed"), "{with}");
    }
}
