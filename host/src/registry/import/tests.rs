use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::registry::record::{Collaboration, Record, RecordKind, SubjectKey};
use crate::store::Store;

const CO: &str = "co";

struct Scene {
    store: Store,
    registry: Registry,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}/store.db", folder.path().display())).await.unwrap();
        let registry = Registry::new(store.clone());
        let collaboration =
            Collaboration { id: CO.to_owned(), name: "Example".to_owned(), ..Collaboration::default() };
        registry.put_collaboration(collaboration).await.unwrap();
        Self { store, registry, _folder: folder }
    }

    async fn import(
        &self,
        input: impl AsRef<[u8]>,
        options: &ImportOptions,
    ) -> (ImportSummary, Vec<RefusedLine>) {
        let mut refused = Vec::new();
        let write = WriteOptions::by("import");
        let summary = import(&self.registry, CO, input.as_ref(), options, &write, |event| {
            if let ImportEvent::Refused(line) = event {
                refused.push(line.clone());
            }
        });
        (summary.await.unwrap(), refused)
    }

    async fn people(&self) -> Vec<String> {
        let people = self.store.records(CO, RecordKind::Person, None, 10_000).await.unwrap();
        people.into_iter().map(|stored| stored.key.id).collect()
    }

    async fn groups_of(&self, person: &str) -> Vec<String> {
        let memberships = self.store.memberships_of_person(CO, person).await.unwrap();
        memberships.into_iter().map(|found| found.membership.group).collect()
    }
}

fn going_on() -> ImportOptions {
    ImportOptions { on_error: OnError::Continue, ..ImportOptions::default() }
}

fn person(id: &str) -> Value {
    json!({"kind": "person", "record": {"meta": {"id": id}, "names": [{"given": "Ann"}]}})
}

fn group(id: &str) -> Value {
    json!({"kind": "group", "record": {"meta": {"id": id}, "name": id}})
}

