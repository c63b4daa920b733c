//! Servers of a collaboration: configured with their secrets, shown without them, and alive for the pipeline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::error::{AdministrationError, Kind, Problems};
use super::{Administration, check_ids, known_collaboration};
use crate::servers::configuration::secrets::SecretFiles;
use crate::servers::configuration::{self, ServerConfiguration, StoredServer};
use crate::servers::files::FilesRoot;
use crate::servers::http::{HttpLimits, HttpServer, MAX_RESPONSE_HEADER_BYTES, OutgoingRequest};
use crate::servers::{LiveServer, ServerKey};
use crate::store::{ServerRow, StoreError};

/// A server as an operator writes it, secrets included.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerInput {
    /// May be left out; otherwise that of the path.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub description: String,
    /// A secret that is left out stays as it is stored, as long as base URL and user name stay too.
    pub configuration: configuration::ServerInput,
}

/// A server as shown, without secrets.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Server {
    pub id: String,
    pub description: String,
    pub configuration: ServerConfiguration,
}

/// What a check reads of an answer at most.
const CHECK_LIMITS: HttpLimits = HttpLimits {
    max_response_bytes: 64 * 1024,
    max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
    timeout: Duration::from_secs(20),
};

impl Administration {
    /// Stores a server, its secrets sealed; tells whether it is new.
    pub async fn put_server(
        &self,
        co: &str,
        id: &str,
        input: ServerInput,
    ) -> Result<(Server, bool), AdministrationError> {
        let mut problems = Problems::default();
        check_ids(id, input.id.as_deref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems.refusal(Kind::Server, id));
        }
        let previous = self.store.server(co, id).await?.map(stored).transpose()?;
        let sealed = input
            .configuration
            .seal(self.servers.secret_key(), co, id, previous.as_ref())
            .map_err(|error| AdministrationError::of_server(id, error))?;
        let row = row(id, input.description, &sealed)?;
        let (owner, written) = (co.to_owned(), row.clone());
        let created = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    known_collaboration(transaction, &owner).await?;
                    let created = transaction.server(&owner, &row.id).await?.is_none();
                    transaction.put_server(&owner, &row).await?;
                    Ok::<_, AdministrationError>(created)
                })
            })
            .await?;
        Ok((shown(written)?, created))
    }

    /// The servers of a collaboration, by ascending `id`.
    pub async fn servers(&self, co: &str) -> Result<Vec<Server>, AdministrationError> {
        self.store.servers(co).await?.into_iter().map(shown).collect()
    }

    /// One server.
    pub async fn server(&self, co: &str, id: &str) -> Result<Server, AdministrationError> {
        shown(self.server_row(co, id).await?)
    }

    /// Removes a server that no target uses, and ends its connections.
    pub async fn delete_server(&self, co: &str, id: &str) -> Result<(), AdministrationError> {
        let (owner, server) = (co.to_owned(), id.to_owned());
        let removal = self.store.write(move |transaction| {
            Box::pin(async move {
                let users = transaction.server_users(&owner, &server).await?;
                if !users.is_empty() {
                    return Err(AdministrationError::InUse { kind: Kind::Server, id: server, users });
                }
                let webhook = transaction.notification_settings(&owner).await?.settings.webhook;
                if webhook.is_some_and(|webhook| webhook.server == server) {
                    return Err(AdministrationError::InUseByWebhook { id: server });
                }
                match transaction.delete_server(&owner, &server).await? {
                    true => Ok(()),
                    false => Err(AdministrationError::Unknown { kind: Kind::Server, id: server }),
                }
            })
        });
        removal.await?;
        self.servers.forget(co, id);
        Ok(())
    }

    /// The connections of a server.
    pub async fn server_live(&self, co: &str, id: &str) -> Result<LiveServer, AdministrationError> {
        Ok(self.watched_server(co, id).await?.0)
    }

    /// The connections of a server, and the files that its secrets were read from.
    pub async fn watched_server(
        &self,
        co: &str,
        id: &str,
    ) -> Result<(LiveServer, Arc<SecretFiles>), AdministrationError> {
        let row = self.server_row(co, id).await?;
        let key = ServerKey { co: co.to_owned(), server: id.to_owned(), revision: row.revision };
        let stored = stored(row)?;
        self.servers.live(&key, &stored).map_err(|error| AdministrationError::of_server(id, error))
    }

    /// Connects to a server and tells what it found there, in lines for the operator. Changes nothing at an HTTP server;
    /// writes and removes a file at a files server.
    pub async fn check_server(&self, co: &str, id: &str) -> Result<Vec<String>, AdministrationError> {
        let unreachable = |problem: String| AdministrationError::Unreachable { id: id.to_owned(), problem };
        match self.server_live(co, id).await? {
            LiveServer::Http(server) => check_http(&server).await.map_err(unreachable),
            LiveServer::Files(root) => check_files(&root).await.map_err(unreachable),
            LiveServer::Ldap(server) => server.check().await.map_err(unreachable),
            LiveServer::Sql(server) => server.check().await.map_err(|error| unreachable(error.to_string())),
            LiveServer::Messaging(server) => server.check().await.map_err(unreachable),
        }
    }

    async fn server_row(&self, co: &str, id: &str) -> Result<ServerRow, AdministrationError> {
        let unknown = || AdministrationError::Unknown { kind: Kind::Server, id: id.to_owned() };
        self.store.server(co, id).await?.ok_or_else(unknown)
    }
}

