//! Message brokers that end with the test, and readers that are not ours: what a test published is read back by the clients
//! of each broker's own field, from a virtual environment that `tests/run` makes (`broker-requirements.txt`).

mod kafka;
mod mosquitto;
mod nats;
mod rabbitmq;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

pub use self::kafka::{GuardedKafka, Kafka, Listener};
pub use self::mosquitto::Mosquitto;
pub use self::nats::{Entry, Nats};
pub use self::rabbitmq::{DENIED_EXCHANGE, RabbitMq};
use crate::guardian::Guardian;
use crate::python;
use crate::waiting::{PATIENCE_WITH_A_START, until_within};

/// Whom all brokers know.
pub const USER: &str = "provender";
/// By this.
pub const PASSWORD: &str = "canary-of-the-broker";
/// Where this user may not publish, at NATS and Mosquitto.
pub const DENIED: &str = "people.denied";

/// Ends a process, or the group of one, and runs what is to follow.
const STOP: &str = "kill -s KILL -- \"$1\" 2> /dev/null; shift; \"$@\"";

/// A message as a reader found it: topic, key, content type, headers and body; and its place where there is one.
pub type Found = Value;

/// A broker, or what reads from it.
struct Process {
    child: Child,
    guardian: Guardian,
}

impl Process {
    /// Starts it in a group of its own. `afterwards` is run when it was ended.
    fn start(command: &mut Command, afterwards: &[&str]) -> anyhow::Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let afterwards = if afterwards.is_empty() { &["true"] } else { afterwards };
        let group = format!("-{}", child.id());
        let guardian = Guardian::running(STOP, [group.as_str()].iter().chain(afterwards))?;
        Ok(Self { child, guardian })
    }

    /// Starts a server, and waits until it listens.
    fn serve(
        command: &mut Command,
        log: &Path,
        address: SocketAddr,
        afterwards: &[&str],
    ) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut process = Self::start(command, afterwards)?;
        let listens =
            until_within(PATIENCE_WITH_A_START, "a broker to listen", || match process.child.try_wait() {
                Ok(None) => TcpStream::connect(address).ok().map(|_| true),
                _ => Some(false),
            });
        ensure!(listens, "{command:?} ended: {}", std::fs::read_to_string(log).unwrap_or_default());
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.guardian.relieve();
        let _ = self.child.wait();
    }
}

/// A program in Python that does what it is told, one line of JSON at a time.
struct Reader {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    _process: Process,
}

const READER: &str = include_str!("reader.py");

impl Reader {
    /// Starts it for one kind of broker.
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(python::program("broker", "python3")?);
        command.args(["-c", READER]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, &[])?;
        let commands = process.child.stdin.take().context("no input")?;
        let answers = BufReader::new(process.child.stdout.take().context("no output")?);
        Ok(Self { commands, answers, _process: process })
    }

    fn tell(&mut self, command: Value) -> Value {
        writeln!(self.commands, "{command}").expect("a reader that runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("a reader that runs");
        let answer: Value =
            serde_json::from_str(&answer).unwrap_or_else(|_| panic!("the reader ended at {command}"));
        assert_eq!(answer["error"], json!(null), "{command}");
        answer["done"].clone()
    }

    fn messages(&mut self, command: Value) -> Vec<Found> {
        self.tell(command).as_array().expect("messages").clone()
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
