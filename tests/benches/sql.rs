//! The plugin `sql` beside sqlx alone, which runs the same statements with the same values in the same transactions: at the
//! same database, over as many connections, in turn in one process. Once the call of the plugin alone, from the record to
//! its outcome, and once the whole way from a request to an outcome that is committed durably.
//!
//! `cargo bench -p provender-tests --bench sql [-- postgresql|mysql|sqlite [distant] [PEOPLE [RUNS]]]`
//! `distant`: both reach the database by a relay that takes one to two milliseconds each way, as over a network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provender::registry::import::{ImportOptions, import};
use provender_tests::bench::measure::for_all;
use provender_tests::bench::ways::Ways;
use provender_tests::host::{CO, TestHost, by_test};
use provender_tests::people::{group_key, person_key};
use provender_tests::relay::{Conduct, Relay};
use provender_tests::{mariadb, postgres};
use serde_json::{Value, json};
use sqlx::mysql::{MySqlArguments, MySqlPoolOptions};
use sqlx::postgres::{PgArguments, PgPoolOptions};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Arguments, AssertSqlSafe, Executor, MySql, Pool, Postgres, SqlSafeStr, Sqlite, Statement};
use tempfile::TempDir;

/// Connections of each side, and calls at once.
const CONNECTIONS: usize = 8;
const GROUPS: usize = 12;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let known = ["postgresql", "mysql", "sqlite"];
    let dialect = known.into_iter().find(|known| arguments.iter().any(|word| word == known));
    let mut numbers = arguments.iter().filter_map(|word| word.parse().ok());
    let people: usize = numbers.next().unwrap_or(2_000);
    let runs: usize = numbers.next().unwrap_or(5);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let distant = arguments.iter().any(|word| word == "distant");
    runtime.block_on(bench(dialect.unwrap_or("postgresql"), distant, people, runs));
}

async fn bench(dialect: &'static str, distant: bool, people: usize, runs: usize) {
    let mut site = Site::of(dialect).await;
    let relay = if distant { Some(site.put_away().await) } else { None };
    let ways = Ways::to(host(&site, people).await, "people", people, CONNECTIONS).await;
    ways.by_requests(CONNECTIONS).await;
    let scripts: Arc<Vec<Vec<Step>>> = Arc::new(scripts(ways.host(), people).await);
    let plain = Plain::connect(&site).await;
    ways.by_plugin().await;
    let statements = scripts.iter().map(Vec::len).sum::<usize>() as f64 / people as f64;
    println!("{dialect}: {statements:.1} statements for each person, {CONNECTIONS} connections");
    ways.compare("sqlx", runs, async || plain.run(&scripts).await, || {}, |_| {}).await;
    println!("\n{}", connections(&ways, &site).await);
    drop(relay);
    ways.stop().await;
}

/// A fresh database.
struct Site {
    dialect: &'static str,
    configuration: Value,
    url: String,
    address: Option<SocketAddr>,
    _folder: TempDir,
}

impl Site {
    async fn of(dialect: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut configuration = json!({
            "kind": "sql", "dialect": dialect, "host": "127.0.0.1", "tls": "off", "allow_private_addresses": true,
            "pacing": {"max_connections": CONNECTIONS},
        });
        let (url, address) = match dialect {
            "postgresql" => {
                let url = postgres::fresh_database().await.expect("a database");
                let parsed = url::Url::parse(&url).expect("a URL");
                configuration["database"] = parsed.path().trim_start_matches('/').into();
                configuration["schemas"] = json!(["public"]);
                configuration["authentication"] = json!({"kind": "trusted", "user": "postgres"});
                (url, Some(SocketAddr::from(([127, 0, 0, 1], parsed.port().expect("a port")))))
            }
            "mysql" => {
                let (address, database) = mariadb::fresh_database().await.expect("a database");
                let (user, password) = (mariadb::USER, mariadb::PASSWORD);
                configuration["database"] = database.as_str().into();
                configuration["authentication"] =
                    json!({"kind": "password", "user": user, "password": password});
                (format!("mysql://{user}:{password}@{address}/{database}?ssl-mode=disabled"), Some(address))
            }
            _ => {
                let path = folder.path().join("people.sqlite").display().to_string();
                configuration = json!({
                    "kind": "sql", "dialect": "sqlite", "path": path, "pacing": {"max_connections": CONNECTIONS},
                });
                (path, None)
            }
        };
        if let Some(address) = address {
            configuration["port"] = address.port().into();
        }
        Self { dialect, configuration, url, address, _folder: folder }
    }

