//! What a plugin says of itself, as constants that read like a declaration.

use crate::bindings::host::provender::plugin::types as contract;
use crate::records::SubjectKind;

/// What a plugin is: its name, what it handles, and the servers it needs. The JSON Schema of the configuration is not
/// part of it; it comes from the type of the configuration.
///
/// ```
/// use provender_sdk::records::SubjectKind;
/// use provender_sdk::{Description, SafeRequest, Slot};
///
/// const DESCRIPTION: Description = Description::new("accounts", env!("CARGO_PKG_VERSION"))
///     .summary("Keeps accounts of the directory service")
///     .subjects(&[SubjectKind::Person, SubjectKind::Group])
///     .slots(&[
///         Slot::http("directory").summary("reads, writes and removes accounts"),
///         Slot::files("report").summary("writes a report").operations(&["write"]).optional(),
///     ])
///     .safe_requests(&[SafeRequest::new("directory", "POST", "/search")]);
/// # assert_eq!(DESCRIPTION.name(), "accounts");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Description {
    name: &'static str,
    version: &'static str,
    summary: &'static str,
    subjects: &'static [SubjectKind],
    other_subjects: &'static [&'static str],
    slots: &'static [Slot],
    safe_requests: &'static [SafeRequest],
    expected_answers: &'static [ExpectedAnswer],
}

impl Description {
    /// Starts a description. `name`: lower case letters, digits and hyphens, at most 64 bytes. `version`: by Semantic
    /// Versioning; that of the crate is `env!("CARGO_PKG_VERSION")`.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            summary: "",
            subjects: &[],
            other_subjects: &[],
            slots: &[],
            safe_requests: &[],
            expected_answers: &[],
        }
    }

    /// One line for the operator.
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The kinds of subjects it handles; others are never offered to it.
    pub const fn subjects(mut self, subjects: &'static [SubjectKind]) -> Self {
        self.subjects = subjects;
        self
    }

    /// Kinds beside them that the contract has no type for: "department".
    pub const fn other_subjects(mut self, kinds: &'static [&'static str]) -> Self {
        self.other_subjects = kinds;
        self
    }

    /// The servers it needs. A data filter has none.
    pub const fn slots(mut self, slots: &'static [Slot]) -> Self {
        self.slots = slots;
        self
    }

    /// Requests that change nothing although their method may.
    pub const fn safe_requests(mut self, safe_requests: &'static [SafeRequest]) -> Self {
        self.safe_requests = safe_requests;
        self
    }

    /// What the counterparts are expected to answer to requests that change something: in a preview the plugin gets these
    /// answers, and nothing is sent. A preview ends at a request without one.
    pub const fn expected_answers(mut self, expected_answers: &'static [ExpectedAnswer]) -> Self {
        self.expected_answers = expected_answers;
        self
    }

    /// The name it was started with.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The record of the contract.
    pub(crate) fn into_contract(self, configuration_schema: String) -> contract::Description {
        contract::Description {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            summary: self.summary.to_owned(),
            subject_kinds: self
                .subjects
                .iter()
                .cloned()
                .chain(self.other_subjects.iter().map(|kind| SubjectKind::Other((*kind).to_owned())))
                .collect(),
            configuration_schema,
            slots: self.slots.iter().map(|slot| slot.into_contract()).collect(),
            safe_requests: self.safe_requests.iter().map(|request| request.into_contract()).collect(),
            expected_answers: self.expected_answers.iter().map(|answer| answer.into_contract()).collect(),
            extensions: Vec::new(),
        }
    }
}

/// A server that a plugin needs. The operator binds a configured server to it; the plugin knows it by the slot's name.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    name: &'static str,
    kind: SlotKind,
    required: bool,
    summary: &'static str,
    operations: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
enum SlotKind {
    Http,
    Files,
    Ldap,
    Sql,
    Messaging,
    Other(&'static str),
}

impl Slot {
    /// A server that is spoken to by [`crate::http`].
    pub const fn http(name: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Http)
    }

