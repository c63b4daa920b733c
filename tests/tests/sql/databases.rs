//! The three databases, each with a relay in front where it is a server, and their whole content.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use provender::servers::configuration::SqlConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::sql::{RowLimits, SqlServer, Value};
use provender_tests::relay::Relay;
use provender_tests::waiting::eventually;
use provender_tests::{mariadb, postgres};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;

/// A fresh database, and how a host reaches it.
pub(crate) struct Database {
    pub(crate) dialect: &'static str,
    /// What a host is told.
    pub(crate) configuration: serde_json::Value,
    /// Where the server itself is.
    pub(crate) direct: serde_json::Value,
    pub(crate) relay: Option<Relay>,
    _folder: Option<TempDir>,
}

/// Tables of the plugin, with the prefix of the tests.
pub(crate) const TABLES: &[&str] = &[
    "cous",
    "co_people",
    "names",
    "identifiers",
    "email_addresses",
    "urls",
    "co_t_and_c_agreements",
    "co_person_roles",
    "ad_hoc_attributes",
    "addresses",
    "telephone_numbers",
    "co_groups",
    "co_group_members",
];
pub(crate) const DOCUMENTS: &[&str] = &["people", "groups"];

/// Names of columns, and rows as text.
pub(crate) type Content = BTreeMap<String, Vec<String>>;

pub(crate) const LIMITS: RowLimits = RowLimits { rows: 100_000, bytes: 1 << 30 };

impl Database {
    pub(crate) async fn all() -> [Self; 3] {
        [Self::postgresql().await, Self::mariadb().await, Self::sqlite()]
    }

    pub(crate) async fn postgresql() -> Self {
        Self::postgresql_at(&postgres::fresh_database().await.expect("a database")).await
    }

    async fn postgresql_at(url: &str) -> Self {
        let url = url::Url::parse(url).expect("a URL");
        let address = SocketAddr::from(([127, 0, 0, 1], url.port().expect("a port")));
        let authentication = json!({"kind": "trusted", "user": "postgres"});
        Self::server("postgresql", address, url.path().trim_start_matches('/'), authentication).await
    }

    pub(crate) async fn mariadb() -> Self {
        let (address, database) = mariadb::fresh_database().await.expect("a database");
        Self::mariadb_at(address, database).await
    }

    async fn mariadb_at(address: SocketAddr, database: String) -> Self {
        let authentication =
            json!({"kind": "password", "user": mariadb::USER, "password": mariadb::PASSWORD});
        Self::server("mysql", address, &database, authentication).await
    }

    async fn server(
        dialect: &'static str,
        address: SocketAddr,
        database: &str,
        authentication: serde_json::Value,
    ) -> Self {
        let relay = Relay::to("sql", address).await;
        let at = |port: u16| {
            let mut configuration = json!({
                "kind": "sql", "dialect": dialect, "host": "127.0.0.1", "port": port, "database": database,
                "authentication": authentication, "tls": "off", "allow_private_addresses": true,
                "pacing": {"max_connections": 4}, "statement_timeout_ms": 20_000,
            });
            if dialect == "postgresql" {
                configuration["schemas"] = json!(["public"]);
            }
            configuration
        };
        let (configuration, direct) = (at(relay.address().port()), at(address.port()));
        Self { dialect, configuration, direct, relay: Some(relay), _folder: None }
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.sqlite");
        let configuration = json!({"kind": "sql", "dialect": "sqlite", "path": path, "pacing": {"max_connections": 4},
                                   "acquire_timeout_ms": 2_000});
        let direct = configuration.clone();
        Self { dialect: "sqlite", configuration, direct, relay: None, _folder: Some(folder) }
    }

    /// As a host reaches it, but without a gate in between.
    pub(crate) fn connected(&self) -> Arc<SqlServer> {
        if let Some(relay) = &self.relay {
            relay.expect_the_operator();
        }
        connect(&self.configuration)
    }

    /// By the test itself, past the relay.
    pub(crate) fn direct(&self) -> Arc<SqlServer> {
        connect(&self.direct)
    }

    /// Waits until a statement waits for a lock of somebody else.
    pub(crate) async fn somebody_waits(&self) {
        let waiting = match self.dialect {
            "postgresql" => {
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            }
            _ => {
                "SELECT p.id FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
                 ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()"
            }
        };
        let server = self.direct();
        let mut lease = server.lease().await.expect("a connection");
        eventually("somebody waits for a lock", async || {
            // MariaDB tells the same again when it is asked sooner.
            tokio::time::sleep(Duration::from_millis(150)).await;
            let found = lease.query(waiting, &[], LIMITS).await.expect("rows");
            (!found.rows.is_empty()).then_some(())
        })
        .await;
    }