    /// Has it reached by a relay that is as slow as a network.
    async fn put_away(&mut self) -> Relay {
        let address = self.address.expect("a file is not reached by a network");
        let relay = Relay::to("sql", address).await;
        relay.conduct(Conduct::Distant(Duration::from_millis(1)));
        let port = relay.address().port();
        self.configuration["port"] = port.into();
        self.url = self.url.replace(&format!(":{}", address.port()), &format!(":{port}"));
        relay
    }
}

/// A host with people, whose target is prepared and has the groups.
async fn host(site: &Site, people: usize) -> TestHost {
    let test = TestHost::start_with(|configuration| configuration.sandbox.instances = 64).await;
    test.install_bundled("sql").await;
    test.server("database", site.configuration.clone()).await;
    let target = json!({"plugin": "sql", "slots": {"database": "database"}, "mode": "manual", "concurrency": CONNECTIONS});
    test.target("people", target).await;
    let groups = (0..GROUPS).map(|number| {
        json!({"kind": "group", "record": {"meta": {"id": format!("g{number}")}, "name": format!("G{number}")}})
    });
    let members = (0..people).map(|number| {
        let record = json!({
            "meta": {"id": format!("p{number}")},
            "names": [{"given": "Ágnes", "family": format!("Kovács {number}"), "primary": true}],
            "email_addresses": [{"mail": format!("p{number}@example.org"), "verified": true}],
            "identifiers": [{"identifier": format!("user{number}"), "type": "uid"}],
            "roles": [{"affiliation": "staff", "title": "Researcher"}],
        });
        let groups = [number % GROUPS, (number + 5) % GROUPS];
        let memberships = groups.map(|group| json!({"group": format!("g{group}")}));
        json!({"kind": "person", "record": record, "memberships": memberships})
    });
    let lines: String = groups.chain(members).map(|line| format!("{line}\n")).collect();
    let options = ImportOptions::default();
    let summary = import(&test.host.registry, CO, lines.as_bytes(), &options, &by_test(), |_| {}).await;
    assert_eq!(summary.expect("an import").stopped_at, None);
    test.host.pipeline.prepare_target(CO, "people").await.expect("prepared tables");
    for number in 0..GROUPS {
        let group = group_key(&format!("g{number}"));
        test.host.pipeline.provision(CO, "people", &group).await.expect("an outcome");
    }
    test
}

/// Once more by a relay that counts, with four times as many calls as connections.
async fn connections(ways: &Ways, site: &Site) -> String {
    let Some(address) = site.address else { return "a file has no connections to count".to_owned() };
    let relay = Relay::to("sql", address).await;
    let mut configuration = site.configuration.clone();
    configuration["port"] = relay.address().port().into();
    ways.host().server("database", configuration).await;
    ways.by_requests(4 * CONNECTIONS).await;
    format!(
        "connections in use with {} calls at once: {} at most, of {CONNECTIONS}",
        4 * CONNECTIONS,
        relay.most_open()
    )
}

/// A statement, as the plugin sent it.
struct Step {
    statement: String,
    reads: bool,
    parameters: Vec<Parameter>,
}

enum Parameter {
    Null,
    Flag(bool),
    Number(i64),
    Text(String),
    Time(Timestamp),
}

/// What was sent for each person, by the records of the calls.
async fn scripts(test: &TestHost, people: usize) -> Vec<Vec<Step>> {
    let mut scripts = Vec::with_capacity(people);
    for number in 0..people {
        let person = person_key(&format!("p{number}"));
        let done = test.host.pipeline.provision(CO, "people", &person).await.expect("an outcome");
        let transcript = test.transcript(&done).await;
        let effects = transcript["steps"][0]["transcript"]["effects"].as_array().expect("effects");
        let statements = effects.iter().filter(|effect| effect["request"]["statement"].is_string());
        scripts.push(statements.map(step).collect());
    }
    scripts
}

