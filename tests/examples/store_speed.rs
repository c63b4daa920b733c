//! Measures how fast the store takes in people, beside plain single-row inserts of the same rows into SQLite.
//!
//! `cargo run --release -p provender-tests --example store_speed`

use std::ops::Range;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provender::provisioning::{Action, PlannedInvocation};
use provender::registry::history::{NewChange, Operation};
use provender::registry::record::{
    Collaboration, EmailAddress, Identifier, Membership, Meta, Name, Person, Record, RecordKind, Role,
    SubjectKey,
};
use provender::store::{Store, StoreError};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

const PEOPLE: usize = 10_000;
const ROUNDS: usize = 5;
const WRITERS: usize = 50;

/// What an import writes for some people: record, change, three memberships, one planned invocation each.
#[derive(Default)]
struct Batch {
    records: Vec<(SubjectKey, Record)>,
    memberships: Vec<Membership>,
    changes: Vec<NewChange>,
    planned: Vec<PlannedInvocation>,
}

impl Batch {
    fn of(numbers: Range<usize>) -> Self {
        let mut batch = Self::default();
        for number in numbers {
            batch.push(number);
        }
        batch
    }

    fn push(&mut self, number: usize) {
        // Scattered over the index, as random ids are.
        let scattered = (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let subject = SubjectKey { kind: RecordKind::Person, id: Uuid::from_u128(scattered).to_string() };
        let meta = Meta { id: format!("part-{number}"), created: Timestamp::now(), ..Meta::default() };
        self.records.push((subject.clone(), Record::Person(Box::new(person(number, &meta)))));
        self.memberships.extend((0..3).map(|group| Membership {
            meta: meta.clone(),
            group: format!("group-{}", (number + group * 5) % 12),
            person: subject.id.clone(),
            member: true,
            owner: false,
            valid_from: None,
            valid_through: None,
        }));
        self.changes.push(NewChange {
            subject: subject.clone(),
            operation: Operation::Created,
            parts: vec!["names".to_owned(), "roles".to_owned()],
            actor: "import".to_owned(),
            provision: true,
        });
        self.planned.push(PlannedInvocation {
            id: Uuid::now_v7(),
            target: "changelog".to_owned(),
            subject,
            action: Action::Added,
            change: Some(1),
            cause: None,
        });
    }
}

fn person(number: usize, meta: &Meta) -> Person {
    let meta = meta.clone();
    let name = Name {
        meta: meta.clone(),
        given: Some(format!("Given{number}")),
        family: Some(format!("Family{number}")),
        primary: true,
        ..Name::default()
    };
    let mail = format!("person{number}@example.org");
    let identifier =
        Identifier { meta: meta.clone(), identifier: format!("u{number}"), ..Identifier::default() };
    let role = Role { meta: meta.clone(), title: Some("Engineer".to_owned()), ..Role::default() };
    Person {
        meta: meta.clone(),
        names: vec![name],
        email_addresses: vec![EmailAddress { meta, mail, ..EmailAddress::default() }],
        identifiers: vec![identifier],
        roles: vec![role],
        ..Person::default()
    }
}

async fn write(store: &Store, batch: Batch) {
    let written = store.write::<_, StoreError, _>(|transaction| {
        Box::pin(async move {
            let at = Timestamp::now();
            transaction.put_records("co", &batch.records, at).await?;
            transaction.put_memberships("co", &batch.memberships).await?;
            transaction.append_changes("co", &batch.changes, at).await?;
            transaction.plan_invocations("co", &batch.planned, at).await
        })
    });
    written.await.unwrap();
}

async fn new_store(url: &str) -> Store {
    let store = Store::open(url).await.unwrap();
    let collaboration = Collaboration { id: "co".to_owned(), ..Collaboration::default() };
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.put_collaboration(&collaboration).await })
        })
        .await
        .unwrap();
    store
}

