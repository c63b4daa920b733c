//! A throw-away NATS server with JetStream.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DENIED, Found, PASSWORD, Process, Reader, USER, free_address};
use crate::certificates::{Certificates, certificates};

const NATS_SERVER: &str = "nats-server";

/// Whom a server lets in, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The user of the tests, by the password.
    Password,
    /// The same, by TLS only.
    PasswordByTls,
    /// The same, with a certificate of the server that has expired.
    PasswordByExpiredTls,
    /// Who has the password as a token.
    Token,
    /// Who shows the certificate of the client `provender`, by TLS.
    Certificate,
}

/// A server with streams of its own.
pub struct Nats {
    folder: TempDir,
    address: SocketAddr,
    entry: Entry,
    process: Option<Process>,
    reader: Option<Reader>,
    pub certificates: Certificates,
}

impl Nats {
    /// Starts one that knows the user of the tests.
    pub fn start() -> Self {
        Self::start_for(Entry::Password)
    }

    /// Starts one that lets in so.
    pub fn start_for(entry: Entry) -> Self {
        let folder = tempfile::Builder::new().prefix("provender-nats-").tempdir().expect("a folder");
        let certificates = certificates(folder.path()).expect("certificates");
        let path = folder.path().display();
        let tls = |certificate: &str, more: &str| {
            format!(
                "tls {{ cert_file: \"{path}/{certificate}.pem\", key_file: \"{path}/key.pem\", \
                 ca_file: \"{path}/ca.pem\"{more} }}"
            )
        };
        let tls = match entry {
            Entry::Password | Entry::Token => String::new(),
            Entry::PasswordByTls => tls("cert", ""),
            Entry::PasswordByExpiredTls => tls("expired", ""),
            Entry::Certificate => tls("cert", ", verify: true, verify_and_map: true"),
        };
        let denied = format!("permissions: {{ publish: {{ deny: [\"{DENIED}\"] }} }}");
        let authorization = match entry {
            Entry::Token => format!("token: \"{PASSWORD}\""),
            Entry::Certificate => format!("users = [ {{ user: \"CN={USER}\", {denied} }} ]"),
            _ => format!("users = [ {{ user: {USER}, password: \"{PASSWORD}\", {denied} }} ]"),
        };
        let address = free_address();
        let configuration = format!(
            "host: 127.0.0.1\nport: {}\njetstream {{ store_dir: \"{path}/streams\" }}\n\
             authorization {{ {authorization} }}\n{tls}\n",
            address.port(),
        );
        std::fs::write(folder.path().join("configuration"), configuration).expect("a configuration");
        let mut nats = Self { folder, address, entry, process: None, reader: None, certificates };
        nats.resume();
        nats
    }

    /// Starts the server again where it was, with what it holds.
    pub fn resume(&mut self) {
        let mut command = Command::new(NATS_SERVER);
        command.arg("-c").arg(self.folder.path().join("configuration"));
        let process = Process::serve(&mut command, &self.folder.path().join("log"), self.address, &[]);
        self.process = Some(process.expect("nats-server: \"apt-get install nats-server\" installs it"));
    }

    /// Kills the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a stream of subjects, with other settings of it.
    pub fn stream(&mut self, name: &str, subjects: &[&str], other: Value) {
        let mut command = json!({"do": "stream", "name": name, "subjects": subjects});
        if let (Some(command), Some(other)) = (command.as_object_mut(), other.as_object()) {
            command.extend(other.clone());
        }
        self.reader().tell(command);
    }

    /// All that a stream holds, in its order.
    pub fn messages(&mut self, stream: &str) -> Vec<Found> {
        self.reader().messages(json!({"do": "read", "stream": stream}))
    }

    fn reader(&mut self) -> &mut Reader {
        let address = format!("nats://{}", self.address);
        let path = self.folder.path();
        let options = match self.entry {
            Entry::Token => json!({"token": PASSWORD}),
            Entry::Certificate => json!({"tls": path}),
            _ => json!({"user": USER, "password": PASSWORD}),
        };
        self.reader.get_or_insert_with(|| {
            Reader::start(&["nats", &address, &options.to_string()]).expect("a reader of NATS")
        })
    }
}
