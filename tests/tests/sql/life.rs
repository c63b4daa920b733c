//! People and groups come, change and go; the databases hold what the registry says, and nothing else.

use provender::provisioning::InvocationOutcome;
use provender::registry::import::{ImportOptions, import};
use provender::registry::record::{Cou, Group, Meta, Person, Record, Status};
use provender::servers::sql::Transaction;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{group, group_key, membership, person, person_key};
use serde_json::{Value, json};

use super::databases::{Content, DOCUMENTS, Database, TABLES};
use super::{applied, host_with};

const NASTY: &str = "Robert'); DROP TABLE \"sp_names\";-- `x` \\ 'é' 山田 🦉\n\t%_$1?";

fn anna() -> Person {
    serde_json::from_value(json!({
        "meta": {"id": "anna"}, "date_of_birth": "1990-12-24", "timezone": "Europe/Budapest",
        "names": [
            {"meta": {"id": "n1"}, "given": "Anna", "family": "Kovács", "type": "official", "primary": true},
            {"meta": {"id": "n2"}, "given": NASTY, "type": "preferred", "language": "hu"},
        ],
        "identifiers": [{"meta": {"id": "i1"}, "identifier": "x".repeat(500), "type": "uid", "login": true}],
        "email_addresses": [{"meta": {"id": "e1"}, "mail": "anna@example.org", "type": "official", "verified": true}],
        "urls": [{"meta": {"id": "u1"}, "url": "https://example.org/anna", "type": "official"}],
        "roles": [
            {"meta": {"id": "r1"}, "cou": "lab", "affiliation": "staff", "title": "Prof", "rank": 1,
             "valid_from": "2020-01-01T00:00:00Z", "valid_through": "2090-06-30T21:59:59Z",
             "addresses": [{"meta": {"id": "a1"}, "street": "Fő utca 1\n2. emelet", "country": "HU", "type": "office"}],
             "telephone_numbers": [{"meta": {"id": "t1"}, "country_code": "36", "number": "123", "type": "office"}],
             "ad_hoc_attributes": [{"meta": {"id": "h1"}, "tag": "badge", "value": "7"}]},
            {"meta": {"id": "r2"}, "affiliation": "postdoc", "rank": 2,
             "ad_hoc_attributes": [{"meta": {"id": "h1"}, "tag": "door", "value": ""}]},
        ],
    }))
    .expect("a person")
}

fn record(person: Person) -> Record {
    Record::Person(Box::new(person))
}

fn renamed(id: &str, name: &str) -> Record {
    let Record::Group(group) = group(id) else { unreachable!() };
    Record::Group(Box::new(Group { name: name.to_owned(), ..*group }))
}

async fn units(host: &TestHost) {
    let mut collaboration = host.host.store.collaboration(CO).await.unwrap().unwrap();
    collaboration.cous = vec![
        Cou { id: "physics".to_owned(), name: "Physics".to_owned(), ..Cou::default() },
        Cou { id: "lab".to_owned(), name: "Lab".to_owned(), parent: Some("physics".to_owned()) },
    ];
    host.host.registry.put_collaboration(collaboration).await.unwrap();
}

