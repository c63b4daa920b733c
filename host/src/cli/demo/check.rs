//! Whether the targets hold what they should: the receiver's people and the changelog's lines beside the stored records.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::people::Member;
use super::receiver::Received;
use super::sample;
use super::script::Story;
use super::setup::{ASTRAY, CHANGELOG, PEOPLE_API, STARVED};
use crate::cli::answer::word;
use crate::cli::outcomes::Outcomes;
use crate::provisioning::FailureClass;
use crate::registry::record::{Group, RecordKind, Status};

/// All that a check compares.
pub(super) struct Check<'a> {
    /// As stored at the end.
    pub(super) members: &'a [Member],
    pub(super) groups: &'a [Group],
    pub(super) identifier_type: &'a str,
    pub(super) received: &'a Received,
    /// Lines of the changelog, with what they say.
    pub(super) changelog: &'a [(String, Value)],
    pub(super) outcomes: &'a Outcomes,
    pub(super) story: &'a Story,
    /// Whether the records are those of the sample, of which more is known.
    pub(super) is_sample: bool,
}

impl Check<'_> {
    /// What is not as it should be, one line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.failures();
        problems.extend(self.receiver());
        problems.extend(self.changelog_lines());
        problems.extend(self.last_lines());
        problems
    }

    /// Exactly what was to fail failed; of a user's own records others may.
    fn failures(&self) -> Vec<String> {
        let found: BTreeSet<(String, String, String)> = self
            .outcomes
            .failures
            .iter()
            .map(|it| (it.target.clone(), it.subject.id.clone(), word(&it.class)))
            .collect();
        let mut expected: BTreeSet<(String, String, String)> = BTreeSet::new();
        let mut expect = |target: &str, person: &str, class: FailureClass| {
            expected.insert((target.to_owned(), person.to_owned(), word(&class)));
        };
        if let Some(person) = &self.story.busy {
            expect(PEOPLE_API, person, FailureClass::Transient);
        }
        if let Some(person) = &self.story.requested {
            expect(STARVED, person, FailureClass::OutOfFuel);
            expect(ASTRAY, person, FailureClass::EffectRefused);
        }
        if self.is_sample {
            expect(PEOPLE_API, &sample::nameless_person(), FailureClass::InvalidData);
        }
        let missing = expected.difference(&found).map(|it| format!("did not fail as it should: {it:?}"));
        let surplus = found.difference(&expected).filter(|_| self.is_sample);
        missing.chain(surplus.map(|it| format!("failed though it should not: {it:?}"))).collect()
    }

    fn receiver(&self) -> Vec<String> {
        let mut expected: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.person.status.is_provisionable()) {
            if let Some(identifier) = member.identifier(self.identifier_type) {
                expected.entry(identifier).or_default().push(member);
            }
        }
        let failed: HashSet<&str> = self
            .outcomes
            .failures
            .iter()
            .filter(|failure| failure.target == PEOPLE_API)
            .map(|failure| failure.subject.id.as_str())
            .collect();
        let mut problems = Vec::new();
        for identifier in self.received.people.keys().filter(|it| !expected.contains_key(it.as_str())) {
            problems.push(format!("the receiver holds {identifier:?}, which nobody has"));
        }
        for (identifier, members) in &expected {
            // Of people who share an identifier the last one sent stays.
            let [member] = members.as_slice() else { continue };
            match self.received.people.get(*identifier) {
                _ if failed.contains(member.id()) => {}
                None => problems.push(format!("the receiver does not hold {identifier:?}")),
                Some(message) => problems.extend(self.message(member, &message.body)),
            }
        }
        problems
    }

    fn message(&self, member: &Member, message: &Value) -> Option<String> {
        let person = message.get("person").unwrap_or(&Value::Null);
        let groups = member.visible_groups(Timestamp::now()).into_iter().map(short_name).collect();
        let mails = member.person.email_addresses.iter().map(|it| it.mail.as_str()).collect();
        let differs = |what, sent: BTreeSet<&str>, stored: BTreeSet<&str>| {
            let id = member.id();
            (sent != stored)
                .then(|| format!("the receiver has {what} {sent:?} of {id}, but stored are {stored:?}"))
        };
        differs("groups", texts(person.get("members"), None), groups).or_else(|| {
            differs("mail addresses", texts(person.get("emailAddresses"), Some("address")), mails)
        })
    }

    fn changelog_lines(&self) -> Option<String> {
        let applied = self.outcomes.targets.get(CHANGELOG).map_or(0, |tally| tally.applied);
        let lines = self.changelog.len() as u64;
        (lines != applied).then(|| format!("the changelog has {lines} lines, but {applied} were applied"))
    }

    /// The last line of every subject tells how it is now.
    fn last_lines(&self) -> Vec<String> {
        let (person, group_kind) = (word(&RecordKind::Person), word(&RecordKind::Group));
        let mut last: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
        for (_, line) in self.changelog {
            if let (Some(kind), Some(id)) = (text(line, "/subject/kind"), text(line, "/subject/id")) {
                last.insert((kind, id), line);
            }
        }
        let mut problems = Vec::new();
        for member in self.members.iter().filter(|member| member.person.status.is_provisionable()) {
            let mails: BTreeSet<&str> =
                member.person.email_addresses.iter().map(|it| it.mail.as_str()).collect();
            match last.remove(&(person.as_str(), member.id())) {
                None => problems.push(format!("the changelog has no line of {}", member.id())),
                Some(line) => {
                    let sent = texts(line.pointer("/document/email_addresses"), Some("mail"));
                    if text(line, "/action") == Some("deleted") || sent != mails {
                        problems.push(format!("the last line of {} does not tell how it is", member.id()));
                    }
                }
            }
        }
        for group in self.groups {
            let line = last.remove(&(group_kind.as_str(), group.meta.id.as_str()));
            if line.and_then(|line| text(line, "/document/name")) != Some(group.name.as_str()) {
                problems.push(format!("the last line of group {} does not tell its name", group.meta.id));
            }
        }
        let gone = |line: &&Value| text(line, "/action") != Some("deleted");
        let left = last.into_iter().filter(|(_, line)| gone(line));
        problems.extend(
            left.map(|((kind, id), _)| format!("the changelog does not tell that {kind} {id} is gone")),
        );
        problems
    }
}

