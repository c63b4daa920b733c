//! RabbitMQ, one for a test binary, since its start takes long. Each test has exchanges and queues of its own.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::ensure;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Found, PASSWORD, Process, Reader, USER, free_address};
use crate::certificates::{Certificates, EXPIRED, certificates};

const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// An exchange of the broker's own, to which nobody may publish.
pub const DENIED_EXCHANGE: &str = "denied";

/// The daemon by which nodes find each other outlives them, and does not end before it knows that they ended.
const AFTERWARDS: &str = "for try in 1 2 3 4 5 6 7 8 9 10; do epmd -port \"$0\" -kill && break; sleep 0.1; done; \
                          rm -rf \"$1\"";

static BROKER: OnceLock<Result<RabbitMq, String>> = OnceLock::new();

/// A broker that speaks AMQP 0-9-1.
pub struct RabbitMq {
    address: SocketAddr,
    tls_address: SocketAddr,
    reader: Mutex<Reader>,
    // Before the folder, which it writes to.
    _process: Process,
    _folder: TempDir,
    pub certificates: Certificates,
}

impl RabbitMq {
    /// The broker of this test binary. The first call starts it.
    pub fn shared() -> &'static Self {
        let broker = BROKER.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        broker.as_ref().unwrap_or_else(|error| panic!("{error}"))
    }

    fn start() -> anyhow::Result<Self> {
        ensure!(
            std::path::Path::new(RABBITMQ).exists(),
            "the tests need RabbitMQ: \"apt-get install rabbitmq-server\" installs it"
        );
        let folder = tempfile::Builder::new().prefix("provender-rabbitmq-").tempdir()?;
        let certificates = certificates(folder.path())?;
        let (address, tls_address) = (free_address(), free_address());
        let (epmd, distribution) = (free_address().port().to_string(), free_address().port());
        let path = folder.path();
        let configuration = format!(
            "listeners.tcp.1 = {address}\nlisteners.ssl.1 = {tls_address}\n\
             auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\nssl_cert_login_from = common_name\n\
             default_user = {USER}\ndefault_pass = {PASSWORD}\n",
        );
        // A certificate for each name is not to be had otherwise.
        let folder_path = path.display();
        let advanced = format!(
            "[{{rabbit, [{{ssl_options, [{{cacertfile, \"{folder_path}/ca.pem\"}}, \
             {{certfile, \"{folder_path}/cert.pem\"}}, {{keyfile, \"{folder_path}/key.pem\"}}, \
             {{verify, verify_peer}}, {{fail_if_no_peer_cert, false}}, \
             {{sni_hosts, [{{\"{EXPIRED}\", [{{certfile, \"{folder_path}/expired.pem\"}}, \
             {{keyfile, \"{folder_path}/key.pem\"}}]}}]}}]}}]}}].\n"
        );
        std::fs::write(path.join("rabbitmq.conf"), configuration)?;
        std::fs::write(path.join("advanced.config"), advanced)?;
        std::fs::write(path.join("enabled_plugins"), "[rabbitmq_auth_mechanism_ssl].")?;
        let mut command = Command::new(RABBITMQ);
        command
            .env("HOME", path)
            .env("RABBITMQ_MNESIA_BASE", path.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", path.join("log"))
            .env("RABBITMQ_CONFIG_FILE", path.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path.join("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path.join("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", path.join("pid"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", format!("provender{}@localhost", address.port()))
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_PORT", &epmd)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        let afterwards = ["sh", "-c", AFTERWARDS, &epmd, &path.display().to_string()];
        let process = Process::serve(&mut command, &path.join("output"), address, &afterwards)?;
        let reader = Mutex::new(Reader::start(&["amqp", &address.port().to_string(), USER, PASSWORD])?);
        Ok(Self { address, tls_address, reader, _process: process, _folder: folder, certificates })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for TLS, and lets in by client certificates, too. Who asks for [`EXPIRED`] is shown a certificate that
    /// has expired.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// Makes a topic exchange.
    pub fn exchange(&self, name: &str) {
        self.reader().tell(json!({"do": "exchange", "name": name, "internal": name == DENIED_EXCHANGE}));
    }

    /// Makes a queue that takes what matches a key, with other settings of it.
    pub fn queue(&self, name: &str, exchange: &str, key: &str, other: Value) {
        let mut command = json!({"do": "queue", "name": name, "exchange": exchange, "key": key});
        if let (Some(command), Some(other)) = (command.as_object_mut(), other.as_object()) {
            command.extend(other.clone());
        }
        self.reader().tell(command);
    }

    /// All that a queue holds, in its order.
    pub fn messages(&self, queue: &str) -> Vec<Found> {
        self.reader().messages(json!({"do": "read", "queue": queue}))
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Reader> {
        // A test that failed leaves nothing behind that others look at.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
