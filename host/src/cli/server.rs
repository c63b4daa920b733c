//! `provender server`: the servers that plugins may reach.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::answer::{Answer, Table};
use super::input::{SecretArguments, known_collaboration, read_json};
use super::target::said;
use crate::administration::{Server, ServerInput};
use crate::host::Host;
use crate::servers::configuration::secrets::SecretInput;
use crate::servers::configuration::{
    self, Authentication, HttpConfiguration, ServerConfiguration, SqlAuthentication,
};

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
  provender server put people --co physics --file server.json

The file holds what the flags say and more:
  {\"configuration\": {\"kind\": \"http\", \"base_url\": \"https://people.example.org/api\",
   \"authentication\": {\"kind\": \"basic\", \"username\": \"provender\", \"password\": \"...\"}}}

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
#[command(group = clap::ArgGroup::new("kind").args(["http", "files", "file"]).required(true))]
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
    #[arg(long, value_name = "FILE", requires = "http")]
    ca_file: Option<PathBuf>,
    /// Allow a loopback or private address
    #[arg(long, requires = "http")]
    private: bool,
    /// Longest time for a request with its response
    #[arg(long, value_name = "MILLISECONDS", requires = "http")]
    request_timeout_ms: Option<u64>,
}

impl PutArguments {
    fn input(self) -> anyhow::Result<ServerInput> {
        if let Some(file) = &self.file {
            return read_json(file);
        }
        let description = self.description.clone();
        let configuration = match &self.files {
            Some(root) => serde_json::from_value(json!({ "kind": "files", "root": root }))?,
            None => configuration::ServerInput::Http(self.http_configuration()?),
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
        if let Some(file) = &self.ca_file {
            let pem = std::fs::read_to_string(file).with_context(|| format!("file `{}`", file.display()))?;
            http.ca_certificates = Some(pem);
        }
        if let Some(timeout) = self.request_timeout_ms {
            http.request_timeout_ms = timeout;
        }
        Ok(http)
    }
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
            };
            (http.base_url.clone(), authentication)
        }
    }
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
    if let ServerConfiguration::Http(http) = &server.configuration {
        let trusted = if http.ca_certificates.is_some() { "own certificates" } else { "those of the system" };
        fields.extend([
            (
                "private addresses",
                if http.allow_private_addresses { "allowed" } else { "refused" }.to_owned(),
            ),
            ("authorities", trusted.to_owned()),
            ("request timeout", format!("{} ms", http.request_timeout_ms)),
            ("connect timeout", format!("{} ms", http.connect_timeout_ms)),
        ]);
    }
    Table::of_fields(fields).to_string()
}