async fn check_http(server: &HttpServer) -> Result<Vec<String>, String> {
    let base = server.base_url().to_string();
    let path = url::Url::parse(&base).map_err(|error| error.to_string())?.path().to_owned();
    let path_and_query: PathAndQuery =
        path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let request = OutgoingRequest {
        method: Method::HEAD,
        path_and_query,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let started = Instant::now();
    let response = server.send(request, &CHECK_LIMITS).await.map_err(|error| error.to_string())?;
    let mut lines = vec![format!(
        "{base} answers {} to HEAD within {} ms",
        response.status,
        started.elapsed().as_millis()
    )];
    if matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        lines.push("the credential is refused, or the base URL itself is closed to it".to_owned());
    }
    if response.status.is_redirection() {
        lines.push("the base URL is redirected elsewhere; plugins follow no redirect".to_owned());
    }
    Ok(lines)
}

async fn check_files(root: &FilesRoot) -> Result<Vec<String>, String> {
    let name = format!("provender-check-{}", uuid::Uuid::now_v7());
    root.write(&name, Vec::new()).await.map_err(|error| format!("cannot write in the root: {error}"))?;
    root.remove(&name).await.map_err(|error| format!("cannot remove in the root: {error}"))?;
    Ok(vec!["the root is there and can be written".to_owned()])
}

fn row(id: &str, description: String, sealed: &StoredServer) -> Result<ServerRow, StoreError> {
    let value = |error: serde_json::Error| StoreError::Value(format!("server {id}: {error}"));
    let secrets = serde_json::to_value(&sealed.secrets).and_then(serde_json::from_value).map_err(value)?;
    Ok(ServerRow {
        id: id.to_owned(),
        description,
        configuration: serde_json::to_value(&sealed.configuration).map_err(value)?,
        secrets,
        // A server that was removed and made again must not be taken for the one that other processes still know.
        revision: u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0),
    })
}

/// A row as the rest of the host knows it.
pub(crate) fn stored(row: ServerRow) -> Result<StoredServer, StoreError> {
    let ServerRow { id, configuration, secrets, .. } = row;
    serde_json::from_value(json!({"configuration": configuration, "secrets": secrets}))
        .map_err(|error| StoreError::CorruptDocument { table: "servers", key: id, reason: error.to_string() })
}

fn shown(row: ServerRow) -> Result<Server, AdministrationError> {
    let (id, description) = (row.id.clone(), row.description.clone());
    let StoredServer { configuration, .. } = stored(row)?;
    Ok(Server { id, description, configuration })
}
