//! The three databases, each with a relay in front where it is a server, and their whole content.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use provender::servers::configuration::SqlConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::sql::{RowLimits, SqlServer, Value};
use provender_tests::relay::Relay;
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
    direct: serde_json::Value,
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
        let url = postgres::fresh_database().await.expect("a database");
        let url = url::Url::parse(&url).expect("a URL");
        let address = SocketAddr::from(([127, 0, 0, 1], url.port().expect("a port")));
        let authentication = json!({"kind": "trusted", "user": "postgres"});
        Self::server("postgresql", address, url.path().trim_start_matches('/'), authentication).await
    }

    pub(crate) async fn mariadb() -> Self {
        let (address, database) = mariadb::fresh_database().await.expect("a database");
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

    /// What tables hold, in one form for all databases. Times at which something was stored are left out.
    pub(crate) async fn content(&self, tables: &[&str]) -> Content {
        let server = self.direct();
        let mut lease = server.lease().await.expect("a connection");
        let quote = if self.dialect == "mysql" { '`' } else { '"' };
        let mut content = Content::new();
        for table in tables {
            let statement = format!("SELECT * FROM {quote}sp_{table}{quote}");
            let found = lease.query(&statement, &[], LIMITS).await.expect("rows");
            let mut rows: Vec<String> = found
                .rows
                .iter()
                .map(|row| {
                    let values = found.columns.iter().zip(row);
                    let told =
                        values.filter(|(column, _)| !matches!(column.as_str(), "created" | "modified"));
                    told.map(|(column, value)| format!("{column}={}", plain(value)))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            rows.sort();
            content.insert((*table).to_owned(), rows);
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