async fn plain_inserts(path: &str) -> Duration {
    new_store(&format!("sqlite:{path}")).await.close().await;
    let batch = Batch::of(0..PEOPLE);
    let mut connection = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON").await.unwrap();
    let start = Instant::now();
    let mut transaction = connection.begin().await.unwrap();
    let now = Timestamp::now().as_microsecond();
    for (subject, record) in &batch.records {
        let Record::Person(person) = record else { unreachable!("only people") };
        sqlx::query("INSERT INTO records (co, kind, id, document, stored) VALUES ('co', 'person', ?, ?, ?)")
            .bind(subject.id.as_str())
            .bind(serde_json::to_string(person).unwrap())
            .bind(now)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    for membership in &batch.memberships {
        sqlx::query("INSERT INTO memberships (co, group_id, person_id, document) VALUES ('co', ?, ?, ?)")
            .bind(membership.group.as_str())
            .bind(membership.person.as_str())
            .bind(serde_json::to_string(membership).unwrap())
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    for (sequence, change) in (1_i64..).zip(&batch.changes) {
        sqlx::query(
            "INSERT INTO changes (co, sequence, subject_kind, subject_id, operation, parts, actor, at, provision) \
             VALUES ('co', ?, 'person', ?, 'created', ?, ?, ?, 1)",
        )
        .bind(sequence)
        .bind(change.subject.id.as_str())
        .bind(serde_json::to_string(&change.parts).unwrap())
        .bind(change.actor.as_str())
        .bind(now)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    for planned in &batch.planned {
        sqlx::query(
            "INSERT INTO invocations (co, id, target, subject_kind, subject_id, action, change, planned) \
             VALUES ('co', ?, ?, 'person', ?, ?, ?, ?)",
        )
        .bind(planned.id.as_bytes().as_slice())
        .bind(planned.target.as_str())
        .bind(planned.subject.id.as_str())
        .bind(planned.action.word())
        .bind(planned.change)
        .bind(now)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    transaction.commit().await.unwrap();
    start.elapsed()
}

/// All people, `size` in a transaction.
async fn batches(url: &str, size: usize) -> Duration {
    let store = new_store(url).await;
    let batches: Vec<Batch> =
        (0..PEOPLE).step_by(size).map(|first| Batch::of(first..(first + size).min(PEOPLE))).collect();
    let start = Instant::now();
    for batch in batches {
        write(&store, batch).await;
    }
    let elapsed = start.elapsed();
    store.close().await;
    elapsed
}

/// All people, one in a transaction, by many writers at once.
async fn one_by_one(url: &str) -> Duration {
    let store = new_store(url).await;
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for number in (writer..PEOPLE).step_by(WRITERS) {
                write(&store, Batch::of(number..number + 1)).await;
            }
        });
    }
    writers.join_all().await;
    let elapsed = start.elapsed();
    store.close().await;
    elapsed
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64();
    println!("{what:<56}{median:>8.3} s{:>10.0} people/s", PEOPLE as f64 / median);
}

#[tokio::main]
async fn main() {
    let mut times = [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        times[0].push(plain_inserts(&path("plain")).await);
        times[1].push(batches(&format!("sqlite:{}", path("one")), PEOPLE).await);
        times[2].push(batches(&format!("sqlite:{}", path("batches")), 500).await);
        times[3].push(one_by_one(&format!("sqlite:{}", path("writers"))).await);
        let postgres = async || provender_tests::postgres::fresh_database().await.unwrap();
        times[4].push(batches(&postgres().await, PEOPLE).await);
        times[5].push(batches(&postgres().await, 500).await);
        times[6].push(one_by_one(&postgres().await).await);
    }
    let rows = [
        "plain single-row inserts into SQLite, one transaction",
        "SQLite, one transaction",
        "SQLite, 500 people in a transaction",
        "SQLite, one person in a transaction, 50 writers",
        "PostgreSQL (fsync off), one transaction",
        "PostgreSQL (fsync off), 500 people in a transaction",
        "PostgreSQL (fsync off), one person each, 50 writers",
    ];
    for (row, times) in rows.iter().zip(&mut times) {
        print(row, times);
    }
}
