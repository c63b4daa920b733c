//! A throw-away PostgreSQL server for one test binary, and a fresh database in it for every test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::guardian::Guardian;
use crate::waiting::eventually;

/// How often a port is tried that somebody else may take first.
const START_ATTEMPTS: usize = 5;

/// Stops the server and removes its files.
const STOP: &str = "pid=$(head -n 1 \"$1/data/postmaster.pid\"); kill -INT \"$pid\"; \
                        while kill -0 \"$pid\" 2> /dev/null; do sleep 0.05; done; rm -rf \"$1\"";

/// What makes a server fast that need not survive a loss of power.
const FORGETFUL: &str = "-c fsync=off -c full_page_writes=off";

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DURABLE_SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A server, which ends when it is dropped, and with this process.
pub struct Server {
    port: u16,
    directory: PathBuf,
    programs: PathBuf,
    owner: Owner,
    settings: &'static str,
    /// Waits for the end of its input.
    _guardian: Guardian,
}

/// The server of all tests that need none for themselves. The first call starts it.
fn shared() -> anyhow::Result<&'static Server> {
    started(&SERVER, FORGETFUL)
}

fn started(
    server: &'static OnceLock<Result<Server, String>>,
    settings: &'static str,
) -> anyhow::Result<&'static Server> {
    let server = server.get_or_init(|| Server::start_with(settings).map_err(|error| format!("{error:#}")));
    server.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// The URL of a new, empty database.
pub async fn fresh_database() -> anyhow::Result<String> {
    shared()?.fresh_database().await
}

/// As [`fresh_database`], on a server with the settings that one has by default: for figures.
pub async fn durable_database() -> anyhow::Result<String> {
    started(&DURABLE_SERVER, "")?.fresh_database().await
}

/// Has the server speak TLS as well, as `localhost`. Gives the certificate of its authority.
pub async fn secured() -> anyhow::Result<&'static str> {
    static AUTHORITY: OnceCell<String> = OnceCell::const_new();
    Ok(AUTHORITY.get_or_try_init(async || shared()?.secure().await).await?)
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
    /// Starts one.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(FORGETFUL)
    }

    fn start_with(settings: &'static str) -> anyhow::Result<Self> {
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
        let port = start_server(&owner, &programs, directory.path(), settings)?;
        // From here on the guardian removes the files.
        let directory = directory.keep();
        let guardian = Guardian::running(STOP, [&directory])?;
        Ok(Self { port, directory, programs, owner, settings, _guardian: guardian })
    }

    /// The URL of a new, empty database.
    pub async fn fresh_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        Ok(url(self.port, &name))
    }

    async fn execute(&self, statement: String) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&url(self.port, "postgres")).await?;
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    async fn secure(&self) -> anyhow::Result<String> {
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let data = fs::metadata(self.directory.join("data"))?;
        for (name, pem) in
            [("server.crt", authority.cert.pem()), ("server.key", authority.signing_key.serialize_pem())]
        {
            let file = self.directory.join("data").join(name);
            fs::write(&file, pem)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            chown(&file, Some(data.uid()), Some(data.gid()))?;
        }
        self.execute("ALTER SYSTEM SET ssl = on".to_owned()).await?;
        self.execute("SELECT pg_reload_conf()".to_owned()).await?;
        let secured = format!("{}?sslmode=require", url(self.port, "postgres"));
        eventually("TLS", async || PgConnection::connect(&secured).await.ok().map(drop)).await;
        Ok(authority.cert.pem())
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&self) {
        self.control(&["stop", "-m", "immediate"]).expect("a server that runs");
    }

    /// Starts it again where it was, with what it holds.
    pub fn resume(&self) {
        let Self { owner, programs, directory, port, settings, .. } = self;
        start_at(owner, programs, directory, *port, settings).expect("a server that was killed");
    }

    fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.owner.command(&self.programs.join("pg_ctl"));
        run(command.args(arguments).arg("-D").arg(self.directory.join("data")))
    }
}

fn start_server(owner: &Owner, programs: &Path, directory: &Path, settings: &str) -> anyhow::Result<u16> {
    let mut last = None;
    for _ in 0..START_ATTEMPTS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        match start_at(owner, programs, directory, port, settings) {
            Ok(()) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no attempt to start PostgreSQL")?)
}

fn start_at(
    owner: &Owner,
    programs: &Path,
    directory: &Path,
    port: u16,
    settings: &str,
) -> anyhow::Result<()> {
    let options = format!(
        "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=300 \
         {settings}",
        directory.display()
    );
    let log = directory.join("log");
    let mut command = owner.command(&programs.join("pg_ctl"));
    command.args(["start", "-w", "-o", &options, "-D"]).arg(directory.join("data")).arg("-l").arg(&log);
    run(&mut command).with_context(|| fs::read_to_string(&log).unwrap_or_default())
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
