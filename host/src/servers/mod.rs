//! Configured connections of the host to counterparts: configuration, secrets, pools, and the exchange itself.
//!
//! What a plugin may do with them, and the record of what it did, are the matter of the capabilities.

pub mod address;
mod authority;
pub mod base_url;
pub mod configuration;
pub mod connector;
pub mod files;
pub mod http;
pub mod ldap;
pub mod messaging;
pub mod pacing;
pub mod secret;
pub mod sql;
mod tls;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::configuration::secrets::{SecretFiles, Secrets};
use self::configuration::{InvalidConfiguration, ServerConfiguration, StoredServer};
use self::connector::{Resolver, SystemResolver};
use self::files::{Allowed, FilesRoot};
use self::http::HttpServer;
use self::ldap::LdapServer;
use self::messaging::MessagingServer;
use self::secret::{SecretError, SecretKey};
use self::sql::SqlServer;

/// Why a server cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidConfiguration),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret that the authentication needs is not stored.
    #[error("the secret {field} is missing: set it again")]
    MissingSecret {
        /// Its name.
        field: &'static str,
    },
    /// Something that was valid when it was configured is not there now.
    #[error("server cannot be used: {problem}")]
    Unusable {
        /// What is wrong.
        problem: String,
    },
}

/// Which server, in which state of its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerKey {
    /// The CO that owns it.
    pub co: String,
    /// Its identifier within the CO.
    pub server: String,
    /// Grows with every change of the configuration or a secret.
    pub revision: u64,
}

/// The live connections of this host, made when they are first needed and dropped when their configuration changes.
#[derive(Debug)]
pub struct Servers {
    key: Arc<SecretKey>,
    resolver: Arc<dyn Resolver>,
    live: Mutex<HashMap<(String, String), Live>>,
}

#[derive(Debug)]
struct Live {
    revision: u64,
    secret_files: Arc<SecretFiles>,
    server: LiveServer,
}

/// The connections of a server.
#[derive(Clone, Debug)]
pub enum LiveServer {
    Http(Arc<HttpServer>),
    Files(Arc<FilesRoot>),
    Ldap(Arc<LdapServer>),
    Messaging(Arc<MessagingServer>),
    Sql(Arc<SqlServer>),
}

impl Servers {
    /// A registry that opens secrets with `key` and resolves names as the system does.
    pub fn new(key: impl Into<Arc<SecretKey>>) -> Self {
        Self::with_resolver(key, Arc::new(SystemResolver))
    }

    /// As [`new`](Self::new), with a resolver of choice.
    pub fn with_resolver(key: impl Into<Arc<SecretKey>>, resolver: Arc<dyn Resolver>) -> Self {
        Self { key: key.into(), resolver, live: Mutex::default() }
    }

    /// The key that seals secrets for this registry.
    pub fn secret_key(&self) -> &SecretKey {
        &self.key
    }

    /// Drops the connections of a server that was removed. Calls under way end undisturbed.
    pub fn forget(&self, co: &str, server: &str) {
        self.all().remove(&(co.to_owned(), server.to_owned()));
    }

    /// The connections of a server, those of this state of its configuration and of its secrets; and the files that its
    /// secrets were read from.
    pub fn live(
        &self,
        key: &ServerKey,
        stored: &StoredServer,
    ) -> Result<(LiveServer, Arc<SecretFiles>), ServerError> {
        let mut live = self.all();
        let place = (key.co.clone(), key.server.clone());
        if let Some(known) = live.get(&place)
            && known.revision == key.revision
            && !known.secret_files.changed()
        {
            return Ok((known.server.clone(), Arc::clone(&known.secret_files)));
        }
        let places = stored.configuration.secrets().into_iter().map(|(_, place)| place);
        let secret_files = Arc::new(SecretFiles::among(places));
        let secrets = stored.open(&self.key, &key.co, &key.server)?;
        let server = self.connect(&stored.configuration, &secrets)?;
        // A call that began before a change of the configuration must not displace what the change made.
        if live.get(&place).is_none_or(|known| known.revision <= key.revision) {
            let secret_files = Arc::clone(&secret_files);
            live.insert(place, Live { revision: key.revision, secret_files, server: server.clone() });
        }
        Ok((server, secret_files))
    }

