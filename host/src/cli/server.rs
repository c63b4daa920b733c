//! `provender server`: the servers that plugins may reach.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use percent_encoding::percent_decode_str;
use serde_json::json;
use url::Url;

use super::answer::{Answer, Table};
use super::input::{SecretArguments, known_collaboration, read_json};
use super::target::said;
use crate::administration::{Server, ServerInput};
use crate::host::Host;
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{
    self, Authentication, Dialect, HttpConfiguration, IdRange, LdapAuthentication, LdapConfiguration, Modes,
    ServerConfiguration, SqlAuthentication, SqlConfiguration, SqlTls,
};
use crate::servers::pacing::PacingConfiguration;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create or replace a server
    #[command(after_help = "\
Examples:
  provender server put people --co physics --http https://people.example.org/api \\
      --username provender --password-file people.password
  provender server put lab --co physics --http http://10.0.0.7:8080 --private \\
      --bearer --password-env LAB_TOKEN
  provender server put files --co physics --files /var/lib/provender/files
  provender server put homes --co physics --files /home --owners 1000-59999 --groups 1000-59999
  provender server put directory --co physics --ldap ldaps://ldap.example.org \\
      --base-dn ou=physics,dc=example,dc=org --bind-dn cn=provender,dc=example,dc=org \\
      --password-file directory.password
  provender server put database --co physics --sql postgresql://provender@db.example.org/people \\
      --schema public --password-file database.password
  provender server put people --co physics --file server.json