/// The life; gives what the database held at its stations.
async fn life(database: &Database, configuration: Value) -> Vec<(&'static str, Content)> {
    let tables = if configuration["layout"] == "documents" { DOCUMENTS } else { TABLES };
    let host = host_with(database, configuration, json!({})).await;
    units(&host).await;
    if tables == TABLES {
        // Of another collaboration, which shares the database.
        let foreign =
            format!("INSERT INTO {} (co_id, id, name) VALUES ('other', 'x', 'X')", database.quoted("cous"));
        database.direct().lease().await.unwrap().execute(&foreign, &[]).await.unwrap();
    }
    host.host.pipeline.prepare_target(CO, "people").await.expect("a second time");
    let key = person_key("anna");
    let mut stations = Vec::new();
    macro_rules! station {
        ($name:literal) => {
            stations.push(($name, database.content(tables).await))
        };
    }

    applied(&host.put(group_key("staff"), group("staff")).await);
    applied(&host.put(key.clone(), record(anna())).await);
    applied(&host.put(person_key("bela"), person("bela")).await);
    applied(&host.put_membership(membership("staff", "anna")).await);
    applied(&host.put_membership(membership("staff", "bela")).await);
    station!("added");

    let mut changed = anna();
    changed.names[1].given = Some("Annuska".to_owned());
    changed.email_addresses.clear();
    changed.roles.remove(0);
    changed.roles[0].meta = Meta { id: "r2".to_owned(), ..Meta::default() };
    applied(&host.put(key.clone(), record(changed.clone())).await);
    applied(&host.put(group_key("staff"), renamed("staff", "Staff & \"friends\"")).await);
    applied(&host.delete_membership("staff", "bela").await);
    station!("changed and renamed");

    for status in [Status::Suspended, Status::Expired, Status::GracePeriod] {
        changed.status = status;
        applied(&host.put(key.clone(), record(changed.clone())).await);
    }
    station!("in grace period");
    changed.status = Status::Pending;
    applied(&host.put(key.clone(), record(changed.clone())).await);
    station!("gone by status");
    applied(&host.put(key.clone(), record(anna())).await);
    station!("back");

    let before = database.content(tables).await;
    let job = host.reprovision_all("people").await;
    host.host.jobs.wake();
    let job = host.ended(job.id).await;
    assert_eq!((job.done, job.failed), (3, 0));
    assert_eq!(before, database.content(tables).await, "everything again changes nothing");

    host.delete(&person_key("bela")).await;
    host.delete(&group_key("staff")).await;
    host.delete(&key).await;
    let again = host.host.pipeline.provision(CO, "people", &key).await;
    if let Ok(done) = again {
        assert!(!matches!(done.outcome, Some(InvocationOutcome::Failed { .. })), "{:?}", done.outcome);
    }
    let left = database.content(tables).await;
    let rows = left.iter().filter(|(table, _)| *table != "cous").map(|(_, rows)| rows.len()).sum::<usize>();
    assert_eq!(rows, 0, "{left:?}");
    stations
}