    fn connect(
        &self,
        configuration: &ServerConfiguration,
        secrets: &Secrets,
    ) -> Result<LiveServer, ServerError> {
        match configuration {
            ServerConfiguration::Http(http) => {
                let server = HttpServer::new(http, secrets, Arc::clone(&self.resolver))?;
                Ok(LiveServer::Http(Arc::new(server)))
            }
            ServerConfiguration::Files(files) => {
                let root = FilesRoot::open(Path::new(&files.root)).map_err(|error| {
                    ServerError::Unusable { problem: format!("root {}: {error}", files.root) }
                })?;
                Ok(LiveServer::Files(Arc::new(root.allowing(Allowed::from(files)))))
            }
            ServerConfiguration::Ldap(ldap) => {
                let server = LdapServer::new(ldap, secrets, Arc::clone(&self.resolver))?;
                Ok(LiveServer::Ldap(Arc::new(server)))
            }
            ServerConfiguration::Messaging(messaging) => {
                let server = MessagingServer::new(messaging, secrets, Arc::clone(&self.resolver))?;
                Ok(LiveServer::Messaging(Arc::new(server)))
            }
            ServerConfiguration::Sql(sql) => {
                let server = SqlServer::new(sql, secrets, Arc::clone(&self.resolver))?;
                Ok(LiveServer::Sql(Arc::new(server)))
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(String, String), Live>> {
        // Nothing in it is left half done by a panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn servers() -> Servers {
        Servers::new(SecretKey::from_base64("KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=").unwrap())
    }

    fn key(server: &str, revision: u64) -> ServerKey {
        ServerKey { co: "demo".to_owned(), server: server.to_owned(), revision }
    }

    fn stored(servers: &Servers, server: &str, value: serde_json::Value) -> StoredServer {
        let input: configuration::ServerInput = serde_json::from_value(value).unwrap();
        input.seal(servers.secret_key(), "demo", server, None).unwrap()
    }

    fn http(
        servers: &Servers,
        key: &ServerKey,
        stored: &StoredServer,
    ) -> Result<Arc<HttpServer>, ServerError> {
        match servers.live(key, stored)?.0 {
            LiveServer::Http(server) => Ok(server),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn connections_are_kept_until_the_revision_changes_or_the_server_is_removed() {
        let servers = servers();
        let value = json!({ "kind": "http", "base_url": "https://example.org", "ca_certificates": null,
                            "authentication": { "kind": "bearer", "token": "x" } });
        let one = stored(&servers, "one", value.clone());
        let first = http(&servers, &key("one", 1), &one).unwrap();
        assert!(Arc::ptr_eq(&first, &http(&servers, &key("one", 1), &one).unwrap()));
        let other = stored(&servers, "two", value);
        assert!(!Arc::ptr_eq(&first, &http(&servers, &key("two", 1), &other).unwrap()));

        let second = http(&servers, &key("one", 2), &one).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        let late = http(&servers, &key("one", 1), &one).unwrap();
        assert!(!Arc::ptr_eq(&late, &second), "a late call gets what it asked for");
        assert!(
            Arc::ptr_eq(&second, &http(&servers, &key("one", 2), &one).unwrap()),
            "and displaces nothing"
        );

        servers.forget("demo", "one");
        assert!(!Arc::ptr_eq(&second, &http(&servers, &key("one", 2), &one).unwrap()));
    }

    #[test]
    fn a_server_whose_secret_or_root_is_gone_is_refused_with_the_reason() {
        let servers = servers();
        let directory = tempfile::tempdir().unwrap();
        let files = stored(&servers, "files", json!({ "kind": "files", "root": directory.path() }));
        let path = directory.path().display().to_string();
        drop(directory);
        let error = servers.live(&key("files", 1), &files).unwrap_err().to_string();
        assert!(error.contains(&path), "{error}");

        let value = json!({ "kind": "http", "base_url": "https://example.org",
                            "authentication": { "kind": "bearer", "token": "x" } });
        let mut bearer = stored(&servers, "http", value);
        assert!(matches!(
            http(&servers, &key("moved", 1), &bearer),
            Err(ServerError::Secret(SecretError::Damaged { .. }))
        ));
        bearer.secrets.clear();
        let error = http(&servers, &key("http", 1), &bearer).unwrap_err();
        assert!(matches!(error, ServerError::MissingSecret { field: "token" }), "{error}");
    }
}
