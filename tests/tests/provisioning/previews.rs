//! What a provisioning would do, told before it is done.

use std::collections::BTreeMap;

use provender::pipeline::{Happened, Preview, ShownEffect};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use super::*;

async fn preview(host: &TestHost, subject: &SubjectKey) -> Preview {
    host.host.pipeline.preview(CO, "t", subject).await.unwrap()
}

async fn provision(host: &TestHost, subject: &SubjectKey) -> Invocation {
    host.host.pipeline.provision(CO, "t", subject).await.unwrap()
}

/// All that the host keeps, but the signs of life of its workers.
async fn stored(host: &TestHost) -> BTreeMap<String, Vec<String>> {
    sqlx::any::install_default_drivers();
    let mut database = AnyConnection::connect(&host.host.configuration.database_url()).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'workers'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
    let mut stored = BTreeMap::new();
    for table in tables {
        let columns = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
        let columns: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(columns)).fetch_all(&mut database).await.unwrap();
        let rows = format!("SELECT {} FROM \"{table}\" ORDER BY 1", columns.join(" || ',' || "));
        let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut database).await.unwrap();
        stored.insert(table, rows);
    }
    assert!(stored.len() > 10 && stored.values().any(|rows| !rows.is_empty()));
    stored
}

fn foreseen(preview: &Preview) -> Vec<&ShownEffect> {
    preview.effects.iter().filter(|effect| effect.happened == Happened::Foreseen).collect()
}

fn with_uid(uid: &str) -> Record {
    let mut person = plain_person("anna");
    person.identifiers[0].identifier = uid.to_owned();
    Record::Person(Box::new(person))
}

#[tokio::test]
async fn a_preview_of_requests_sends_none_and_is_what_the_real_run_then_does() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.install_bundled("api").await;
    let server = json!({
        "kind": "http", "base_url": format!("{}/people", receiver.url()), "allow_private_addresses": true,
        "authentication": {"kind": "bearer", "token": "s3cr3t-token"},
    });
    host.server("web", server).await;
    for mode in ["put", "post"] {
        let target = json!({
            "plugin": "api", "slots": {"endpoint": "web"}, "mode": "manual",
            "configuration": {"identifier_type": "uid", "mode": mode},
        });
        host.target("t", target).await;
        for (step, removals) in [("one", 0), ("an/other é", 1), ("gone", 1)] {
            let subject = person_key("anna");
            match step {
                "gone" => drop(host.delete(&subject).await),
                uid => drop(host.put(subject.clone(), with_uid(uid)).await),
            }
            let (kept, received) = (stored(&host).await, receiver.received().len());

            let preview = preview(&host, &subject).await;

            assert_eq!(receiver.received().len(), received, "{mode} {step}: nothing was sent");
            assert_eq!(stored(&host).await, kept, "{mode} {step}: nothing was stored");
            assert!(!serde_json::to_string(&preview).unwrap().contains("s3cr3t"), "{preview:?}");
            assert_eq!(preview.ends, None, "{mode} {step}");
            let requests = foreseen(&preview);
            assert_eq!(requests.len(), preview.effects.len(), "{preview:?}");

            let done = provision(&host, &subject).await;

            assert_eq!((&preview.outcome, preview.action), (&done.outcome, done.delivery.sent));
            let sent: Vec<String> = receiver.received()[received..].iter().map(as_shown).collect();
            let told: Vec<String> = requests.iter().map(|effect| without_headers(&effect.text)).collect();
            assert_eq!(told, sent, "{mode} {step}");
            let also_removes = usize::from(step != "gone") + removals;
            assert_eq!(sent.len(), also_removes, "{mode} {step}: {sent:?}");
        }
        host.put(person_key("anna"), with_uid("one")).await;
        host.host.administration.delete_target(CO, "t").await.unwrap();
    }
}

/// A request as a preview shows it, without headers: the host adds some.
fn as_shown(request: &provender_tests::receiver::Received) -> String {
    let host = request.header("host").unwrap();
    let body = String::from_utf8_lossy(&request.body);
    format!("{} http://{host}{}\n{body}", request.method, request.path)
}

