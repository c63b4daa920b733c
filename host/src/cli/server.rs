//! `provender server`: the servers that plugins may reach.

mod authentication;
mod messaging;
mod put;
mod shown;
mod sql;

use clap::{Args, Subcommand};
use serde_json::json;

use self::put::PutArguments;
use self::shown::{described, place};
use super::answer::{Answer, Table};
use super::input::known_collaboration;
use super::target::said;
use crate::host::Host;

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
  provender server put events --co physics --broker nats --address nats.example.org --tls \\
      --topic people --username provender --password-file events.password
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