/// A row without the ids that the registry made, which are others each time.
fn without_own_ids(row: &str) -> String {
    let parts = row.split('"').map(|part| match uuid::Uuid::try_parse(part) {
        Ok(_) => "*",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join("\"")
}

fn shown(stations: &[(&str, Content)]) -> String {
    let mut text = String::new();
    for (station, content) in stations {
        text.push_str(&format!("== {station}\n"));
        for (table, rows) in content.iter().filter(|(_, rows)| !rows.is_empty()) {
            text.push_str(&format!("{table}\n"));
            let mut rows: Vec<String> = rows.iter().map(|row| without_own_ids(row)).collect();
            rows.sort();
            rows.iter().for_each(|row| text.push_str(&format!("  {row}\n")));
        }
    }
    text.replace(&"x".repeat(500), "x*500")
}

#[tokio::test]
async fn the_tables_hold_what_the_registry_says_through_a_life_on_all_databases() {
    let [postgresql, mariadb, sqlite] = Database::all().await;
    let (one, two, three) =
        tokio::join!(life(&postgresql, json!({})), life(&mariadb, json!({})), life(&sqlite, json!({})));
    let told = shown(&one);
    assert_eq!(told, shown(&two), "MariaDB");
    assert_eq!(told, shown(&three), "SQLite");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn documents_hold_what_the_registry_says_through_a_life_on_all_databases() {
    let layout = json!({"layout": "documents"});
    for database in Database::all().await {
        let stations = life(&database, layout.clone()).await;
        let added = &stations[0].1["people"];
        assert_eq!(added.len(), 2, "{added:?}");
        assert!(added[0].contains("Kovács") && added[0].contains("\"login\":true"), "{}", added[0]);
        assert_eq!(stations[3].1["people"].len(), 1, "gone by status");
    }
}

#[tokio::test]
async fn a_large_group_is_kept_by_pages() {
    const PEOPLE: usize = 3_050;
    for database in Database::all().await {
        let host = host_with(&database, json!({}), json!({"mode": "manual"})).await;
        let group = json!({"kind": "group", "record": {"meta": {"id": "staff"}, "name": "Staff"}});
        let people = (0..PEOPLE).map(|number| {
            let record =
                json!({"meta": {"id": format!("p{number}")}, "names": [{"given": "P", "primary": true}]});
            json!({"kind": "person", "record": record, "memberships": [{"group": "staff"}]})
        });
        let lines: String = std::iter::once(group).chain(people).map(|line| format!("{line}\n")).collect();
        let options = ImportOptions::default();
        let imported =
            import(&host.host.registry, CO, lines.as_bytes(), &options, &by_test(), |_| {}).await.unwrap();
        assert_eq!(imported.stopped_at, None);
        // All but one are at the database already; and somebody who is no member any more.
        let values: Vec<String> =
            (1..PEOPLE + 1).map(|number| format!("('physics', 'p{number}', 'active')")).collect();
        let mut lease = database.direct().lease().await.unwrap();
        let insert = format!(
            "INSERT INTO {} (co_id, id, status) VALUES {}",
            database.quoted("co_people"),
            values.join(", ")
        );
        lease.execute(&insert, &[]).await.unwrap();
        applied(&[host.host.pipeline.provision(CO, "people", &group_key("staff")).await.unwrap()]);
        let members = database.content(&["co_group_members"]).await.remove("co_group_members").unwrap();
        assert_eq!(members.len(), PEOPLE - 1, "{}", database.dialect);

        let stray = format!(
            "INSERT INTO {} (co_id, id, co_group_id, co_person_id) VALUES ('physics', 'x', 'staff', 'p{PEOPLE}')",
            database.quoted("co_group_members")
        );
        lease.execute(&stray, &[]).await.unwrap();
        drop(lease);
        host.delete_membership("staff", "p1500").await;
        applied(&[host.host.pipeline.provision(CO, "people", &group_key("staff")).await.unwrap()]);
        let members = database.content(&["co_group_members"]).await.remove("co_group_members").unwrap();
        assert_eq!(members.len(), PEOPLE - 2, "{}", database.dialect);
    }
}

/// A person and a group that are written beside each other do not see each other's rows until those are committed.
#[tokio::test]
async fn a_membership_is_written_and_kept_whichever_of_its_ends_is_written_last() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let host = host_with(&database, json!({}), json!({"mode": "manual"})).await;
        host.put(group_key("staff"), group("staff")).await;
        for person_id in ["anna", "bela"] {
            host.put(person_key(person_id), person(person_id)).await;
        }
        for subject in [group_key("staff"), person_key("anna")] {
            host.host.pipeline.provision(CO, "people", &subject).await.unwrap();
        }
        for person_id in ["anna", "bela"] {
            host.put_membership(membership("staff", person_id)).await;
        }
        let [people, groups, members] =
            ["co_people", "co_groups", "co_group_members"].map(|table| database.quoted(table));
        let mut somebody = database.direct().lease().await.unwrap();
        for statement in [
            format!("CREATE TABLE other_group AS SELECT * FROM {groups}"),
            format!("CREATE TABLE other_person AS SELECT * FROM {people}"),
            "UPDATE other_person SET id = 'bela'".to_owned(),
            format!("DELETE FROM {groups}"),
        ] {
            somebody.execute(&statement, &[]).await.unwrap();
        }
        // Somebody else writes one end, and locks a row that the other one writes after it looked for the first.
        let beside = [
            (person_key("anna"), format!("INSERT INTO {groups} SELECT * FROM other_group"), &people),
            (group_key("staff"), format!("INSERT INTO {people} SELECT * FROM other_person"), &members),
        ];
        for (before, (subject, one_end, locked)) in beside.into_iter().enumerate() {
            somebody.begin(Transaction::ReadWrite).await.unwrap();
            somebody.execute(&one_end, &[]).await.unwrap();
            let lock = format!("UPDATE {locked} SET created = NULL");
            assert_eq!(somebody.execute(&lock, &[]).await, Ok(1));
            let (done, ()) = tokio::join!(host.host.pipeline.provision(CO, "people", &subject), async {
                database.somebody_waits().await;
                somebody.commit().await.unwrap();
            });
            assert!(matches!(done.unwrap().outcome, Some(InvocationOutcome::Applied { .. })));
            let kept = database.content(&["co_group_members"]).await.remove("co_group_members").unwrap();
            assert_eq!(kept.len(), before + 1, "{kept:?}");
        }
    }
}
