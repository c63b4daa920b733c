//! The program of the host as a process, in a folder of its own.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Api;
use crate::host::{LEASE_MS, SECRET_KEY, data_directory};
use crate::waiting::{PATIENCE_WITH_A_START, eventually_within, until};
use crate::witness::Root;

/// How often a port is tried that somebody else may take first.
const START_ATTEMPTS: usize = 5;

/// The program, and the folder that it keeps everything in.
pub struct Program {
    path: &'static str,
    // Before the folder, which takes them away.
    roots: Mutex<Vec<Root>>,
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A command that runs. Killed when it is dropped.
pub struct Running {
    child: Child,
    stderr: PathBuf,
}

/// A host that serves its API. Killed when it is dropped.
pub struct Serving {
    running: Running,
    /// Without a key.
    pub api: Api,
}

impl Program {
    /// The program at `path`, which a test knows as `env!("CARGO_BIN_EXE_provender-under-test")`.
    pub fn new(path: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        data_directory(folder.path());
        std::fs::write(
            folder.path().join("provender.toml"),
            format!(
                "data_directory = \"data\"\n[sandbox]\ninstances = 8\n[syslog]\nenabled = false\n\
                 [workers]\nlease_ms = {LEASE_MS}\n"
            ),
        )
        .expect("a configuration file");
        Self { path, roots: Mutex::default(), folder }
    }

    /// The folder that the program runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder, and gives its name.
    pub fn file<'n>(&self, name: &'n str, content: impl AsRef<[u8]>) -> &'n str {
        std::fs::write(self.folder().join(name), content).expect("a file");
        name
    }

    /// A command of the program, with nothing of the environment of the test.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path);
        command.args(self.witnessed(arguments)).current_dir(self.folder()).stdin(Stdio::null());
        command.env_clear().env("PROVENDER_SECRET_KEY", SECRET_KEY).env("TMPDIR", self.folder());
        command
    }

    /// The same arguments, with the roots that they name watched.
    fn witnessed(&self, arguments: &[&str]) -> Vec<OsString> {
        let mut witnessed: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let named = |name: &str| arguments.iter().position(|argument| *argument == name).map(|at| at + 1);
        let mut roots = self.roots.lock().expect("no panic in between");
        if let Some((argument, folder)) =
            named("--files").and_then(|at| Some((witnessed.get_mut(at)?, arguments[at])))
            && self.folder().join(folder).is_dir()
        {
            let root = Root::bind(&self.folder().join(folder));
            *argument = root.path().into();
            roots.push(root);
        }
        if let (["demo", ..], Some(folder)) =
            (arguments, named("--directory").and_then(|at| arguments.get(at)))
        {
            roots.push(Root::watch(&self.folder().join(folder).join("changelog")));
        }
        witnessed
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().expect("a process"))
    }

    /// Runs a command that must end well, and gives what it wrote to standard output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs a command with `--json` that must end well, and gives its answer.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.output(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Runs a command that must fail, and gives what it wrote to standard error.
    pub fn error(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 1, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended.stderr
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_command(self.command(arguments))
    }

    fn start_command(&self, mut command: Command) -> Running {
        let stderr = self.folder().join(format!("stderr-{}", uuid::Uuid::now_v7()));
        command.stdout(Stdio::null()).stderr(File::create(&stderr).expect("a file"));
        Running { child: command.spawn().expect("a process"), stderr }
    }

    /// Starts the host, and waits until it serves.
    pub async fn serve(&self) -> Serving {
        for _ in 0..START_ATTEMPTS {
            let address = free_address();
            let mut command = self.command(&["serve"]);
            command.env("PROVENDER_LISTEN", &address);
            let mut running = self.start_command(command);
            let api = Api::new(&format!("http://{address}"));
            let ready = eventually_within(PATIENCE_WITH_A_START, "the host to serve", async || match running
                .ended()
            {
                Some(_) => Some(false),
                None => api.try_get("/readyz").await.filter(|answer| answer.status == 200).map(|_| true),
            })
            .await;
            if ready {
                return Serving { running, api };
            }
            let said = running.stderr();
            assert!(said.contains("cannot listen on"), "the host did not start: {said}");
        }
        panic!("no port is free");
    }
}

impl Running {
    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Ends it as `kill -9` does: nothing of it can act on that.
    pub fn kill(&mut self) {
        // Fails when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop as an operator does, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(told.success(), "the process is gone");
        until("the process to stop", || self.ended())
    }
}

impl Serving {
    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.running.kill();
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        self.running.terminate()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
