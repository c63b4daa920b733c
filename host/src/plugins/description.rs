//! What a plugin says of itself, checked against the contract and made a manifest.

use std::collections::HashSet;

use super::configuration::read_schema;
use super::error::InstallProblem;
use super::manifest::{ExpectedAnswer, Manifest, SafeRequest, Slot};
use crate::capabilities::contract::records::SubjectKind;
use crate::capabilities::contract::types::{Description, ServerKind};
use crate::sandbox::{Inspection, World, acts};

/// Kinds of servers of this host, and the operations that a slot of each can ask for.
const SERVER_KINDS: [(&str, &[&str]); 5] = [
    (
        "http",
        &[
            "GET",
            "HEAD",
            "OPTIONS",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "PROPFIND",
            "PROPPATCH",
            "MKCOL",
            "COPY",
            "MOVE",
            "LOCK",
            "UNLOCK",
            "REPORT",
            "SEARCH",
        ],
    ),
    (
        "files",
        &[
            "append",
            "read",
            "write",
            "create-directory",
            "list",
            "remove",
            "metadata",
            "set-attributes",
            "copy-tree",
            "give-tree",
            "rename",
            "remove-tree",
        ],
    ),
    ("ldap", &["search", "compare", "add", "modify", "modify-dn", "delete"]),
    ("messaging", &["publish"]),
    ("sql", &["read", "write", "schema"]),
];

const SUBJECT_KINDS: [&str; 4] = ["person", "group", "email_list", "service"];

const MAX_NAME_BYTES: usize = 64;
const MAX_LINE_CHARS: usize = 256;
const MAX_ELEMENTS: usize = 64;
const MAX_PROBLEMS: usize = 8;
const MAX_PATH_CHARS: usize = 1024;
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const NAME_RULE: &str =
    "a lower case letter, then lower case letters, digits and hyphens, at most 64 together";

/// The manifest of a plugin that is not installed yet, or all that is wrong with its description.
pub fn manifest(
    description: Description,
    inspection: Inspection,
    digest: String,
    size_bytes: u64,
) -> Result<Manifest, InstallProblem> {
    let subject_kinds: Vec<String> = description.subject_kinds.iter().map(subject_word).collect();
    let slots: Vec<Slot> = description
        .slots
        .into_iter()
        .map(|slot| Slot {
            name: slot.name,
            kind: server_word(slot.kind),
            required: slot.required,
            summary: slot.summary,
            operations: slot.operations,
        })
        .collect();
    let safe_requests: Vec<SafeRequest> = description
        .safe_requests
        .into_iter()
        .map(|request| SafeRequest { slot: request.slot, method: request.method, path: request.path })
        .collect();
    let expected_answers: Vec<ExpectedAnswer> = description
        .expected_answers
        .into_iter()
        .map(|answer| ExpectedAnswer {
            slot: answer.slot,
            method: answer.method,
            path: answer.path,
            status: answer.status,
            body: answer.body,
        })
        .collect();
    let mut problems = Vec::new();
    check_identity(&description.name, &description.version, &description.summary, &mut problems);
    check_subjects(inspection.world, &subject_kinds, &mut problems);
    check_slots(inspection.world, &slots, &mut problems);
    check_requests(&slots, &safe_requests, &expected_answers, &mut problems);
    if !problems.is_empty() {
        return Err(InstallProblem::Description(listed(&problems)));
    }
    let configuration_schema =
        read_schema(&description.configuration_schema).map_err(InstallProblem::ConfigurationSchema)?;
    Ok(Manifest {
        name: description.name,
        version: description.version,
        digest,
        world: inspection.world,
        contract: inspection.contract,
        summary: description.summary,
        size_bytes,
        installed: None,
        imports: inspection.imports,
        subject_kinds,
        slots,
        safe_requests,
        expected_answers,
        configuration_schema,
    })
}

/// The first of the problems: a description can have as many as it likes.
fn listed(problems: &[String]) -> String {
    let shown = problems.get(..MAX_PROBLEMS).unwrap_or(problems).join("; ");
    match problems.len().saturating_sub(MAX_PROBLEMS) {
        0 => shown,
        more => format!("{shown}; and {more} problems more"),
    }
}