fn step(effect: &Value) -> Step {
    let request = &effect["request"];
    let parameters = request["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    Step {
        statement: request["statement"].as_str().expect("a statement").to_owned(),
        reads: effect["operation"] == "read",
        parameters: parameters.iter().map(parameter).collect(),
    }
}

fn parameter(value: &Value) -> Parameter {
    match value {
        Value::Null => Parameter::Null,
        Value::Bool(flag) => Parameter::Flag(*flag),
        Value::Number(number) => Parameter::Number(number.as_i64().expect("a whole number")),
        Value::String(text) => text.parse().map_or_else(|_| Parameter::Text(text.clone()), Parameter::Time),
        other => panic!("no parameter: {other}"),
    }
}

/// sqlx with a pool of its own.
#[derive(Clone)]
enum Plain {
    Postgresql(Pool<Postgres>),
    Mysql(Pool<MySql>),
    Sqlite(Pool<Sqlite>),
}

impl Plain {
    async fn connect(site: &Site) -> Self {
        let most = CONNECTIONS as u32;
        match site.dialect {
            "postgresql" => {
                let pool = PgPoolOptions::new().max_connections(most).connect(&site.url).await;
                Self::Postgresql(pool.expect("a pool"))
            }
            "mysql" => {
                let pool = MySqlPoolOptions::new().max_connections(most).connect(&site.url).await;
                Self::Mysql(pool.expect("a pool"))
            }
            _ => {
                let options =
                    SqliteConnectOptions::new().filename(&site.url).journal_mode(SqliteJournalMode::Wal);
                let pool = SqlitePoolOptions::new().max_connections(most).connect_with(options).await;
                Self::Sqlite(pool.expect("a pool"))
            }
        }
    }

    async fn run(&self, scripts: &Arc<Vec<Vec<Step>>>) -> f64 {
        let (plain, scripts, people) = (self.clone(), Arc::clone(scripts), scripts.len());
        for_all(people, CONNECTIONS, move |number| {
            let (plain, scripts) = (plain.clone(), Arc::clone(&scripts));
            async move {
                match &plain {
                    Self::Postgresql(pool) => on_postgresql(pool, &scripts[number]).await,
                    Self::Mysql(pool) => on_mysql(pool, &scripts[number]).await,
                    Self::Sqlite(pool) => on_sqlite(pool, &scripts[number]).await,
                }
            }
        })
        .await
    }
}

macro_rules! transaction {
    ($name:ident, $database:ty, $arguments:ty, $begin:literal, $time:expr) => {
        async fn $name(pool: &Pool<$database>, script: &[Step]) {
            let mut transaction = pool.begin_with($begin).await.expect("a transaction");
            for step in script {
                let text = AssertSqlSafe(step.statement.as_str()).into_sql_str();
                let prepared = (&mut *transaction).prepare(text).await.expect("a statement");
                let mut arguments = <$arguments>::default();
                for parameter in &step.parameters {
                    match parameter {
                        Parameter::Null => arguments.add(None::<i64>),
                        Parameter::Flag(flag) => arguments.add(*flag),
                        Parameter::Number(number) => arguments.add(*number),
                        Parameter::Text(text) => arguments.add(text.clone()),
                        Parameter::Time(time) => arguments.add($time(time)),
                    }
                    .expect("an argument");
                }
                let query = prepared.query_with(arguments);
                if step.reads {
                    query.fetch_all(&mut *transaction).await.map(drop).expect("rows");
                } else {
                    query.execute(&mut *transaction).await.map(drop).expect("a result");
                }
            }
            transaction.commit().await.expect("a commit");
        }
    };
}

/// What PostgreSQL counts time from, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

// Times as prepared statements take them.
transaction!(on_postgresql, Postgres, PgArguments, "BEGIN", |time: &Timestamp| time.as_microsecond() - EPOCH);
transaction!(on_mysql, MySql, MySqlArguments, "BEGIN", |time: &Timestamp| {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
});
transaction!(on_sqlite, Sqlite, SqliteArguments, "BEGIN IMMEDIATE", Timestamp::to_string);