    /// All that it holds, in all its tables.
    pub(crate) async fn everything(&self) -> Content {
        let tables = match self.dialect {
            "postgresql" => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
            "mysql" => "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
            _ => "SELECT name FROM sqlite_master WHERE type = 'table'",
        };
        let server = self.direct();
        let found =
            server.lease().await.expect("a connection").query(tables, &[], LIMITS).await.expect("rows");
        let tables: Vec<String> = found.rows.iter().flatten().map(text).collect();
        self.rows(tables.iter().map(|table| (table.as_str(), table.clone())), &[]).await
    }

    /// What tables hold, in one form for all databases. Times at which something was stored are left out.
    pub(crate) async fn content(&self, tables: &[&str]) -> Content {
        self.rows(tables.iter().map(|table| (*table, format!("sp_{table}"))), &["created", "modified"]).await
    }

    /// The name of a table of the plugin, in quotes.
    pub(crate) fn quoted(&self, table: &str) -> String {
        let quote = if self.dialect == "mysql" { '`' } else { '"' };
        format!("{quote}sp_{table}{quote}")
    }

    /// Rows of tables, which have a name here and one there, without some columns.
    async fn rows<'a>(&self, tables: impl Iterator<Item = (&'a str, String)>, without: &[&str]) -> Content {
        let server = self.direct();
        let mut lease = server.lease().await.expect("a connection");
        let quote = if self.dialect == "mysql" { '`' } else { '"' };
        let mut content = Content::new();
        for (table, name) in tables {
            let statement = format!("SELECT * FROM {quote}{name}{quote}");
            let found = lease.query(&statement, &[], LIMITS).await.expect("rows");
            let mut rows: Vec<String> = found
                .rows
                .iter()
                .map(|row| {
                    let values = found.columns.iter().zip(row);
                    let told = values.filter(|(column, _)| !without.contains(&column.as_str()));
                    told.map(|(column, value)| format!("{column}={}", plain(value)))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            rows.sort();
            content.insert(table.to_owned(), rows);
        }
        content
    }
}

pub(crate) fn connect(configuration: &serde_json::Value) -> Arc<SqlServer> {
    let mut configuration = configuration.clone();
    configuration.as_object_mut().expect("an object").remove("kind");
    let password = configuration["authentication"]
        .as_object_mut()
        .and_then(|authentication| authentication.remove("password"))
        .and_then(|password| Some(SecretString::from(password.as_str()?)));
    let configuration: SqlConfiguration = serde_json::from_value(configuration).expect("a configuration");
    let secrets = password.map(|password| ("password".to_owned(), password)).into_iter().collect();
    Arc::new(SqlServer::new(&configuration, &secrets, Arc::new(SystemResolver)).expect("a server"))
}

/// A server of a test's own, which can be killed.
pub(crate) enum Own {
    Postgresql(postgres::Server),
    Mariadb(mariadb::Server),
}

impl Own {
    pub(crate) fn both() -> [Self; 2] {
        [
            Self::Postgresql(postgres::Server::start().expect("PostgreSQL")),
            Self::Mariadb(mariadb::Server::start().expect("MariaDB")),
        ]
    }

    pub(crate) async fn database(&self) -> Database {
        match self {
            Self::Postgresql(server) => {
                Database::postgresql_at(&server.fresh_database().await.expect("a database")).await
            }
            Self::Mariadb(server) => {
                let (address, database) = server.fresh_database().await.expect("a database");
                Database::mariadb_at(address, database).await
            }
        }
    }

    pub(crate) fn kill(&self) {
        match self {
            Self::Postgresql(server) => server.kill(),
            Self::Mariadb(server) => server.kill(),
        }
    }

    pub(crate) fn resume(&self) {
        match self {
            Self::Postgresql(server) => server.resume(),
            Self::Mariadb(server) => server.resume(),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Boolean(value) => i64::from(*value).to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => value.to_string(),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::Text(text)
        | Value::Timestamp(text)
        | Value::Decimal(text)
        | Value::Json(text)
        | Value::Other(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(document @ serde_json::Value::Object(_)) => document.to_string(),
            _ => format!("{text:?}"),
        },
    }
}