fn ndjson(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn core_api_person(id: u64, groups: &[u64]) -> Value {
    let rows: Vec<Value> = groups
        .iter()
        .map(|group| json!({"meta": {}, "co_group_id": group, "member": true, "owner": false}))
        .collect();
    json!({
        "CoPerson": {"meta": {"id": id}, "co_id": 2, "status": "A"},
        "Name": [{"meta": {"id": 1}, "given": "Bob", "type": "official", "primary_name": true}],
        "Identifier": [{"meta": {"id": 1}, "identifier": format!("bob{id}"), "type": "uid", "status": "A"}],
        "CoGroupMember": rows
    })
}

#[tokio::test]
async fn all_kinds_of_lines_are_stored() {
    let scene = Scene::new().await;
    let mut with_groups = person("p1");
    with_groups["memberships"] = json!([{"group": "a"}, {"group": "b", "member": false, "owner": true}]);
    let (summary, refused) = scene
        .import(
            ndjson(&[
                group("a"),
                group("b"),
                with_groups.clone(),
                person("p2"),
                json!({"kind": "membership", "record": {"group": "a", "person": "p2"}}),
                json!({"kind": "email_list", "record": {"meta": {"id": "l"}, "name": "l"}}),
                json!({"kind": "service", "record": {"meta": {"id": "s"}, "name": "s"}}),
                person("p3"),
                json!({"kind": "person", "delete": "p3"}),
                json!({"kind": "membership", "delete": {"group": "a", "person": "p1"}}),
                core_api_person(80, &[]),
            ]),
            &ImportOptions::default(),
        )
        .await;
    assert_eq!((refused, summary.stopped_at), (Vec::new(), None));
    assert_eq!((summary.progress.stored, summary.progress.lines), (11, 11));
    assert_eq!(scene.people().await, ["80", "p1", "p2"]);
    assert_eq!(
        (scene.groups_of("p1").await, scene.groups_of("p2").await),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
    for (kind, id) in [(RecordKind::EmailList, "l"), (RecordKind::Service, "s")] {
        let key = SubjectKey { kind, id: id.to_owned() };
        assert!(scene.store.record(CO, &key).await.unwrap().is_some());
    }
    with_groups["memberships"] = json!([{"group": "b", "member": false, "owner": true}]);
    let (again, _) = scene.import(ndjson(&[with_groups, person("p2")]), &ImportOptions::default()).await;
    assert_eq!((again.progress.stored, again.progress.unchanged), (0, 2));
}

#[tokio::test]
async fn the_order_of_members_does_not_matter() {
    let scene = Scene::new().await;
    let line = r#"{"memberships": [{"group": "a"}], "record": {"names": [{"given": "Ann"}], "meta": {"id": "p1"}}, "kind": "person"}"#;
    let input = format!("{}\n{line}", group("a"));
    let (summary, refused) = scene.import(input, &ImportOptions::default()).await;
    assert_eq!((summary.progress.stored, refused), (2, Vec::new()));
    assert_eq!(scene.groups_of("p1").await, ["a"]);
}

#[tokio::test]
async fn blank_lines_and_the_marks_of_editors_do_no_harm() {
    let scene = Scene::new().await;
    let input = format!("\u{feff}{}\r\n\r\n  \t\n\n{}", person("p1"), person("p2"));
    let (summary, refused) = scene.import(&input, &ImportOptions::default()).await;
    assert_eq!(refused, []);
    let progress = summary.progress;
    assert_eq!((progress.lines, progress.stored, progress.bytes), (5, 2, input.len() as u64));
    let (nothing, _) = scene.import("", &ImportOptions::default()).await;
    assert_eq!(nothing.progress, ImportProgress::default());
}

#[tokio::test]
async fn a_refused_line_is_told_with_its_number_and_place() {
    let scene = Scene::new().await;
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (b"{\"kind\": \"person\",".to_vec(), "", "EOF while parsing"),
        (b"[1]".to_vec(), "", "an object is expected in every line"),
        (b"{\"kind\": \"\xff\"}".to_vec(), "", "not UTF-8 at byte 11 of the line"),
        (
            json!({"record": {}}).to_string().into(),
            "/kind",
            "person, group, email_list, service, department or membership",
        ),
        (json!({"kind": "people", "record": {}}).to_string().into(), "/kind", "unknown variant `people`"),
        (json!({"kind": "person"}).to_string().into(), "", "needs \"record\" or \"delete\""),
        (json!({"kind": "person", "record": {}, "delete": "x"}).to_string().into(), "", "either"),
        (
            json!({"kind": "person", "record": {}, "extra": 1}).to_string().into(),
            "/extra",
            "not known in a line",
        ),
        (
            json!({"kind": "person", "record": {"nmes": 1}}).to_string().into(),
            "/record/nmes",
            "unknown field `nmes`",
        ),
        (
            json!({"kind": "person", "record": {"names": [{"given": 1}]}}).to_string().into(),
            "/record/names/0/given",
            "expected a string",
        ),
        (
            json!({"kind": "person", "record": {"names": [{"given": "A"}]}}).to_string().into(),
            "/record/meta/id",
            "an id is needed",
        ),
        (
            json!({"kind": "person", "record": {"meta": {"id": "p"}}}).to_string().into(),
            "/record/names",
            "at least one name",
        ),
        (
            json!({"kind": "group", "record": {"name": "g"}, "memberships": []}).to_string().into(),
            "/memberships",
            "only the record of a person",
        ),
        (
            json!({"kind": "group", "delete": {"group": "g", "person": "p"}}).to_string().into(),
            "/delete",
            "an id is expected",
        ),
        (json!({"kind": "membership", "delete": "g"}).to_string().into(), "/delete", "\"group\": id"),
        (
            json!({"kind": "membership", "record": {"group": "g"}}).to_string().into(),
            "/record/person",
            "an id is needed",
        ),
        (
            json!({"kind": "membership", "record": {"group": "g", "person": "p"}}).to_string().into(),
            "",
            "there is no",
        ),
        (
            json!({"kind": "person", "delete": "nobody"}).to_string().into(),
            "",
            "there is no person \"nobody\"",
        ),
        (
            json!({"CoPerson": {"meta": {"id": 1}, "status": "Q"}}).to_string().into(),
            "/CoPerson/status",
            "\"Q\" is not",
        ),
    ];
    let mut input = Vec::new();
    for (line, ..) in &cases {
        input.extend_from_slice(line);
        input.extend_from_slice(format!("\n{}\n", person("p1")).as_bytes());
    }
    let (summary, refused) = scene.import(input, &going_on()).await;
    assert_eq!(summary.stopped_at, None);
    assert_eq!((summary.progress.refused, summary.progress.stored), (cases.len() as u64, 1));
    assert_eq!(summary.progress.unchanged, cases.len() as u64 - 1);
    assert_eq!(refused.len(), cases.len());
    for ((index, (line, pointer, message)), refused) in cases.iter().enumerate().zip(&refused) {
        let line = String::from_utf8_lossy(line);
        assert_eq!(refused.line, 2 * index as u64 + 1, "{line}");
        let [problem] = refused.problems.as_slice() else { panic!("{line}: {refused:?}") };
        assert_eq!(problem.pointer, *pointer, "{line}: {problem}");
        assert!(problem.message.contains(message), "{line}: {problem}");
    }
    assert_eq!(scene.people().await, ["p1"]);
}

#[tokio::test]
async fn a_membership_that_came_with_a_person_is_told_with_its_place() {
    let scene = Scene::new().await;
    let mut line = person("p1");
    line["memberships"] = json!([{"group": "nowhere"}]);
    let (_, refused) = scene.import(ndjson(&[line.clone(), core_api_person(1, &[170])]), &going_on()).await;
    let told: Vec<String> = refused.iter().map(|line| line.problems[0].to_string()).collect();
    assert!(told[0].starts_with("/memberships/0/group: there is no group \"nowhere\""), "{told:?}");
    assert!(told[1].contains("there is no group \"170\""), "{told:?}");

    for (unknown_groups, groups) in [(UnknownGroups::Skip, vec![]), (UnknownGroups::Create, vec!["170"])] {
        let options = ImportOptions { unknown_groups, ..ImportOptions::default() };
        let (summary, refused) = scene.import(ndjson(&[core_api_person(1, &[170])]), &options).await;
        assert_eq!((summary.stopped_at, refused), (None, Vec::new()));
        assert_eq!(scene.groups_of("1").await, groups);
    }
}

#[tokio::test]
async fn an_import_that_stops_stores_nothing_after_the_refused_line() {
    for batch_lines in [1, 2, 3, 500] {
        for bad in [json!({"kind": "nothing"}), json!({"kind": "person", "delete": "nobody"})] {
            let scene = Scene::new().await;
            let options = ImportOptions { batch_lines, ..ImportOptions::default() };
            let lines = [person("p1"), person("p2"), bad.clone(), person("p3"), json!({"kind": "worse"})];
            let (summary, refused) = scene.import(ndjson(&lines), &options).await;
            let stopped_at = summary.stopped_at.unwrap();
            assert_eq!(stopped_at.line, 3);
            assert_eq!(refused, [stopped_at]);
            let progress = summary.progress;
            assert_eq!((progress.stored, progress.refused, progress.lines), (2, 1, 3), "{batch_lines} {bad}");
            assert_eq!(scene.people().await, ["p1", "p2"]);
        }
    }
}

#[tokio::test]
async fn an_import_that_goes_on_leaves_out_the_refused_line() {
    for batch_lines in [0, 1, 2, 500] {
        let scene = Scene::new().await;
        let options = ImportOptions { batch_lines, ..going_on() };
        let lines = [person("p1"), json!({"kind": "nothing"}), person("p2"), person(""), person("p3")];
        let (summary, refused) = scene.import(ndjson(&lines), &options).await;
        assert_eq!(refused.iter().map(|line| line.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((summary.progress.stored, summary.progress.lines), (3, 5));
        assert_eq!(scene.people().await, ["p1", "p2", "p3"]);
    }
}

#[tokio::test]
async fn progress_is_told_at_every_commit() {
    let scene = Scene::new().await;
    let lines: Vec<Value> = (0..5).map(|number| person(&format!("p{number}"))).collect();
    let mut told = Vec::new();
    let options = ImportOptions { batch_lines: 2, ..ImportOptions::default() };
    let write = WriteOptions { provision: false, ..WriteOptions::by("import") };
    let input = ndjson(&lines);
    let summary = import(&scene.registry, CO, input.as_bytes(), &options, &write, |event| {
        if let ImportEvent::Committed { progress, .. } = event {
            told.push((progress.lines, progress.stored));
        }
    })
    .await
    .unwrap();
    assert_eq!(told, [(2, 2), (4, 4), (5, 5)]);
    assert_eq!(summary.progress.bytes, input.len() as u64);
}

#[tokio::test]
async fn a_format_that_is_asked_for_is_the_only_one_taken() {
    let scene = Scene::new().await;
    for (format, stored) in [(ImportFormat::Native, "p1"), (ImportFormat::CoreApi, "bob7")] {
        let person_id = PersonId::Identifier("uid".to_owned());
        let options = ImportOptions { format, person_id, ..going_on() };
        let (summary, refused) =
            scene.import(ndjson(&[person("p1"), core_api_person(7, &[])]), &options).await;
        assert_eq!((summary.progress.stored, refused.len()), (1, 1), "{format:?}");
        assert!(scene.people().await.contains(&stored.to_owned()), "{format:?}");
    }
}

#[tokio::test]
async fn refused_lines_are_told_batch_by_batch_and_not_kept() {
    let scene = Scene::new().await;
    let mut batches = Vec::new();
    let write = WriteOptions::by("import");
    let options = ImportOptions { batch_lines: 2, ..going_on() };
    let mut refused = 0;
    let note = |event: ImportEvent<'_>| match event {
        ImportEvent::Refused(_) => refused += 1,
        ImportEvent::Committed { .. } => batches.push(std::mem::take(&mut refused)),
    };
    import(&scene.registry, CO, &b"{\n{\n{\n{\n{\n"[..], &options, &write, note).await.unwrap();
    assert_eq!(batches, [2, 2, 1]);
}

#[tokio::test]
async fn a_number_with_a_fraction_is_stored_to_its_last_digit() {
    let scene = Scene::new().await;
    // Read quickly, this becomes the number next to it.
    let digits = "51.248178375505404";
    let line = person("p")
        .to_string()
        .replace("\"names\"", &format!("\"extensions\":[{{\"name\":\"x\",\"value\":{digits}}}],\"names\""));
    scene.import(&line, &going_on()).await;
    let [stored] = scene.store.records(CO, RecordKind::Person, None, 2).await.unwrap().try_into().unwrap();
    let Record::Person(person) = stored.record else { panic!("a person") };
    assert_eq!(person.extensions[0].value.to_string(), digits);
}

#[tokio::test]
async fn an_unknown_collaboration_ends_the_import() {
    let scene = Scene::new().await;
    let write = WriteOptions::by("import");
    let input = ndjson(&[person("p1")]);
    let refused =
        import(&scene.registry, "other", input.as_bytes(), &going_on(), &write, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("there is no collaboration \"other\""), "{refused}");
}

#[tokio::test]
async fn a_line_that_is_too_long_is_skipped_without_being_kept() {
    let input = format!("one\n{}\n{}\nfour", "x".repeat(10), "y".repeat(2_000));
    // Chunks shorter than a line, as from a socket.
    let input = tokio::io::BufReader::with_capacity(7, input.as_bytes());
    let mut lines = Lines::new(input, 11);
    let mut read = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        read.push(match line {
            Line::Text(text) => text.to_owned(),
            Line::Unreadable(message) => message,
        });
    }
    let refused = "a line has at most 11 bytes, this one has 2001";
    assert_eq!(read, ["one", &"x".repeat(10), refused, "four"]);
    assert_eq!(lines.count, 4);
}

#[tokio::test]
async fn an_input_that_fails_is_told_with_the_last_line() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::Error::other("unplugged")))
        }
    }
    let scene = Scene::new().await;
    let write = WriteOptions::by("import");
    let line = ndjson(&[person("p1")]);
    let whole = tokio::io::AsyncReadExt::chain(line.as_bytes(), tokio::io::BufReader::new(Broken));
    let options = ImportOptions { batch_lines: 1, ..going_on() };
    let failed = import(&scene.registry, CO, whole, &options, &write, |_| {}).await.unwrap_err();
    assert_eq!(failed.to_string(), "cannot read the input after line 1");
    assert_eq!(scene.people().await, ["p1"], "what was committed before stays");
}