The file holds what the flags say and more:
  {\"configuration\": {\"kind\": \"http\", \"base_url\": \"https://people.example.org/api\",
   \"authentication\": {\"kind\": \"basic\", \"username\": \"provender\", \"password\": \"...\"},
   \"pacing\": {\"requests_per_second\": 20, \"burst\": 40, \"max_connections\": 16}}}
Other ways to authenticate:
  {\"kind\": \"header\", \"name\": \"X-Api-Key\", \"value\": \"...\"}
  {\"kind\": \"oauth2_client_credentials\", \"token_url\": \"https://login.example.org/token\",
   \"client_id\": \"provender\", \"client_secret\": \"...\", \"scope\": \"people\"}
  {\"kind\": \"oauth1\", \"consumer_key\": \"k\", \"consumer_secret\": \"...\",
   \"access_token\": {\"token\": \"t\", \"secret\": \"...\"}, \"signature\": \"hmac_sha1\"}
and, beside authentication, in TLS:
  \"client_certificate\": {\"certificates\": \"PEM\", \"private_key\": \"PEM\"}
Any secret may be {\"file\": \"/run/secrets/x\"} or {\"environment\": \"NAME\"} instead; a file is read anew
when it changes.

The plugin never sees a password or token: the host adds it to the requests. One that is left
out stays as it is stored, as long as the base URL and the user name stay too.")]
    Put(Box<PutArguments>),
    /// List servers
    List {
        /// The collaboration
        #[arg(long)]
        co: String,
    },
    /// Show a server, without its secrets
    Show(Named),
    /// Connect to a server and say what is there
    Check(Named),
    /// Remove a server that no target uses
    Remove(Named),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Named {
    /// id of the server
    id: String,
    /// The collaboration
    #[arg(long)]
    co: String,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("kind").args(["http", "files", "ldap", "sql", "file"]).required(true))]
pub(super) struct PutArguments {
    #[command(flatten)]
    named: Named,
    /// The operator's words for it
    #[arg(long, default_value = "", conflicts_with = "file")]
    description: String,
    /// An HTTP server: requests go to this URL and below it
    #[arg(long, value_name = "BASE-URL")]
    http: Option<String>,
    /// A directory of this machine: an absolute path
    #[arg(long, value_name = "DIRECTORY")]
    files: Option<PathBuf>,
    /// Numeric owners that plugins may set: 1000-59999
    #[arg(long, value_name = "LOWEST-HIGHEST", requires = "files")]
    owners: Option<IdRange>,
    /// Numeric groups that plugins may set
    #[arg(long, value_name = "LOWEST-HIGHEST", requires = "files")]
    groups: Option<IdRange>,
    /// Bits of permission that plugins may set, in octal [default: 0777]
    #[arg(long, value_name = "MODE", requires = "files")]
    modes: Option<Modes>,
    /// An LDAP directory: ldaps://HOST, or ldap://HOST, which is secured by StartTLS
    #[arg(long, value_name = "URL", requires = "base_dn")]
    ldap: Option<String>,
    /// A DN at or below which plugins may reach entries; may be given again
    #[arg(long, value_name = "DN", requires = "ldap")]
    base_dn: Vec<String>,
    /// Authenticate by a simple bind as this DN
    #[arg(long, value_name = "DN", requires = "ldap")]
    bind_dn: Option<String>,
    /// A database: postgresql://USER@HOST[:PORT]/DATABASE, mysql://USER@HOST[:PORT]/DATABASE (MariaDB too) or sqlite:/FILE
    #[arg(long, value_name = "URL")]
    sql: Option<String>,
    /// A schema of PostgreSQL that plugins may reach; may be given again [default: public]
    #[arg(long, value_name = "NAME", requires = "sql")]
    schema: Vec<String>,
    /// Connect to the database without TLS, in a network that is trusted
    #[arg(long, requires_all = ["sql", "private"])]
    no_tls: bool,
    /// Read all of it from a JSON file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Authenticate by user name and password
    #[arg(long, value_name = "NAME", requires = "http", conflicts_with = "bearer")]
    username: Option<String>,
    /// Authenticate by a bearer token
    #[arg(long, requires = "http")]
    bearer: bool,
    #[command(flatten)]
    secret: SecretArguments,
    /// PEM file of the authorities to trust instead of those of the system
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "file"])]
    ca_file: Option<PathBuf>,
    /// Allow a loopback or private address
    #[arg(long, conflicts_with_all = ["files", "file"])]
    private: bool,
    /// Longest time for a request with its response
    #[arg(long, value_name = "MILLISECONDS", conflicts_with_all = ["files", "file"])]
    request_timeout_ms: Option<u64>,
}

impl PutArguments {
    fn input(self) -> anyhow::Result<ServerInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        let description = self.description.clone();
        let configuration = match (&self.files, &self.ldap, &self.sql) {
            (Some(root), ..) => {
                let modes = self.modes.unwrap_or_default();
                let (owners, groups) = (self.owners, self.groups);
                let files = json!({ "root": root, "modes": modes, "owners": owners, "groups": groups });
                configuration::ServerInput::Files(serde_json::from_value(files)?)
            }
            (None, Some(_), _) => configuration::ServerInput::Ldap(self.ldap_configuration()?),
            (None, None, Some(url)) => {
                let url = url.parse().context("the URL of --sql")?;
                configuration::ServerInput::Sql(self.sql_configuration(&url)?)
            }
            (None, None, None) => configuration::ServerInput::Http(self.http_configuration()?),
        };
        Ok(ServerInput { id: None, description, configuration })
    }

    fn http_configuration(self) -> anyhow::Result<HttpConfiguration<SecretInput>> {
        let secret = self.secret.read()?.map(SecretInput::Text);
        let mut http: HttpConfiguration<SecretInput> =
            serde_json::from_value(json!({ "base_url": self.http }))?;
        http.authentication = match (self.username, self.bearer) {
            (Some(username), _) => Authentication::Basic { username, password: secret.unwrap_or_default() },
            (None, true) => Authentication::Bearer { token: secret.unwrap_or_default() },
            (None, false) if secret.is_some() => {
                anyhow::bail!("a password is of no use without --username NAME or --bearer")
            }
            (None, false) => Authentication::None {},
        };
        http.allow_private_addresses = self.private;
        http.ca_certificates = authorities(self.ca_file.as_deref())?;
        if let Some(timeout) = self.request_timeout_ms {
            http.request_timeout_ms = timeout;
        }
        Ok(http)
    }

    fn ldap_configuration(self) -> anyhow::Result<LdapConfiguration<SecretInput>> {
        let secret = self.secret.read()?.map(SecretInput::Text);
        let start_tls = self.ldap.as_ref().is_some_and(|url| !url.to_ascii_lowercase().starts_with("ldaps:"));
        let mut ldap: LdapConfiguration<SecretInput> = serde_json::from_value(
            json!({ "url": self.ldap, "base_dns": self.base_dn, "start_tls": start_tls }),
        )?;
        ldap.authentication = match self.bind_dn {
            Some(bind_dn) => LdapAuthentication::Simple { bind_dn, password: secret.unwrap_or_default() },
            None if secret.is_some() => anyhow::bail!("a password is of no use without --bind-dn DN"),
            None => LdapAuthentication::None {},
        };
        ldap.allow_private_addresses = self.private;
        ldap.ca_certificates = authorities(self.ca_file.as_deref())?;
        if let Some(timeout) = self.request_timeout_ms {
            ldap.request_timeout_ms = timeout;
        }
        Ok(ldap)
    }

    fn sql_configuration(self, url: &Url) -> anyhow::Result<SqlConfiguration<SecretInput>> {
        anyhow::ensure!(
            url.password().is_none(),
            "the URL must not hold a password: give it by --password-file"
        );
        let plain = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
        let path = plain(url.path())?;
        let sqlite = url.scheme() == "sqlite";
        let mut sql: SqlConfiguration<SecretInput> = serde_json::from_value(if sqlite {
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
        let (user, secret) = (plain(url.username())?, self.secret.read()?.map(SecretInput::Text));
        sql.authentication = match (user.is_empty(), secret) {
            (true, Some(_)) => anyhow::bail!("a password is of no use without a user in the URL"),
            (true, None) => None,
            (false, Some(password)) => Some(SqlAuthentication::Password { user, password }),
            (false, None) => Some(SqlAuthentication::Trusted { user }),
        };
        sql.allow_private_addresses = self.private;
        sql.ca_certificates = authorities(self.ca_file.as_deref())?;
        if self.no_tls {
            sql.tls = SqlTls::Off;
        }
        if let Some(timeout) = self.request_timeout_ms {
            sql.statement_timeout_ms = timeout;
        }
        Ok(sql)
    }
}

fn authorities(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let read =
        |file: &Path| std::fs::read_to_string(file).with_context(|| format!("file `{}`", file.display()));
    file.map(read).transpose()
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    let administration = &host.administration;
    match command {
        Command::Put(arguments) => {
            let Named { id, co } = arguments.named.clone();
            let (server, created) = administration.put_server(&co, &id, arguments.input()?).await?;
            let done = if created { "created" } else { "replaced" };
            Answer::new(&server, format!("server `{id}` {done}"))
        }
        Command::List { co } => {
            known_collaboration(host, &co).await?;
            let servers = administration.servers(&co).await?;
            let mut table = Table::new(&["id", "kind", "place", "authentication", "description"]);
            for server in &servers {
                let (place, authentication) = place(&server.configuration);
                let kind = server.configuration.kind().to_owned();
                table.row([server.id.clone(), kind, place, authentication, server.description.clone()]);
            }
            Answer::new(&servers, table.or("no servers"))
        }
        Command::Show(Named { id, co }) => {
            let server = administration.server(&co, &id).await?;
            Answer::new(&server, described(&server))
        }
        Command::Check(Named { id, co }) => {
            let lines = administration.check_server(&co, &id).await?;
            Answer::new(&lines, said(&lines, &format!("server `{id}` can be reached")))
        }
        Command::Remove(Named { id, co }) => {
            administration.delete_server(&co, &id).await?;
            Answer::new(&json!({ "removed": id }), format!("server `{id}` removed"))
        }
    }
}

/// Where a server is, and how the host authenticates itself there.
fn place(configuration: &ServerConfiguration) -> (String, String) {
    match configuration {
        ServerConfiguration::Files(files) => (files.root.clone(), "-".to_owned()),
        ServerConfiguration::Ldap(ldap) => {
            let authentication = match &ldap.authentication {
                LdapAuthentication::None {} => "none".to_owned(),
                LdapAuthentication::Simple { bind_dn, .. } => format!("simple, {bind_dn}"),
                LdapAuthentication::External {} => "external".to_owned(),
            };
            (format!("{} {}", ldap.url, ldap.base_dns.join(" ")), authentication)
        }
        ServerConfiguration::Sql(sql) => {
            let authentication = match &sql.authentication {
                None => "-".to_owned(),
                Some(SqlAuthentication::Trusted { user }) => format!("trusted, user {user}"),
                Some(SqlAuthentication::Password { user, .. }) => format!("password, user {user}"),
            };
            (sql.place(), authentication)
        }
        ServerConfiguration::Http(http) => {
            let authentication = match &http.authentication {
                Authentication::None {} => "none".to_owned(),
                Authentication::Basic { username, .. } => format!("basic, user {username}"),
                Authentication::Bearer { .. } => "bearer".to_owned(),
                Authentication::Header { name, .. } => format!("header {name}"),
                Authentication::ClientCredentials { token_url, client_id, .. } => {
                    format!("OAuth 2.0, client {client_id}, token from {token_url}")
                }
                Authentication::OAuth1 { consumer_key, .. } => {
                    format!("OAuth 1.0a, consumer {consumer_key}")
                }
            };
            (http.base_url.clone(), authentication)
        }
    }
}

fn pace(pacing: &PacingConfiguration) -> String {
    let PacingConfiguration { requests_per_second, burst, max_connections } = pacing;
    let rate = match requests_per_second {
        Some(rate) => format!("{rate} requests per second, {burst} at once"),
        None => "as fast as targets ask".to_owned(),
    };
    format!("{rate}; at most {max_connections} connections")
}

fn described(server: &Server) -> String {
    let (place, authentication) = place(&server.configuration);
    let mut fields = vec![
        ("id", server.id.clone()),
        ("description", server.description.clone()),
        ("kind", server.configuration.kind().to_owned()),
        ("place", place),
        ("authentication", authentication),
    ];
    if let ServerConfiguration::Files(files) = &server.configuration {
        let range =
            |range: Option<IdRange>| range.map_or_else(|| "none".to_owned(), |range| range.to_string());
        fields.extend([
            ("modes allowed", files.modes.to_string()),
            ("owners allowed", range(files.owners)),
            ("groups allowed", range(files.groups)),
        ]);
    }
    if let ServerConfiguration::Http(http) = &server.configuration {
        let trusted = if http.ca_certificates.is_some() { "own certificates" } else { "those of the system" };
        fields.extend([
            (
                "private addresses",
                if http.allow_private_addresses { "allowed" } else { "refused" }.to_owned(),
            ),
            ("authorities", trusted.to_owned()),
            ("client certificate", super::answer::yes_or_no(http.client_certificate.is_some())),
            ("pace", pace(&http.pacing)),
            ("request timeout", format!("{} ms", http.request_timeout_ms)),
            ("connect timeout", format!("{} ms", http.connect_timeout_ms)),
        ]);
    }
    if let ServerConfiguration::Ldap(ldap) = &server.configuration {
        let secured = ldap.start_tls || ldap.url.starts_with("ldaps:");
        fields.extend([
            ("secured", super::answer::yes_or_no(secured)),
            ("client certificate", super::answer::yes_or_no(ldap.client_certificate.is_some())),
            ("pace", pace(&ldap.pacing)),
            ("request timeout", format!("{} ms", ldap.request_timeout_ms)),
            ("connect timeout", format!("{} ms", ldap.connect_timeout_ms)),
        ]);
    }
    if let ServerConfiguration::Sql(sql) = &server.configuration {
        if sql.dialect != Dialect::Sqlite {
            fields.push(("secured", super::answer::yes_or_no(sql.tls == SqlTls::Required)));
        }
        if !sql.schemas.is_empty() {
            fields.push(("schemas", sql.schemas.join(", ")));
        }
        fields.extend([
            ("pace", pace(&sql.pacing)),
            ("statement timeout", format!("{} ms", sql.statement_timeout_ms)),
            ("connect timeout", format!("{} ms", sql.connect_timeout_ms)),
        ]);
    }
    Table::of_fields(fields).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

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