/// The name that the filter gives a group.
fn short_name(group: &Group) -> &str {
    let short = group
        .identifiers
        .iter()
        .find(|it| it.identifier_type == sample::GROUP_IDENTIFIER && it.status == Status::Active);
    short.map_or(group.name.as_str(), |it| it.identifier.as_str())
}

/// Texts of a list, or of one member of each of its objects.
fn texts<'v>(list: Option<&'v Value>, member: Option<&str>) -> BTreeSet<&'v str> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| member.map_or(Some(item), |name| item.get(name))?.as_str()).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::demo::receiver::Message;
    use crate::cli::outcomes::Tally;
    use crate::registry::record::{EmailAddress, Identifier, Meta, Person};

    fn anna() -> Member {
        let person = Person {
            meta: Meta { id: "p1".to_owned(), ..Meta::default() },
            identifiers: vec![Identifier {
                identifier: "anna".to_owned(),
                identifier_type: "uid".to_owned(),
                ..Identifier::default()
            }],
            email_addresses: vec![EmailAddress {
                mail: "anna@example.org".to_owned(),
                ..EmailAddress::default()
            }],
            ..Person::default()
        };
        Member { person, memberships: Vec::new() }
    }

    fn received(mail: &str) -> Received {
        let body = json!({"person": {"emailAddresses": [{"address": mail}], "members": []}});
        let message = Message { path: "/people/anna".to_owned(), text: body.to_string(), body };
        Received { people: BTreeMap::from([("anna".to_owned(), message)]), ..Received::default() }
    }

    fn line(action: &str, id: &str) -> (String, Value) {
        let line = json!({
            "action": action, "subject": {"kind": "person", "id": id},
            "document": {"email_addresses": [{"mail": "anna@example.org"}]},
        });
        (line.to_string(), line)
    }

    fn problems(received: &Received, changelog: &[(String, Value)]) -> Vec<String> {
        let applied = changelog.len() as u64;
        let targets = BTreeMap::from([(CHANGELOG.to_owned(), Tally { applied, ..Tally::default() })]);
        let check = Check {
            members: &[anna()],
            groups: &[],
            identifier_type: "uid",
            received,
            changelog,
            outcomes: &Outcomes { targets, failures: Vec::new() },
            story: &Story { events: Vec::new(), busy: None, requested: None },
            is_sample: false,
        };
        check.problems()
    }

    #[test]
    fn targets_that_hold_what_is_stored_are_as_they_should_be() {
        assert_eq!(problems(&received("anna@example.org"), &[line("added", "p1")]), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_different_or_too_much_is_told() {
        let good = received("anna@example.org");
        for (received, changelog, expected) in [
            (Received::default(), vec![line("added", "p1")], "does not hold \"anna\""),
            (
                received("old@example.org"),
                vec![line("added", "p1")],
                "has mail addresses {\"old@example.org\"}",
            ),
            (good.clone(), vec![], "has no line of p1"),
            (good.clone(), vec![line("added", "p1"), line("deleted", "p1")], "does not tell how it is"),
            (good, vec![line("added", "p1"), line("added", "p2")], "does not tell that person p2 is gone"),
        ] {
            let problems = problems(&received, &changelog);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}