fn subject_word(kind: &SubjectKind) -> String {
    match kind {
        SubjectKind::Person => "person".to_owned(),
        SubjectKind::Group => "group".to_owned(),
        SubjectKind::EmailList => "email_list".to_owned(),
        SubjectKind::Service => "service".to_owned(),
        SubjectKind::Other(word) => shown(word),
    }
}

fn server_word(kind: ServerKind) -> String {
    match kind {
        ServerKind::Http => "http".to_owned(),
        ServerKind::Files => "files".to_owned(),
        ServerKind::Ldap => "ldap".to_owned(),
        ServerKind::Sql => "sql".to_owned(),
        ServerKind::Messaging => "messaging".to_owned(),
        ServerKind::Other(word) => shown(&word),
    }
}

/// A text of the plugin as it may stand in a message: bounded, on one line.
fn shown(text: &str) -> String {
    text.chars().take(MAX_NAME_BYTES).filter(|letter| !acts(*letter)).collect()
}

/// The first words of a list that may be too long.
fn some_of(words: &[String]) -> String {
    words.get(..MAX_PROBLEMS).unwrap_or(words).join(", ")
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= MAX_LINE_CHARS && !text.contains(acts)
}

/// Semantic Versioning 2.0.0, section 2, 9 and 10.
fn is_semantic_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(head, build)| (head, Some(build)));
    let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, tail)| (core, Some(tail)));
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_NAME_BYTES
        && core.split('.').count() == 3
        && core.split('.').all(is_number)
        && prerelease.is_none_or(|tail| {
            tail.split('.').all(|part| is_identifier(part) && (!is_numeric(part) || is_number(part)))
        })
        && build.is_none_or(|tail| tail.len() <= MAX_NAME_BYTES && tail.split('.').all(is_identifier))
}

fn check_identity(name: &str, version: &str, summary: &str, problems: &mut Vec<String>) {
    if !is_name(name) {
        problems.push(format!("its name is {:?}, but a name is {NAME_RULE}", shown(name)));
    }
    if !is_semantic_version(version) {
        problems.push(format!(
            "its version is {:?}, but a version follows Semantic Versioning, as `1.0.0`",
            shown(version)
        ));
    }
    if summary.trim().is_empty() || !is_line(summary) {
        problems.push(format!("its summary must be one line of 1 to {MAX_LINE_CHARS} characters"));
    }
}

fn check_subjects(world: World, kinds: &[String], problems: &mut Vec<String>) {
    let known = kinds.iter().any(|kind| SUBJECT_KINDS.contains(&kind.as_str()));
    // A filter may be written for kinds that a newer host has; it is never offered what it does not name.
    if !known && (world == World::Provisioner || !kinds.is_empty()) {
        let wanted = if kinds.is_empty() { "nothing".to_owned() } else { some_of(kinds) };
        problems.push(format!(
            "it handles {wanted}, but this host provisions {}; name at least one of them in `subject-kinds`",
            SUBJECT_KINDS.join(", ")
        ));
    }
    if kinds.len() > MAX_ELEMENTS {
        problems.push(format!("it names {} subject kinds, of at most {MAX_ELEMENTS}", kinds.len()));
    }
}

fn check_slots(world: World, slots: &[Slot], problems: &mut Vec<String>) {
    if world == World::DataFilter && !slots.is_empty() {
        problems.push(format!(
            "it asks for {} slots, but a data filter reaches no server: remove them, or build it for the world \
             `provisioner`",
            slots.len()
        ));
    }
    if slots.len() > MAX_ELEMENTS {
        problems.push(format!("it asks for {} slots, of at most {MAX_ELEMENTS}", slots.len()));
    }
    let mut names = HashSet::new();
    for slot in slots.iter().take(MAX_ELEMENTS) {
        let name = shown(&slot.name);
        if !is_name(&slot.name) {
            problems.push(format!("it asks for a slot {name:?}, but the name of a slot is {NAME_RULE}"));
        }
        if !names.insert(&slot.name) {
            problems.push(format!("it asks for slot `{name}` twice: give each slot a name of its own"));
        }
        if !is_line(&slot.summary) {
            problems.push(format!(
                "the summary of slot `{name}` must be one line of at most {MAX_LINE_CHARS} characters"
            ));
        }
        check_operations(slot, &name, problems);
    }
}