    /// A directory that is reached by [`crate::files`].
    pub const fn files(name: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Files)
    }

    /// A directory that speaks LDAP.
    pub const fn ldap(name: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Ldap)
    }

    /// A database that speaks SQL.
    pub const fn sql(name: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Sql)
    }

    /// A message broker.
    pub const fn messaging(name: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Messaging)
    }

    /// A server of a kind that this version has no constructor for.
    pub const fn other(name: &'static str, kind: &'static str) -> Self {
        Self::of_kind(name, SlotKind::Other(kind))
    }

    const fn of_kind(name: &'static str, kind: SlotKind) -> Self {
        Self { name, kind, required: true, summary: "", operations: &[] }
    }

    /// What the plugin does there, in one line for the operator.
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The least the plugin can live with: the operations of its kind as `types.wit` names them under `slot`. Without
    /// this, all operations of the kind.
    pub const fn operations(mut self, operations: &'static [&'static str]) -> Self {
        self.operations = operations;
        self
    }

    /// A target works without it: look with [`crate::Context::slot`] whether it is bound.
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    fn into_contract(self) -> contract::Slot {
        contract::Slot {
            name: self.name.to_owned(),
            kind: match self.kind {
                SlotKind::Http => contract::ServerKind::Http,
                SlotKind::Files => contract::ServerKind::Files,
                SlotKind::Ldap => contract::ServerKind::Ldap,
                SlotKind::Sql => contract::ServerKind::Sql,
                SlotKind::Messaging => contract::ServerKind::Messaging,
                SlotKind::Other(kind) => contract::ServerKind::Other(kind.to_owned()),
            },
            required: self.required,
            summary: self.summary.to_owned(),
            operations: self.operations.iter().map(|&operation| operation.to_owned()).collect(),
        }
    }
}

/// A request that changes nothing although its method may, such as a search by POST: a preview performs it.
#[derive(Clone, Copy, Debug)]
pub struct SafeRequest {
    slot: &'static str,
    method: &'static str,
    path: &'static str,
}

impl SafeRequest {
    /// `path` is below the server's base URL, exact, or up to a final "*".
    pub const fn new(slot: &'static str, method: &'static str, path: &'static str) -> Self {
        Self { slot, method, path }
    }

    fn into_contract(self) -> contract::SafeRequest {
        contract::SafeRequest {
            slot: self.slot.to_owned(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
        }
    }
}

/// What a counterpart is expected to answer to a request that changes something: what the plugin gets in a preview.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedAnswer {
    request: SafeRequest,
    status: u16,
    body: &'static str,
}

impl ExpectedAnswer {
    /// `path` is below the server's base URL, exact, or up to a final "*".
    pub const fn new(slot: &'static str, method: &'static str, path: &'static str, status: u16) -> Self {
        Self { request: SafeRequest::new(slot, method, path), status, body: "" }
    }

    /// With a body: JSON text.
    pub const fn body(mut self, json: &'static str) -> Self {
        self.body = json;
        self
    }

    fn into_contract(self) -> contract::ExpectedAnswer {
        let contract::SafeRequest { slot, method, path } = self.request.into_contract();
        contract::ExpectedAnswer { slot, method, path, status: self.status, body: self.body.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_arrives_whole_in_the_record_of_the_contract() {
        const DESCRIPTION: Description = Description::new("accounts", "1.2.3")
            .summary("Keeps accounts")
            .subjects(&[SubjectKind::Person])
            .other_subjects(&["department"])
            .slots(&[
                Slot::http("directory").summary("writes").operations(&["GET", "PUT"]),
                Slot::files("report").optional(),
                Slot::other("tree", "ftp"),
            ])
            .safe_requests(&[SafeRequest::new("directory", "POST", "/search")])
            .expected_answers(&[ExpectedAnswer::new("directory", "PUT", "/accounts/*", 201).body("{}")]);

        let contract = DESCRIPTION.into_contract("{}".to_owned());

        assert_eq!((contract.name.as_str(), contract.version.as_str()), ("accounts", "1.2.3"));
        assert_eq!(contract.summary, "Keeps accounts");
        assert_eq!(contract.configuration_schema, "{}");
        assert_eq!(
            contract.subject_kinds,
            [SubjectKind::Person, SubjectKind::Other("department".to_owned())]
        );
        let [directory, report, tree] = &contract.slots[..] else { panic!("three slots: {contract:?}") };
        assert!(directory.required && !report.required && tree.required);
        assert_eq!(directory.operations, ["GET", "PUT"]);
        assert_eq!(report.kind, contract::ServerKind::Files);
        assert_eq!(tree.kind, contract::ServerKind::Other("ftp".to_owned()));
        assert_eq!(contract.safe_requests[0].path, "/search");
        assert_eq!(
            (contract.expected_answers[0].status, contract.expected_answers[0].body.as_str()),
            (201, "{}")
        );
    }
}
