//! Records as JSON.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Subject;

impl Subject {
    /// The record as a JSON object: fields of the contract in snake_case, `none` as null, cases of variants as words
    /// (or as an object of one member where the case carries data), and JSON texts of extensions as the values they
    /// hold, in `value`.
    ///
    /// Holds everything, the secrets of authenticators too: take out what must not leave.
    ///
    /// ```
    /// use provender_sdk::records::{Group, Status, Subject};
    ///
    /// let group = Group { name: "staff".to_owned(), status: Status::Suspended, ..Group::default() };
    /// let json = Subject::Group(group).to_json();
    /// assert_eq!(json["name"], "staff");
    /// assert_eq!(json["status"], "suspended");
    /// assert_eq!(json["description"], serde_json::Value::Null);
    /// ```
    pub fn to_json(&self) -> Value {
        // Only maps with other keys than text and failing implementations of `Serialize` fail: records have neither.
        serde_json::to_value(self.record()).unwrap_or_default()
    }

    /// What [`Subject::to_json`] gives, to be written without a detour: as a part of a larger value, or by
    /// [`serde_json::to_string`].
    pub fn record(&self) -> Record<'_> {
        Record(self)
    }
}

/// The record of a subject, without its kind. Made by [`Subject::record`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a Subject);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Subject::Person(person) => person.serialize(serializer),
            Subject::Group(group) => group.serialize(serializer),
            Subject::EmailList(list) => list.serialize(serializer),
            Subject::Service(service) => service.serialize(serializer),
            Subject::Other(record) => record.serialize(serializer),
        }
    }
}

/// Writes a JSON text as the value it holds, so that readers need not parse twice. What is not JSON stays text.
pub(crate) fn embed_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => value.serialize(serializer),
        Err(_) => serializer.serialize_str(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::records::{
        Authenticator, Credential, EmailListReference, EmailListUse, Extension, GroupSummary, GroupType,
        Membership, Metadata, OtherRecord, PasswordHash, Person,
    };

    #[test]
    fn a_person_is_written_with_snake_case_fields_and_words() {
        let person = Person {
            memberships: vec![Membership {
                group: GroupSummary {
                    group_type: GroupType::ActiveMembers,
                    email_lists: vec![EmailListReference {
                        use_: EmailListUse::Moderators,
                        ..EmailListReference::default()
                    }],
                    ..GroupSummary::default()
                },
                ..Membership::default()
            }],
            authenticators: vec![Authenticator {
                metadata: Metadata::default(),
                authenticator: "unix".to_owned(),
                credential: Credential::Password(PasswordHash {
                    scheme: "ssha".to_owned(),
                    hash: "x".to_owned(),
                }),
            }],
            extensions: vec![
                Extension { name: "example.org/badge".to_owned(), json: r#"{"number":7}"#.to_owned() },
                Extension { name: "example.org/broken".to_owned(), json: "{".to_owned() },
            ],
            ..Person::default()
        };

        let json = Subject::Person(person).to_json();

        assert_eq!(json["date_of_birth"], Value::Null);
        assert_eq!(json["roles"], json!([]));
        assert_eq!(json["memberships"][0]["group"]["group_type"], "active_members");
        assert_eq!(json["memberships"][0]["group"]["email_lists"][0]["use"], "moderators");
        assert_eq!(
            json["authenticators"][0]["credential"],
            json!({"password": {"scheme": "ssha", "hash": "x"}})
        );
        assert_eq!(json["extensions"][0], json!({"name": "example.org/badge", "value": {"number": 7}}));
        assert_eq!(json["extensions"][1]["value"], "{");
    }

    #[test]
    fn a_word_without_a_case_is_written_as_itself() {
        let record =
            OtherRecord { kind: "department".to_owned(), json: "[1]".to_owned(), ..OtherRecord::default() };
        assert_eq!(Subject::Other(record).to_json()["value"], json!([1]));
        assert_eq!(serde_json::to_value(GroupType::Other("guild".to_owned())).unwrap(), "guild");
    }
}
