//! A database as the flags of `provender server put` say it.

use std::borrow::Cow;

use anyhow::Context;
use clap::Args;
use percent_encoding::percent_decode_str;
use serde_json::json;
use url::Url;

use super::put::{NOT_SQL, Shared};
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{Dialect, SqlAuthentication, SqlConfiguration, SqlTls};

#[derive(Debug, Args)]
pub(super) struct SqlArguments {
    /// A database: postgresql://USER@HOST[:PORT]/DATABASE, mysql://USER@HOST[:PORT]/DATABASE (MariaDB too) or sqlite:/FILE
    #[arg(long, value_name = "URL", conflicts_with = "client_certificate")]
    sql: Option<String>,
    /// A schema of PostgreSQL that plugins may reach; may be given again [default: public]
    #[arg(long, value_name = "NAME", conflicts_with_all = NOT_SQL)]
    schema: Vec<String>,
    /// Connect to the database without TLS, in a network that is trusted
    #[arg(long, requires = "private", conflicts_with_all = NOT_SQL)]
    no_tls: bool,
}

impl SqlArguments {
    pub(super) fn are_given(&self) -> bool {
        self.sql.is_some()
    }

    pub(super) fn configuration(self, shared: Shared) -> anyhow::Result<SqlConfiguration<SecretInput>> {
        let url: Url = self.sql.unwrap_or_default().parse().context("the URL of --sql")?;
        anyhow::ensure!(
            url.password().is_none(),
            "the URL must not hold a password: give it by --password-file"
        );
        let plain = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
        let path = plain(url.path())?;
        let mut sql: SqlConfiguration<SecretInput> = serde_json::from_value(if url.scheme() == "sqlite" {
            json!({ "dialect": "sqlite", "path": path })
        } else {
            let (host, database) = (url.host_str(), path.trim_start_matches('/'));
            json!({ "dialect": url.scheme(), "host": host, "port": url.port(), "database": database })
        })
        .context("the URL of --sql")?;
        sql.schemas = self.schema;
        if sql.dialect == Dialect::Postgresql && sql.schemas.is_empty() {
            sql.schemas.push("public".to_owned());
        }
        let user = plain(url.username())?;
        sql.authentication = match (user.is_empty(), shared.secret) {
            (true, Some(_)) => anyhow::bail!("a password is of no use without a user in the URL"),
            (true, None) => None,
            (false, Some(password)) => Some(SqlAuthentication::Password { user, password }),
            (false, None) => Some(SqlAuthentication::Trusted { user }),
        };
        sql.allow_private_addresses = shared.private;
        sql.ca_certificates = shared.ca_certificates;
        if self.no_tls {
            sql.tls = SqlTls::Off;
        }
        if let Some(timeout) = shared.request_timeout_ms {
            sql.statement_timeout_ms = timeout;
        }
        Ok(sql)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::put::PutArguments;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        put: PutArguments,
    }

    /// What flags say, as an operator would have written it into a file.
    fn said(flags: &[&str]) -> anyhow::Result<serde_json::Value> {
        let line = ["put", "database", "--co", "physics", "--sql"].iter().chain(flags);
        let input = Line::try_parse_from(line)?.put.input()?;
        let stored = input.configuration.seal(
            &crate::servers::secret::SecretKey::from_base64("KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=")?,
            "physics",
            "database",
            None,
        )?;
        Ok(serde_json::to_value(stored.configuration)?)
    }

    #[test]
    fn a_database_is_told_by_a_url() {
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), "hunter2\n").unwrap();
        let file = password.path().to_str().unwrap();
        let told =
            said(&["postgresql://prov%40x@db.example.org:5433/people", "--password-file", file]).unwrap();
        assert_eq!(
            told,
            json!({"kind": "sql", "dialect": "postgresql", "host": "db.example.org", "port": 5433,
                   "database": "people", "schemas": ["public"],
                   "authentication": {"kind": "password", "user": "prov@x"}, "tls": "required",
                   "allow_private_addresses": false, "connect_timeout_ms": 10_000, "acquire_timeout_ms": 10_000,
                   "statement_timeout_ms": 30_000, "idle_timeout_ms": 60_000})
        );
        let private = ["--private", "--no-tls", "--request-timeout-ms", "500"];
        let mysql = said(&[&["mysql://p@10.0.0.1/people"][..], &private].concat()).unwrap();
        assert_eq!((&mysql["tls"], &mysql["statement_timeout_ms"]), (&json!("off"), &json!(500)));
        assert_eq!(mysql["authentication"], json!({"kind": "trusted", "user": "p"}));
        let sqlite = said(&["sqlite:/tmp/people%20here.db"]).unwrap();
        assert_eq!((&sqlite["dialect"], &sqlite["path"]), (&json!("sqlite"), &json!("/tmp/people here.db")));
    }

    #[test]
    fn a_url_of_a_database_holds_no_password_and_what_it_says_is_checked() {
        for (flags, problem) in [
            (&["postgresql://p:hunter2@db.example.org/people"][..], "must not hold a password"),
            (&["oracle://p@db.example.org/people"], "the URL of --sql"),
            (&["no url"], "the URL of --sql"),
            (&["mysql://p@db.example.org/people", "--no-tls"], "--private"),
            (&["mysql://p@db.example.org/people", "--schema", "x"], "/schemas"),
            (&["sqlite:people.db"], "/path"),
        ] {
            let error = format!("{:#}", said(flags).unwrap_err());
            assert!(error.contains(problem) && !error.contains("hunter2"), "{flags:?}: {error}");
        }
    }
}
