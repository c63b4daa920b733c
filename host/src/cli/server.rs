//! `provender server`: the servers that plugins may reach.

mod authentication;
mod put;

use clap::{Args, Subcommand};
use serde_json::json;

use self::put::PutArguments;
use super::answer::{Answer, Table};
use super::input::known_collaboration;
use super::target::said;
use crate::administration::Server;
use crate::host::Host;
use crate::servers::configuration::{Authentication, IdRange, LdapAuthentication, ServerConfiguration};
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
  provender server put people --co physics --file server.json
Other ways to authenticate:
  provender server put people --co physics --http https://people.example.org/api \\
      --header X-Api-Key --password-file people.key
  provender server put people --co physics --http https://people.example.org/api \\
      --oauth2-token-url https://login.example.org/token --client-id provender --scope people \\
      --password-file /run/secrets/people --by-reference
  provender server put people --co physics --http https://people.example.org/api \\
      --oauth1-consumer provender --password-file consumer.secret \\
      --oauth1-token t --oauth1-token-secret-file token.secret
  provender server put people --co physics --http https://people.example.org/api \\
      --client-certificate provender.pem --client-key provender.key

The file holds what the flags say and more:
  {\"configuration\": {\"kind\": \"http\", \"base_url\": \"https://people.example.org/api\",
   \"authentication\": {\"kind\": \"basic\", \"username\": \"provender\", \"password\": \"...\"},
   \"pacing\": {\"requests_per_second\": 20, \"burst\": 40, \"max_connections\": 16}}}
Any secret may be {\"file\": \"/run/secrets/x\"} or {\"environment\": \"NAME\"} instead, which is what
--by-reference stores; a file is read anew when it changes.

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
    Table::of_fields(fields).to_string()
}
