//! A throw-away MariaDB server for one test binary, and a fresh database in it for every test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

const START_ATTEMPTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Stops the server and removes its files when its input ends: also when the test is killed.
const GUARDIAN: &str = "cat > /dev/null; kill -9 \"$1\"; while kill -0 \"$1\" 2> /dev/null; do sleep 0.05; done; \
                        rm -rf \"$2\"";

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A user of all databases, who needs a password.
pub const USER: &str = "provender";
pub const PASSWORD: &str = "mariadb-pa55word";

struct Server {
    port: u16,
    _server: Child,
    /// Waits for the end of this process, whose end closes its input.
    _guardian: Child,
}

/// Where the server is, and the name of a new, empty database. The first call starts the server.
pub async fn fresh_database() -> anyhow::Result<(SocketAddr, String)> {
    let server = SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}")));
    let port = server.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.port;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = connect(address, "mysql").await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    connection.close().await?;
    Ok((address, name))
}

/// A connection of the test itself.
pub async fn connect(address: SocketAddr, database: &str) -> anyhow::Result<MySqlConnection> {
    let url = format!("mysql://{USER}:{PASSWORD}@{address}/{database}?ssl-mode=disabled");
    Ok(MySqlConnection::connect(&url).await?)
}

impl Server {
    fn start() -> anyhow::Result<Self> {
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
        let init = directory.path().join("init.sql");
        fs::write(
            &init,
            format!(
                "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
            ),
        )?;
        let (port, server) = start_server(directory.path(), &data, &init)?;
        let guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", &server.id().to_string()])
            // From here on the guardian removes the files.
            .arg(directory.keep())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { port, _server: server, _guardian: guardian })
    }
}

/// The server refuses root unless it is told.
fn as_root() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0).then_some("--user=root")
}

fn start_server(directory: &Path, data: &Path, init: &Path) -> anyhow::Result<(u16, Child)> {
    let log = directory.join("log");
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Command::new("/usr/sbin/mariadbd")
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-flush-method=nosync",
                "--max-connections=300",
            ])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-lock-wait-timeout=10"])
            .args(as_root())
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", directory.join("socket").display()))
            .arg(format!("--pid-file={}", directory.join("pid").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--init-file={}", init.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .process_group(0)
            .spawn()
            .context("mariadbd")?;
        let started = Instant::now();
        while server.try_wait()?.is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok((port, server));
            }
            ensure!(started.elapsed() < PATIENCE, "MariaDB does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    bail!("MariaDB did not start: {}", fs::read_to_string(&log).unwrap_or_default())
}
