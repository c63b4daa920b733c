//! A throw-away NATS server with JetStream.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DENIED, Found, PASSWORD, Process, Reader, USER, free_address};
use crate::certificates::{Certificates, certificates};

const NATS_SERVER: &str = "nats-server";

/// A server with streams of its own.
pub struct Nats {
    folder: TempDir,
    address: SocketAddr,
    process: Option<Process>,
    reader: Option<Reader>,
    pub certificates: Certificates,
}

impl Nats {
    /// Starts one that knows the user of the tests.
    pub fn start() -> Self {
        Self::started(false)
    }

    /// Starts one that speaks TLS only.
    pub fn start_with_tls() -> Self {
        Self::started(true)
    }

    fn started(tls: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("provender-nats-").tempdir().expect("a folder");
        let certificates = certificates(folder.path()).expect("certificates");
        let path = folder.path().display();
        let secured = format!("tls {{ cert_file: \"{path}/cert.pem\", key_file: \"{path}/key.pem\" }}");
        let address = free_address();
        let configuration = format!(
            "host: 127.0.0.1\nport: {}\njetstream {{ store_dir: \"{path}/streams\" }}\n\
             authorization {{ users = [ {{ user: {USER}, password: \"{PASSWORD}\", \
             permissions: {{ publish: {{ deny: [\"{DENIED}\"] }} }} }} ] }}\n{}\n",
            address.port(),
            if tls { &secured } else { "" },
        );
        std::fs::write(folder.path().join("configuration"), configuration).expect("a configuration");
        let mut nats = Self { folder, address, process: None, reader: None, certificates };
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
        self.reader.get_or_insert_with(|| {
            Reader::start(&["nats", &address, USER, PASSWORD]).expect("a reader of NATS")
        })
    }
}