fn without_headers(shown: &str) -> String {
    let (head, body) = shown.split_once("\n\n").unwrap_or((shown, ""));
    format!("{}\n{body}", head.lines().next().unwrap())
}

#[tokio::test]
async fn a_preview_of_files_writes_none_and_is_what_the_real_run_then_does() {
    let host = TestHost::start().await;
    let file = host.changelog("t", json!({"mode": "manual"})).await;
    std::fs::write(&file, "{\"before\": true}\n").unwrap();
    for subject in [person_key("anna"), group_key("staff")] {
        let record = if subject.kind == RecordKind::Person { person("anna") } else { group("staff") };
        host.put(subject.clone(), record).await;
        for _ in 0..2 {
            let (kept, written) = (stored(&host).await, std::fs::read(&file).unwrap());

            let preview = preview(&host, &subject).await;

            assert_eq!(std::fs::read(&file).unwrap(), written);
            assert_eq!(stored(&host).await, kept);
            let [append] = foreseen(&preview)[..] else { panic!("{preview:?}") };
            let (what, line) = append.text.split_once(":\n").unwrap();
            assert_eq!(what, "append to changelog.ndjson of slot `log`");

            let done = provision(&host, &subject).await;

            assert_eq!((&preview.outcome, preview.action), (&done.outcome, done.delivery.sent));
            let mut expected: Value = serde_json::from_str(line).unwrap();
            let real = lines(&file).pop().unwrap();
            assert_ne!(expected["invocation"], real["invocation"]);
            for of_the_run in ["time", "invocation"] {
                expected[of_the_run] = real[of_the_run].clone();
            }
            assert_eq!(expected, real);
        }
    }
}

#[tokio::test]
async fn a_preview_reads_and_ends_where_no_answer_is_expected() {
    let receiver = Receiver::start().await;
    let host = TestHost::start().await;
    host.server("web", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let steps = json!([
        {"do": "request", "slot": "web", "url": "/read"},
        {"do": "state", "operation": "set", "key": "k", "value": "v"},
        {"do": "request", "slot": "web", "url": "/write", "method": "PUT"},
        {"do": "request", "slot": "web", "url": "/later"},
    ]);
    host.misbehaving_target_with("t", steps, json!({"slots": {"web": "web"}, "mode": "disabled"})).await;
    host.put(person_key("anna"), person("anna")).await;
    let kept = stored(&host).await;

    let preview = preview(&host, &person_key("anna")).await;

    assert_eq!(stored(&host).await, kept);
    let shown: Vec<_> =
        preview.effects.iter().map(|effect| (effect.operation.as_str(), effect.happened)).collect();
    assert_eq!(shown, [("GET", Happened::Performed), ("PUT", Happened::Foreseen)]);
    assert_eq!(preview.effects[0].answer.as_deref(), Some("status 200, 2 bytes"));
    assert_eq!(preview.outcome, None);
    let ends = preview.ends.unwrap();
    assert!(ends.contains("ends at http PUT: the plugin does not say"), "{ends}");
    let received: Vec<_> = receiver.received().into_iter().map(|request| request.path).collect();
    assert_eq!(received, ["/read"]);
}

#[tokio::test]
async fn a_preview_tells_why_the_plugin_is_not_called() {
    let host = TestHost::start().await;
    host.changelog("t", json!({"mode": "manual"})).await;
    host.put(person_key("anna"), of_status("anna", Status::Pending)).await;
    let preview = preview(&host, &person_key("anna")).await;
    assert!(preview.effects.is_empty() && preview.action.is_none(), "{preview:?}");
    assert!(preview.not_eligible.is_some() && preview.transcript.is_none(), "{preview:?}");
    let unknown = host.host.pipeline.preview(CO, "t", &person_key("nobody")).await.unwrap_err();
    assert!(unknown.to_string().contains("nobody"), "{unknown}");
}
