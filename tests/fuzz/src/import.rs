//! Imports. Input: a line of words that choose options ("native", "core", "stop", "create", "skip", "uid"), then the
//! lines to import.

use std::sync::atomic::{AtomicU64, Ordering};

use provender::registry::core_api::{PersonId, parse_person};
use provender::registry::import::{
    ImportEvent, ImportFormat, ImportOptions, ImportSummary, RefusedLine, import,
};
use provender::registry::record::{Collaboration, RecordKind};
use provender::registry::validate::{Problem, parse_record};
use provender::registry::write::{OnError, Registry, UnknownGroups, WriteOptions};
use provender::store::{MembershipInGroup, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::scratch::{Reused, folder, runtime};

/// A store, and the registry in it.
struct Place {
    runtime: Runtime,
    store: Store,
    registry: Registry,
    _folder: TempDir,
}

thread_local! {
    static PLACE: Reused<Place> = const { Reused::for_inputs(500) };
}

/// Every refused line is named, with bounded problems that lead into it; what was stored is valid as it is stored, and
/// importing it again changes nothing.
pub fn check(data: &[u8]) {
    let (words, lines) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&data[..0], data),
    };
    let options = options(&String::from_utf8_lossy(words));
    lines.split(|byte| *byte == b'\n').for_each(|line| check_document(line, &options.person_id));
    PLACE.with(|reused| {
        reused.with(Place::new, |place, _| {
            place.runtime.block_on(check_import(&place.registry, &place.store, lines, &options));
        });
    });
}

impl Place {
    fn new() -> Self {
        let (folder, runtime) = (folder(), runtime());
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        let store = runtime.block_on(Store::open(&url)).expect("a store");
        Self { runtime, registry: Registry::new(store.clone()), store, _folder: folder }
    }
}

fn options(words: &str) -> ImportOptions {
    let has = |word| words.split(' ').any(|given| given == word);
    ImportOptions {
        format: match (has("native"), has("core")) {
            (true, _) => ImportFormat::Native,
            (_, true) => ImportFormat::CoreApi,
            _ => ImportFormat::Auto,
        },
        person_id: if has("uid") { PersonId::Identifier("uid".to_owned()) } else { PersonId::CoPerson },
        unknown_groups: match (has("create"), has("skip")) {
            (true, _) => UnknownGroups::Create,
            (_, true) => UnknownGroups::Skip,
            _ => UnknownGroups::Refuse,
        },
        on_error: if has("stop") { OnError::Stop } else { OnError::Continue },
        batch_lines: 3,
    }
}

async fn check_import(registry: &Registry, store: &Store, lines: &[u8], options: &ImportOptions) {
    static COLLABORATIONS: AtomicU64 = AtomicU64::new(0);
    let co = format!("c{}", COLLABORATIONS.fetch_add(1, Ordering::Relaxed));
    let collaboration = Collaboration { id: co.clone(), name: co.clone(), ..Collaboration::default() };
    registry.put_collaboration(collaboration).await.expect("a collaboration");

    let (summary, refused) = run(registry, &co, lines, options).await;
    check_summary(&summary, &refused, lines, options);
    let exported = export(store, &co).await;
    if exported.is_empty() {
        return;
    }
    let options = ImportOptions { format: ImportFormat::Native, ..ImportOptions::default() };
    let (again, refused) = run(registry, &co, exported.join("\n").as_bytes(), &options).await;
    assert_eq!(refused, [], "what was exported is imported");
    assert_eq!(again.progress.stored, 0, "nothing changes: {exported:#?}");
}

async fn run(
    registry: &Registry,
    co: &str,
    lines: &[u8],
    options: &ImportOptions,
) -> (ImportSummary, Vec<RefusedLine>) {
    let mut refused = Vec::new();
    let write = WriteOptions::by("import");
    let note = |event: ImportEvent<'_>| {
        if let ImportEvent::Refused(line) = event {
            refused.push(line.clone());
        }
    };
    let summary = import(registry, co, lines, options, &write, note).await.expect("the store works");
    (summary, refused)
}

fn check_summary(summary: &ImportSummary, refused: &[RefusedLine], lines: &[u8], options: &ImportOptions) {
    let all: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    let progress = &summary.progress;
    assert_eq!(progress.refused, refused.len() as u64);
    assert!(refused.is_sorted_by(|one, other| one.line < other.line), "each line once, in order");
    for RefusedLine { line, problems } in refused {
        let index = usize::try_from(*line).expect("a small number") - 1;
        let text = all.get(index).expect("a line of the input");
        assert!((1..=20).contains(&problems.len()));
        problems.iter().for_each(check_bounds);
        // Others may lead into the native record.
        if options.format == ImportFormat::Native {
            problems.iter().for_each(|problem| check_pointer(problem, text));
        }
    }
    if options.on_error == OnError::Continue {
        let blank = |line: &[u8]| line.trim_ascii().is_empty();
        let filled = all.iter().filter(|line| !blank(line)).count() as u64;
        assert_eq!(progress.stored + progress.unchanged + progress.refused, filled);
        assert_eq!(progress.bytes, lines.len() as u64);
    }
}

fn check_bounds(problem: &Problem) {
    assert!(problem.message.chars().count() <= 400, "{problem:?}");
    assert!(problem.pointer.len() <= 8_192, "a pointer of {} bytes", problem.pointer.len());
}

/// A pointer leads to a value of the line, or to the place where one is missing.
fn check_pointer(problem: &Problem, line: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(line.trim_ascii()) else { return };
    let place = problem.pointer.strip_suffix("/meta/id").unwrap_or(&problem.pointer);
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    assert!(
        value.pointer(&problem.pointer).or_else(|| value.pointer(parent)).is_some(),
        "{problem:?} leads nowhere in {value}"
    );
}

fn check_document(line: &[u8], person_id: &PersonId) {
    match parse_person(line, person_id) {
        Err(error) => {
            error.problems.iter().for_each(check_bounds);
            error.problems.iter().for_each(|problem| check_pointer(problem, line));
        }
        Ok(read) => assert!(read.memberships.iter().flatten().all(|of| of.person == read.person.meta.id)),
    }
}

/// Everything of a collaboration as lines to import.
async fn export(store: &Store, co: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut memberships = Vec::new();
    for kind in RecordKind::ALL {
        for stored in store.records(co, kind, None, 1_000).await.expect("readable records") {
            let line = serde_json::to_value(&stored.record).expect("a record as JSON");
            let record = line.get("record").expect("the record itself");
            check_times(record, "");
            let read = parse_record(kind, record.to_string().as_bytes()).expect("what is stored is valid");
            assert_eq!(read, stored.record, "the same when it is read again");
            lines.push(line.to_string());
            if kind == RecordKind::Person {
                let id = &stored.key.id;
                memberships.extend(store.memberships_of_person(co, id).await.expect("readable memberships"));
            }
        }
    }
    let line = |of: MembershipInGroup| json!({"kind": "membership", "record": of.membership}).to_string();
    lines.extend(memberships.into_iter().map(line));
    lines
}

/// Years have four digits, as plugins are promised.
fn check_times(value: &Value, name: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| *name != "extensions" && *name != "value")
            {
                check_times(value, name);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_times(item, name)),
        Value::String(text) if ["valid_from", "valid_through", "agreed", "date_of_birth"].contains(&name) => {
            assert!(text.starts_with(|digit: char| digit.is_ascii_digit()), "{name} is {text}");
        }
        _ => {}
    }
}
