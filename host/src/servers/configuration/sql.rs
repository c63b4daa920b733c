//! The configuration of a database that speaks SQL.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::secrets::{SecretField, SecretForm, SecretPlace, Told};
use super::{Refuse, certificates, check_ranges, default_connect_timeout_ms};
use crate::servers::pacing::PacingConfiguration;

/// A database that speaks SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default"))]
pub struct SqlConfiguration<S = SecretPlace> {
    pub dialect: Dialect,
    /// Name or address of the server. Not for sqlite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "db.example.org")]
    pub host: Option<String>,
    /// 5432 for postgresql and 3306 for mysql, unless another is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub port: Option<u16>,
    /// Name of the database. Not for sqlite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// sqlite: absolute path of the file, whose directory exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/var/lib/provender/people.sqlite")]
    pub path: Option<String>,
    /// Schemas that plugins may name; postgresql only, where statements without a schema are about the first one. A
    /// mysql database is one schema, and that of sqlite is `main`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// How the host authenticates itself. Not for sqlite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<SqlAuthentication<S>>,
    #[serde(default)]
    pub tls: SqlTls,
    /// PEM certificates of authorities to trust beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// Whether the server may be at a loopback, private or otherwise not public address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Longest time in milliseconds for name resolution, TCP, TLS and authentication together.
    #[serde(default = "default_connect_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000, default = default_connect_timeout_ms)]
    pub connect_timeout_ms: u64,
    /// Longest time in milliseconds that a call waits until one of the connections is free.
    #[serde(default = "default_acquire_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000, default = default_acquire_timeout_ms)]
    pub acquire_timeout_ms: u64,
    /// Longest time in milliseconds for a statement with its answer.
    #[serde(default = "default_statement_timeout_ms")]
    #[schema(minimum = 1, maximum = 300_000, default = default_statement_timeout_ms)]
    pub statement_timeout_ms: u64,
    /// Longest time in milliseconds that an unused connection is kept.
    #[serde(default = "default_idle_timeout_ms")]
    #[schema(minimum = 1, maximum = 600_000, default = default_idle_timeout_ms)]
    pub idle_timeout_ms: u64,
    /// How much it is asked at most, by all targets together.
    #[serde(default, skip_serializing_if = "PacingConfiguration::is_default")]
    pub pacing: PacingConfiguration,
}

/// What a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    Postgresql,
    /// MariaDB too.
    Mysql,
    Sqlite,
}

/// How the host authenticates itself to a database. Secrets are written and never given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    bound(serialize = "S: Told", deserialize = "S: Deserialize<'de> + Default")
)]
pub enum SqlAuthentication<S = SecretPlace> {
    /// By a password.
    Password {
        user: String,
        #[serde(default, skip_serializing_if = "Told::is_left_out")]
        password: S,
    },
    /// The server believes the name, since it trusts the address.
    Trusted { user: String },
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlTls {
    /// Always, and the certificate must fit the host.
    #[default]
    Required,
    /// Never; needs `allow_private_addresses`.
    Off,
}

pub(in crate::servers) const PASSWORD: SecretField =
    SecretField { name: "password", pointer: "/authentication/password", form: SecretForm::Line };

impl Dialect {
    /// As plugins know it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }
}

impl<S> SqlAuthentication<S> {
    fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> SqlAuthentication<T> {
        match self {
            Self::Password { user, password } => {
                SqlAuthentication::Password { user, password: secret(PASSWORD, password) }
            }
            Self::Trusted { user } => SqlAuthentication::Trusted { user },
        }
    }

    /// Who the host is there.
    pub fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } | Self::Trusted { user } => user,
        }
    }
}

impl<S> SqlConfiguration<S> {
    /// The same with other secrets.
    pub(super) fn map<T>(self, secret: &mut impl FnMut(SecretField, S) -> T) -> SqlConfiguration<T> {
        SqlConfiguration {
            dialect: self.dialect,
            host: self.host,
            port: self.port,
            database: self.database,
            path: self.path,
            schemas: self.schemas,
            authentication: self.authentication.map(|authentication| authentication.map(secret)),
            tls: self.tls,
            ca_certificates: self.ca_certificates,
            allow_private_addresses: self.allow_private_addresses,
            connect_timeout_ms: self.connect_timeout_ms,
            acquire_timeout_ms: self.acquire_timeout_ms,
            statement_timeout_ms: self.statement_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            pacing: self.pacing,
        }
    }

    /// Where it is, for the operator.
    pub fn place(&self) -> String {
        match self.dialect {
            Dialect::Sqlite => self.path.clone().unwrap_or_default(),
            Dialect::Postgresql | Dialect::Mysql => format!(
                "{}://{}:{}/{}",
                self.dialect.word(),
                self.host.as_deref().unwrap_or_default(),
                self.port(),
                self.database.as_deref().unwrap_or_default()
            ),
        }
    }