fn check_operations(slot: &Slot, name: &str, problems: &mut Vec<String>) {
    let count = slot.operations.len();
    if count > MAX_ELEMENTS {
        problems.push(format!("it asks for {count} operations in slot `{name}`, of at most {MAX_ELEMENTS}"));
        return;
    }
    let Some((kind, operations)) = SERVER_KINDS.iter().find(|(kind, _)| *kind == slot.kind) else {
        // One that is not required is left unbound.
        if slot.operations.iter().any(|operation| operation.len() > MAX_NAME_BYTES) {
            problems.push(format!("an operation in slot `{name}` has more than {MAX_NAME_BYTES} bytes"));
        }
        if slot.required {
            problems.push(format!(
                "it needs a server of kind `{}` for slot `{name}`, but this host offers {}; make the slot optional, or \
                 use a newer host",
                slot.kind,
                SERVER_KINDS.map(|(kind, _)| kind).join(", ")
            ));
        }
        return;
    };
    for operation in slot.operations.iter().filter(|operation| !operations.contains(&operation.as_str())) {
        problems.push(format!(
            "it asks for operation {:?} in slot `{name}`, but kind `{kind}` has {}",
            shown(operation),
            operations.join(", ")
        ));
    }
}

fn check_requests(
    slots: &[Slot],
    safe: &[SafeRequest],
    expected: &[ExpectedAnswer],
    problems: &mut Vec<String>,
) {
    for (what, count) in [("safe requests", safe.len()), ("expected answers", expected.len())] {
        if count > MAX_ELEMENTS {
            problems.push(format!("it names {count} {what}, of at most {MAX_ELEMENTS}"));
        }
    }
    for SafeRequest { slot, method, path } in safe.iter().take(MAX_ELEMENTS) {
        check_request(slots, "a safe request", (slot, method, path), problems);
    }
    for ExpectedAnswer { slot, method, path, status, body } in expected.iter().take(MAX_ELEMENTS) {
        check_request(slots, "an expected answer", (slot, method, path), problems);
        if !(200..=599).contains(status) {
            problems.push(format!("it expects an answer of status {status}, but a status is 200 to 599"));
        }
        let is_json = body.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
        if body.len() > MAX_ANSWER_BYTES || !is_json {
            problems.push(format!(
                "it expects an answer of slot `{}` whose body is no JSON text of at most {MAX_ANSWER_BYTES} bytes",
                shown(slot)
            ));
        }
    }
}

/// `what` is said of requests of one method below one path of a slot.
fn check_request(
    slots: &[Slot],
    what: &str,
    (slot, method, path): (&str, &str, &str),
    problems: &mut Vec<String>,
) {
    let shown_slot = shown(slot);
    let Some(slot) = slots.iter().find(|known| known.name == slot) else {
        problems.push(format!("it names {what} of slot `{shown_slot}`, which it does not ask for"));
        return;
    };
    let methods = SERVER_KINDS.iter().find(|(kind, _)| *kind == "http").map_or(&[][..], |(_, all)| *all);
    if slot.kind != "http" || !methods.contains(&method) {
        problems.push(format!(
            "it names {what} {:?} of slot `{shown_slot}`, but {what} is of an HTTP method of a slot of kind `http`",
            shown(method)
        ));
    }
    let stem = path.strip_suffix('*').unwrap_or(path);
    if !stem.starts_with('/')
        || stem.contains(|letter: char| letter == '*' || letter.is_control())
        || stem.chars().count() > MAX_PATH_CHARS
    {
        problems.push(format!(
            "it names {what} of slot `{shown_slot}` by path {:?}, but a path begins with `/`, has `*` only at its end \
             and at most {MAX_PATH_CHARS} characters",
            shown(path)
        ));
    }
}

#[cfg(test)]
pub(super) mod tests;
