//! A throw-away PostgreSQL server for one test binary, and a fresh database in it for every test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How often a port is tried that somebody else may take first.
const START_ATTEMPTS: usize = 5;

/// Stops the server and removes its files when its input ends: also when the test is killed.
const GUARDIAN: &str = "cat > /dev/null; kill -INT \"$1\"; while kill -0 \"$1\" 2> /dev/null; do sleep 0.05; done; \
                        rm -rf \"$2\"";

/// What makes a server fast that need not survive a loss of power.
const FORGETFUL: &str = "-c fsync=off -c full_page_writes=off";

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DURABLE_SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

struct Server {
    port: u16,
    /// Waits for the end of this process, whose end closes its input.
    _guardian: Child,
}

/// The URL of a new, empty database. The first call starts the server.
pub async fn fresh_database() -> anyhow::Result<String> {
    database_of(&SERVER, FORGETFUL).await
}

/// As [`fresh_database`], on a server with the settings that one has by default: for figures.
pub async fn durable_database() -> anyhow::Result<String> {
    database_of(&DURABLE_SERVER, "").await
}

async fn database_of(
    server: &'static OnceLock<Result<Server, String>>,
    settings: &str,
) -> anyhow::Result<String> {
    let server = server.get_or_init(|| Server::start(settings).map_err(|error| format!("{error:#}")));
    let port = server.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.port;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&url(port, "postgres")).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(url(port, &name))
}

/// The URL of a new database that is a copy of another one, which nobody is connected to.
pub async fn copy_of(database: &str) -> anyhow::Result<String> {
    let (server, template) = database.rsplit_once('/').context("a URL without a database")?;
    let name = format!("copy_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}")))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(format!("{server}/{name}"))
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

impl Server {
    fn start(settings: &str) -> anyhow::Result<Self> {
        let programs = programs()?;
        let directory = tempfile::Builder::new().prefix("provender-postgres-").tempdir()?;
        let owner = owner(directory.path())?;
        let data = directory.path().join("data");
        // Not the "C" locale: an order that depends on the locale must not pass unseen.
        run(owner
            .command(&programs.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en", "--pgdata"])
            .arg(&data))?;
        let port = start_server(&owner, &programs, directory.path(), &data, settings)?;
        let pid = fs::read_to_string(data.join("postmaster.pid"))?;
        let pid = pid.lines().next().context("postmaster.pid is empty")?;
        let guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", pid])
            // From here on the guardian removes the files.
            .arg(directory.keep())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { port, _guardian: guardian })
    }
}

fn start_server(
    owner: &Owner,
    programs: &Path,
    directory: &Path,
    data: &Path,
    settings: &str,
) -> anyhow::Result<u16> {
    let mut last = None;
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=300 \
             {settings}",
            directory.display()
        );
        let log = directory.join("log");
        let mut command = owner.command(&programs.join("pg_ctl"));
        command.args(["start", "-w", "-o", &options, "-D"]).arg(data).arg("-l").arg(&log);
        match run(&mut command) {
            Ok(()) => return Ok(port),
            Err(error) => last = Some(error.context(fs::read_to_string(&log).unwrap_or_default())),
        }
    }
    Err(last.context("no attempt to start PostgreSQL")?)
}

/// Where Debian keeps the newest server's programs; its `PATH` has none of them.
fn programs() -> anyhow::Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let found = versions.iter().rev().map(|version| root.join(version.to_string()).join("bin"));
    found.into_iter().find(|programs| programs.join("initdb").exists()).context(
        "the tests need PostgreSQL's server programs: install them with \"apt-get install postgresql\"",
    )
}

/// Who runs the server: it refuses root.
enum Owner {
    Myself,
    Postgres,
}

/// Finds the owner, and gives the directory to it.
fn owner(directory: &Path) -> anyhow::Result<Owner> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(Owner::Myself);
    }
    let user = Command::new("id").args(["-u", "postgres"]).output()?;
    ensure!(
        user.status.success(),
        "the tests need the user \"postgres\": \"apt-get install postgresql\" creates it"
    );
    chown(directory, Some(String::from_utf8(user.stdout)?.trim().parse()?), None)?;
    Ok(Owner::Postgres)
}

impl Owner {
    fn command(&self, program: &Path) -> Command {
        match self {
            Self::Myself => Command::new(program),
            Self::Postgres => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
        }
    }
}

/// Runs a command to its end. Its output goes to a file, since a server it leaves behind would keep a pipe open.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = tempfile::NamedTempFile::new()?;
    let status = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.reopen()?)
        .stderr(output.reopen()?)
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    let said = fs::read_to_string(output.path())?;
    ensure!(status.success(), "{command:?} failed: {said}");
    Ok(())
}
