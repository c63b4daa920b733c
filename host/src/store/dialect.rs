//! All that differs between SQLite and PostgreSQL: URLs, connections, placeholders, locks, migrations.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor};
use url::Url;

use super::{StoreError, migrations};

/// Connections that read from an SQLite database at once; a write has one of its own.
const SQLITE_READERS: u32 = 4;
/// Connections of one process to PostgreSQL, for reading and for writing each.
const POSTGRES_CONNECTIONS: u32 = 8;

/// Durable at commit: a commit that was answered survives a loss of power.
const SQLITE_CONNECTION: &str = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                                 PRAGMA foreign_keys = ON";
/// As long as the busy timeout.
const SQLITE_PATIENCE: Duration = Duration::from_secs(30);
const SQLITE_READER: &str = "PRAGMA query_only = ON";
/// Room for the pages of a large import (64 MiB), and checkpoints of 16 MiB: the default writes pages several times.
const SQLITE_WRITER: &str = "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4096";

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Appends the placeholder of the parameter `number`, counted from 1 in the order of appearance.
    pub(super) fn push_placeholder(self, sql: &mut String, number: usize) {
        match self {
            // SQLite looks up a named or numbered parameter by a linear search for every bound value.
            Self::Sqlite => sql.push('?'),
            Self::Postgres => {
                sql.push('$');
                sql.push_str(&number.to_string());
            }
        }
    }

    /// The query for the time by the clock of the database, in microseconds since 1970.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// The statement from which on a connection reads the database as it is at one moment, and writes nothing.
    pub(super) fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "PRAGMA query_only = ON; BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// The statement that keeps other writers of a collaboration ($1) out until the transaction ends; none where a
    /// transaction has the whole database for itself.
    pub(super) fn lock_collaboration(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"),
        }
    }
}

/// Where a database is.
#[derive(Clone)]
pub(super) enum Location {
    /// An absolute path.
    Sqlite(PathBuf),
    Postgres(Url),
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let unusable = |reason: &str| StoreError::Url(reason.to_owned());
        let (scheme, rest) = url.split_once(':').ok_or_else(|| unusable("it has no scheme"))?;
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.starts_with(":memory:") {
                    return Err(unusable("SQLite needs the path of a file"));
                }
                let path = std::path::absolute(path).map_err(|error| unusable(&error.to_string()))?;
                Ok(Self::Sqlite(path))
            }
            "postgres" | "postgresql" => {
                Url::parse(url).map(Self::Postgres).map_err(|error| unusable(&error.to_string()))
            }
            _ => Err(unusable(&format!("its scheme is \"{scheme}\""))),
        }
    }
}

impl Location {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Names the database in messages: no user, no password, no parameters.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
            }
        }
    }

    /// Opens one connection.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.options()?.connect().await.map_err(|error| self.cannot_open(&error))?;
        if matches!(self, Self::Sqlite(_)) {
            set_up_sqlite(&mut connection).await.map_err(|error| self.cannot_open(&error))?;
        }
        Ok(connection)
    }

    /// Connections for reading.
    pub(super) fn readers(&self) -> Result<AnyPool, StoreError> {
        let pool = match self {
            Self::Sqlite(_) => sqlite_pool(SQLITE_READERS, SQLITE_READER),
            Self::Postgres(_) => AnyPoolOptions::new().max_connections(POSTGRES_CONNECTIONS),
        };
        Ok(pool.connect_lazy_with(self.options()?))
    }

    /// Connections for writing; to SQLite a single one.
    pub(super) fn writers(&self) -> Result<AnyPool, StoreError> {
        let pool = match self {
            Self::Sqlite(_) => sqlite_pool(1, SQLITE_WRITER),
            Self::Postgres(_) => AnyPoolOptions::new().max_connections(POSTGRES_CONNECTIONS),
        };
        Ok(pool.connect_lazy_with(self.options()?))
    }

    /// Creates the database file when there is none, for its owner only: it holds hashes and sealed secrets.
    pub(super) fn create_file(&self) -> Result<(), StoreError> {
        use std::os::unix::fs::OpenOptionsExt;
        let Self::Sqlite(path) = self else { return Ok(()) };
        // An existing file is never opened here: closing it would drop the locks that SQLite holds in this process.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(self.cannot_open(&error)),
            _ => Ok(()),
        }
    }

    /// The migrations that this program has.
    pub(super) fn migrations(&self) -> &'static Migrator {
        match self {
            Self::Sqlite(_) => &migrations::SQLITE,
            Self::Postgres(_) => &migrations::POSTGRES,
        }
    }

    /// Brings the schema up to date.
    pub(super) async fn migrate(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let (migrator, migrated) = match self {
            Self::Sqlite(_) => (&migrations::SQLITE, migrate_sqlite(connection).await),
            Self::Postgres(_) => (&migrations::POSTGRES, run(&migrations::POSTGRES, connection).await),
        };
        let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
        migrated.map_err(|error| match error {
            MigrateError::VersionMissing(found) if found > known => {
                StoreError::NewerSchema { database: self.name(), found, known }
            }
            error => StoreError::Migration { database: self.name(), reason: error.into() },
        })
    }

    pub(super) fn cannot_open(&self, reason: &impl ToString) -> StoreError {
        StoreError::Open { database: self.name(), reason: reason.to_string() }
    }

    fn options(&self) -> Result<AnyConnectOptions, StoreError> {
        sqlx::any::install_default_drivers();
        let url = match self {
            Self::Sqlite(path) => sqlite_url(path)?,
            Self::Postgres(url) => url.clone(),
        };
        let options = AnyConnectOptions::from_url(&url).map_err(|error| self.cannot_open(&error))?;
        Ok(options.disable_statement_logging())
    }
}

/// The driver reads the path of its URL percent-decoded.
fn sqlite_url(path: &Path) -> Result<Url, StoreError> {
    let unusable = || StoreError::Url(format!("the path {} cannot be written as a URL", path.display()));
    let file = Url::from_file_path(path).map_err(|()| unusable())?;
    Url::parse(&format!("sqlite://{}?mode=rw", file.path())).map_err(|_| unusable())
}

fn sqlite_pool(connections: u32, pragma: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        // A file does not go away like a server; a fresh connection would have to prepare its statements again.
        .test_before_acquire(false)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(SQLITE_CONNECTION).await?;
                connection.execute(pragma).await?;
                Ok(())
            })
        })
}

/// Turning a new file to WAL fails at once, whatever the busy timeout is, when several processes do it together.
async fn set_up_sqlite(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    loop {
        match connection.execute(SQLITE_CONNECTION).await {
            Err(error) if is_busy(&error) && began.elapsed() < SQLITE_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => return other.map(drop),
        }
    }
}

/// SQLITE_BUSY, also with more detail in the upper bytes of its code.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

/// SQLite's migrator takes no lock, unlike PostgreSQL's: two processes could both find a migration missing.
async fn migrate_sqlite(connection: &mut AnyConnection) -> Result<(), MigrateError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    run(&migrations::SQLITE, &mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// `Migrator::run` would do, but the compiler cannot tell that its future may move to another thread.
async fn run(migrator: &Migrator, connection: &mut AnyConnection) -> Result<(), MigrateError> {
    migrator.run_direct(None, connection, false).await
}