    /// What of it reaches into the host's own surroundings.
    pub(super) fn reaches_into_host(&self) -> Option<&'static str> {
        match self.dialect {
            Dialect::Sqlite => Some("a file of the host"),
            _ if self.allow_private_addresses => Some("a server at a private address"),
            _ => None,
        }
    }

    /// Where plugins may act.
    pub(super) fn reach(&self) -> Vec<String> {
        let of_dialect = match self.dialect {
            Dialect::Postgresql => return self.schemas.clone(),
            Dialect::Mysql => &self.database,
            Dialect::Sqlite => &self.path,
        };
        of_dialect.iter().cloned().collect()
    }

    /// Whether it may be at a private address; none for a file.
    pub(super) fn private_addresses(&self) -> Option<bool> {
        (self.dialect != Dialect::Sqlite).then_some(self.allow_private_addresses)
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.dialect == Dialect::Mysql { 3306 } else { 5432 })
    }
}

impl SqlConfiguration {
    pub(super) fn validate(self, refuse: &mut Refuse<'_>) -> Self {
        match self.dialect {
            Dialect::Sqlite => self.check_file(refuse),
            Dialect::Postgresql | Dialect::Mysql => self.check_server(refuse),
        }
        check_ranges(
            &[
                ("/connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
                ("/acquire_timeout_ms", self.acquire_timeout_ms, 1, 60_000),
                ("/statement_timeout_ms", self.statement_timeout_ms, 1, 300_000),
                ("/idle_timeout_ms", self.idle_timeout_ms, 1, 600_000),
            ],
            refuse,
        );
        check_ranges(&self.pacing.ranges(), refuse);
        self
    }

    fn check_file(&self, refuse: &mut Refuse<'_>) {
        let of_servers = [
            ("/host", self.host.is_some()),
            ("/port", self.port.is_some()),
            ("/database", self.database.is_some()),
            ("/authentication", self.authentication.is_some()),
            ("/ca_certificates", self.ca_certificates.is_some()),
            ("/schemas", !self.schemas.is_empty()),
        ];
        for (pointer, given) in of_servers {
            if given {
                refuse(pointer, "is not for sqlite, which is a file".to_owned());
            }
        }
        let path = Path::new(self.path.as_deref().unwrap_or_default());
        if !path.is_absolute() || path.file_name().is_none() {
            refuse("/path", "must be the absolute path of a file".to_owned());
        } else if path.is_dir() || !path.parent().is_some_and(Path::is_dir) {
            refuse("/path", format!("{} must be a file in a directory that exists", path.display()));
        }
    }

    fn check_server(&self, refuse: &mut Refuse<'_>) {
        let named = |text: &Option<String>| {
            text.as_deref().is_some_and(|text| !text.is_empty() && !text.contains(char::is_control))
        };
        let host = self.host.as_deref().unwrap_or_default();
        if host.is_empty() || host.contains(|letter: char| letter == '/' || letter.is_whitespace()) {
            refuse("/host", "must be the name or the address of a server".to_owned());
        }
        if self.port == Some(0) {
            refuse("/port", "must be 1 to 65535".to_owned());
        }
        if !named(&self.database) {
            refuse("/database", "must be the name of a database".to_owned());
        }
        if self.path.is_some() {
            refuse("/path", "is for sqlite only".to_owned());
        }
        match &self.authentication {
            None => refuse("/authentication", "must say who the host is there".to_owned()),
            Some(authentication) if authentication.user().is_empty() => {
                refuse("/authentication/user", "must not be empty".to_owned());
            }
            Some(_) => {}
        }
        match self.dialect {
            Dialect::Postgresql => self.check_schemas(refuse),
            _ if !self.schemas.is_empty() => {
                refuse("/schemas", "are for postgresql; a mysql database is one schema".to_owned());
            }
            _ => {}
        }
        if self.tls == SqlTls::Off && !self.allow_private_addresses {
            let problem = "can be off only with `allow_private_addresses`, in a network that is trusted";
            refuse("/tls", problem.to_owned());
        }
        certificates::check(self.ca_certificates.as_deref(), None, refuse);
        if self.ca_certificates.is_some() && self.tls == SqlTls::Off {
            refuse("/ca_certificates", "needs `tls`".to_owned());
        }
    }

    fn check_schemas(&self, refuse: &mut Refuse<'_>) {
        if self.schemas.is_empty() {
            refuse("/schemas", "must name the schemas that plugins may reach: [\"public\"]".to_owned());
        }
        for schema in &self.schemas {
            let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$');
            if schema.is_empty() || !schema.chars().all(plain) {
                refuse("/schemas", format!("{schema:?} must be letters, digits, `_`, `-` and `$`"));
            } else if schema.starts_with("pg_") || schema == "information_schema" {
                refuse("/schemas", format!("`{schema}` belongs to the server itself"));
            }
        }
    }

    /// Where secrets of this configuration are sent, and in whose name.
    pub(super) fn recipient(&self) -> String {
        let authentication = self.authentication.clone().map(|kind| kind.map(&mut |_, _| ()));
        format!("{} {:?} {authentication:?}", self.place(), self.tls)
    }
}

fn default_acquire_timeout_ms() -> u64 {
    10_000
}

fn default_statement_timeout_ms() -> u64 {
    30_000
}

fn default_idle_timeout_ms() -> u64 {
    60_000
}
