//! A throw-away Mosquitto, with a subscriber that writes all down.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DENIED, Found, PASSWORD, Process, USER, free_address};
use crate::certificates::{Certificates, certificates};
use crate::waiting::{PATIENCE_WITH_A_START, until_within};

const MOSQUITTO: &str = "/usr/sbin/mosquitto";
const MISSING: &str = "mosquitto: \"apt-get install mosquitto mosquitto-clients\" installs it";
/// What the subscriber hears last.
const MARK: &str = "mark";

/// A broker that speaks MQTT.
pub struct Mosquitto {
    folder: TempDir,
    address: SocketAddr,
    tls_address: SocketAddr,
    expired_address: SocketAddr,
    certificate_address: SocketAddr,
    // The subscriber ends before the broker.
    subscriber: Option<Process>,
    process: Option<Process>,
    marks: usize,
    pub certificates: Certificates,
}

impl Mosquitto {
    /// Starts one that knows the user of the tests.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("provender-mosquitto-").tempdir().expect("a folder");
        let certificates = certificates(folder.path()).expect("certificates");
        let [address, tls_address, expired_address, certificate_address] = [(); 4].map(|()| free_address());
        let path = folder.path().display();
        let configuration = format!(
            "user root\nallow_anonymous false\npassword_file {path}/passwords\nacl_file {path}/acl\n\
             listener {} 127.0.0.1\n\
             listener {} 127.0.0.1\ncertfile {path}/cert.pem\nkeyfile {path}/key.pem\n\
             listener {} 127.0.0.1\ncertfile {path}/expired.pem\nkeyfile {path}/key.pem\n\
             listener {} 127.0.0.1\ncertfile {path}/cert.pem\nkeyfile {path}/key.pem\ncafile {path}/ca.pem\n\
             require_certificate true\nuse_identity_as_username true\n",
            address.port(),
            tls_address.port(),
            expired_address.port(),
            certificate_address.port(),
        );
        let acl = format!("user {USER}\ntopic deny {DENIED}\ntopic readwrite #\n");
        for (name, text) in [("configuration", configuration), ("acl", acl), ("heard", String::new())] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let passwords = folder.path().join("passwords");
        let mut make = Command::new("mosquitto_passwd");
        make.args(["-b", "-c"]).arg(&passwords).args([USER, PASSWORD]);
        assert!(make.status().expect(MISSING).success());
        let (subscriber, process) = (None, None);
        let mut mosquitto = Self {
            folder,
            address,
            tls_address,
            expired_address,
            certificate_address,
            subscriber,
            process,
            marks: 0,
            certificates,
        };
        mosquitto.resume();
        mosquitto
    }

    /// Starts the broker again where it was, and the subscriber; what was heard before stays.
    pub fn resume(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(MOSQUITTO);
        command.arg("-c").arg(folder.join("configuration"));
        self.process =
            Some(Process::serve(&mut command, &folder.join("log"), self.address, &[]).expect(MISSING));
        let heard = File::options().append(true).open(folder.join("heard")).expect("a file");
        let mut command = self.client("mosquitto_sub");
        command.args(["-q", "1", "-t", "#", "-F", "%j"]).stdout(heard).stderr(Stdio::null());
        self.subscriber = Some(Process::start(&mut command, &[]).expect(MISSING));
        // Until it hears.
        self.messages();
    }

    /// Kills the broker in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.subscriber = None;
        self.process = None;
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        command.args(["-u", USER, "-P", PASSWORD]);
        command
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// Where it listens for TLS with a certificate that has expired.
    pub fn expired_address(&self) -> SocketAddr {
        self.expired_address
    }

    /// Where it listens for TLS, and lets in by client certificates alone.
    pub fn certificate_address(&self) -> SocketAddr {
        self.certificate_address
    }

    /// All that was published, in its order.
    pub fn messages(&mut self) -> Vec<Found> {
        self.marks += 1;
        let mark = self.marks.to_string();
        let file = self.folder.path().join("heard");
        until_within(PATIENCE_WITH_A_START, "the subscriber to hear all", || {
            let mut command = self.client("mosquitto_pub");
            assert!(command.args(["-q", "1", "-t", MARK, "-m", &mark]).status().expect(MISSING).success());
            heard(&file)
                .iter()
                .any(|message| message["topic"] == MARK && message["payload"] == *mark)
                .then_some(())
        });
        let all = heard(&file).into_iter().filter(|message| message["topic"] != MARK);
        all.enumerate().map(|(offset, message)| found(offset, &message)).collect()
    }
}

fn heard(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("a file");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn found(offset: usize, message: &Value) -> Found {
    let properties = &message["properties"];
    let mut key = Value::Null;
    let mut headers = Vec::new();
    for (name, value) in properties["user-properties"].as_object().into_iter().flatten() {
        if name == "key" { key = value.clone() } else { headers.push(json!([name, value])) }
    }
    let body = message["payload"].as_str().unwrap_or_default();
    json!({
        "topic": message["topic"], "key": key, "content_type": properties["content-type"], "headers": headers,
        "body": body, "offset": offset,
    })
}
