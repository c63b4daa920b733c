//! A throw-away MariaDB server for one test binary, and a fresh database in it for every test.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use crate::guardian::Guardian;
use crate::waiting::PATIENCE_WITH_A_START;

const START_ATTEMPTS: usize = 5;

/// Stops the server and removes its files.
const STOP: &str = "pid=$(cat \"$1/running\"); kill -9 \"$pid\"; \
                        while kill -0 \"$pid\" 2> /dev/null; do sleep 0.05; done; rm -rf \"$1\"";

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A user of all databases, who needs a password.
pub const USER: &str = "provender";
pub const PASSWORD: &str = "mariadb-pa55word";

/// A server, which ends when it is dropped, and with this process.
pub struct Server {
    port: u16,
    directory: PathBuf,
    process: Mutex<Child>,
    /// The certificate of the authority of the server, which is `localhost`.
    authority: String,
    /// Waits for the end of its input.
    _guardian: Guardian,
}

/// The server of all tests that need none for themselves. The first call starts it.
fn shared() -> anyhow::Result<&'static Server> {
    let server = SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}")));
    server.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Where the server is, and the name of a new, empty database.
pub async fn fresh_database() -> anyhow::Result<(SocketAddr, String)> {
    shared()?.fresh_database().await
}

/// The certificate of the authority of the server, which speaks TLS as `localhost`.
pub fn authority() -> anyhow::Result<&'static str> {
    Ok(&shared()?.authority)
}

/// A connection of the test itself.
pub async fn connect(address: SocketAddr, database: &str) -> anyhow::Result<MySqlConnection> {
    let url = format!("mysql://{USER}:{PASSWORD}@{address}/{database}?ssl-mode=disabled");
    Ok(MySqlConnection::connect(&url).await?)
}

impl Server {
    /// Starts one.
    pub fn start() -> anyhow::Result<Self> {
        ensure!(
            Path::new("/usr/sbin/mariadbd").exists(),
            "the tests need MariaDB's server: install it with \"apt-get install mariadb-server\""
        );
        let directory = tempfile::Builder::new().prefix("provender-mariadb-").tempdir()?;
        let data = directory.path().join("data");
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .args(as_root())
            .stdin(Stdio::null())
            .output()?;
        ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        // One statement in a line.
        fs::write(
            directory.path().join("init.sql"),
            format!(
                "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
            ),
        )?;
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(directory.path().join("cert.pem"), authority.cert.pem())?;
        fs::write(directory.path().join("key.pem"), authority.signing_key.serialize_pem())?;
        let (port, process) = start_server(directory.path())?;
        // From here on the guardian removes the files.
        let directory = directory.keep();
        let guardian = Guardian::running(STOP, [&directory])?;
        let authority = authority.cert.pem();
        Ok(Self { port, directory, process: Mutex::new(process), authority, _guardian: guardian })
    }

    /// Where it is, and the name of a new, empty database.
    pub async fn fresh_database(&self) -> anyhow::Result<(SocketAddr, String)> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = connect(address, "mysql").await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok((address, name))
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&self) {
        let mut process = self.process.lock().expect("no panic in between");
        process.kill().expect("a server that runs");
        process.wait().expect("its end");
    }

    /// Starts it again where it was, with what it holds.
    pub fn resume(&self) {
        let started = start_at(&self.directory, self.port).expect("a server that was killed");
        *self.process.lock().expect("no panic in between") = started.expect("its port");
    }
}

/// The server refuses root unless it is told.
fn as_root() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0).then_some("--user=root")
}

fn start_server(directory: &Path) -> anyhow::Result<(u16, Child)> {
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if let Some(process) = start_at(directory, port)? {
            return Ok((port, process));
        }
    }
    bail!("MariaDB did not start: {}", fs::read_to_string(directory.join("log")).unwrap_or_default())
}

/// Starts the server, unless it ends at once.
fn start_at(directory: &Path, port: u16) -> anyhow::Result<Option<Child>> {
    let file = |option: &str, name: &str| format!("--{option}={}", directory.join(name).display());
    let mut server = Command::new("/usr/sbin/mariadbd")
        .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
        // What was committed is there after the process was killed, though not after the machine was.
        .args(["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--max-connections=300"])
        .args(["--innodb-buffer-pool-size=32M", "--innodb-lock-wait-timeout=10"])
        .args(as_root())
        .args([file("datadir", "data"), file("socket", "socket"), file("pid-file", "pid")])
        .args([file("init-file", "init.sql"), file("ssl-cert", "cert.pem"), file("ssl-key", "key.pem")])
        .arg(format!("--port={port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("log"))?)
        .process_group(0)
        .spawn()
        .context("mariadbd")?;
    fs::write(directory.join("running"), server.id().to_string())?;
    let began = Instant::now();
    while server.try_wait()?.is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(Some(server));
        }
        ensure!(began.elapsed() < PATIENCE_WITH_A_START, "MariaDB does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}
