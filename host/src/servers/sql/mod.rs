//! One configured database: its connections, at most so many, and statements on them. Which statements a plugin may run is
//! decided elsewhere.
//!
//! A connection runs statements that read as they are, since its session refuses to write outside of transactions that
//! are begun for it. One in a state that nobody knows is closed and never used again.

mod connection;
mod error;
mod mysql;
mod postgresql;
mod sqlite;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection as _, MySqlConnection, PgConnection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::connection::Connection;
pub use self::connection::{RowLimits, Transaction};
pub use self::error::{DatabaseError, SqlError};
pub use self::value::{Rows, Value};
use super::ServerError;
use super::address::AddressClass;
use super::configuration::sql::PASSWORD;
use super::configuration::{Dialect, Secrets, SqlAuthentication, SqlConfiguration, SqlTls};
use super::connector::{ConnectError, Resolver, find, tls_reason};
use super::http::echo::Blanks;
use super::pacing::{Held, Pacing};

/// How long a rollback may take after which a connection is used again.
const ROLLBACK: Duration = Duration::from_secs(5);

/// How long after its last answer a connection is trusted to be open still, without a question that the database would have
/// to answer first.
const TRUSTED: Duration = Duration::from_millis(500);

/// A configured database with its connections.
pub struct SqlServer {
    configuration: SqlConfiguration,
    password: Option<SecretString>,
    schemas: Vec<String>,
    resolver: Arc<dyn Resolver>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(Connection, Instant)>>,
    pacing: Pacing,
    blanks: Blanks,
}

impl fmt::Debug for SqlServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SqlServer").field(&self.configuration.place()).finish()
    }
}

impl SqlServer {
    /// Prepares a server. Connects to nothing yet.
    pub fn new(
        configuration: &SqlConfiguration,
        secrets: &Secrets,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, ServerError> {
        let password = match &configuration.authentication {
            Some(SqlAuthentication::Password { .. }) => {
                let field = PASSWORD.name;
                Some(secrets.get(field).ok_or(ServerError::MissingSecret { field })?.clone())
            }
            Some(SqlAuthentication::Trusted { .. }) | None => None,
        };
        let schemas = match configuration.dialect {
            Dialect::Postgresql => configuration.schemas.clone(),
            Dialect::Mysql => configuration.database.iter().cloned().collect(),
            Dialect::Sqlite => vec!["main".to_owned()],
        };
        Ok(Self {
            blanks: Blanks::of(password.clone()),
            password,
            schemas,
            resolver,
            permits: Arc::new(Semaphore::new(configuration.pacing.max_connections as usize)),
            idle: Mutex::default(),
            pacing: Pacing::new(&configuration.pacing),
            configuration: configuration.clone(),
        })
    }

    pub fn dialect(&self) -> Dialect {
        self.configuration.dialect
    }

    /// Schemas that statements may name.
    pub fn schemas(&self) -> &[String] {
        &self.schemas
    }

    /// Where it is, for the operator.
    pub fn place(&self) -> String {
        self.configuration.place()
    }

    /// How long it is left alone from now on, if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.pacing.rest()
    }

    fn held(&self, held: Held) -> SqlError {
        SqlError::Unavailable(format!("{} is not asked now: {held}", self.place()))
    }

    /// A connection for one call, which is waited for while all are in use.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, SqlError> {
        let patience = Duration::from_millis(self.configuration.acquire_timeout_ms);
        let permit = match tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ => {
                return Err(SqlError::Unavailable(format!(
                    "all {} connections to {} were in use for {} ms",
                    self.configuration.pacing.max_connections,
                    self.place(),
                    patience.as_millis()
                )));
            }
        };
        let (connection, answered) = self.connection().await?;
        let server = Arc::clone(self);
        Ok(Lease { connection: Some(connection), answered, state: State::Idle, server, permit: Some(permit) })
    }

    /// One that is open and answers, as far as anybody knows, or a new one; and when it answered last.
    async fn connection(&self) -> Result<(Connection, Instant), SqlError> {
        let patience = Duration::from_millis(self.configuration.connect_timeout_ms);
        let longest = Duration::from_millis(self.configuration.idle_timeout_ms);
        loop {
            let kept = self.kept().pop();
            let Some((mut kept, answered)) = kept else { break };
            let idle = answered.elapsed();
            // The server may have gone away meanwhile.
            if idle < TRUSTED.min(longest) {
                return Ok((kept, answered));
            }
            if idle < longest && matches!(tokio::time::timeout(patience, kept.ping()).await, Ok(Ok(()))) {
                return Ok((kept, Instant::now()));
            }
        }
        let deadline = tokio::time::Instant::now() + patience;
        let mut turn = self.pacing.turn(deadline).await.map_err(|held| self.held(held))?;
        let connected = match tokio::time::timeout_at(deadline, self.connect()).await {
            Ok(connected) => connected.map_err(|error| self.blanked_error(error)),
            Err(_) => {
                let (place, after) = (self.place(), patience.as_millis());
                Err(SqlError::Unavailable(format!("no connection to {place} within {after} ms")))
            }
        };
        match &connected {
            Err(SqlError::Unavailable(_) | SqlError::ConnectionLost(_)) => turn.failed(),
            _ => turn.answered(None),
        }
        Ok((connected?, Instant::now()))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        // Nothing is left half done by a panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, connection: Connection, answered: Instant) {
        self.kept().push((connection, answered));
    }

    async fn connect(&self) -> Result<Connection, SqlError> {
        let dialect = self.dialect();
        let failed = |error: sqlx::Error| match find::<rustls::Error>(&error) {
            Some(_) => {
                let error = ConnectError::Tls { host: self.place(), reason: tls_reason(&error) };
                SqlError::Unavailable(error.to_string())
            }
            None => match SqlError::of_connection(dialect, error) {
                SqlError::Unavailable(problem) => {
                    SqlError::Unavailable(format!("no connection to {}: {problem}", self.place()))
                }
                other => other,
            },
        };
        if dialect == Dialect::Sqlite {
            let connection = SqliteConnection::connect_with(&self.sqlite_options()).await.map_err(failed)?;
            return self.opened(Connection::Sqlite(connection)).await;
        }
        let mut last = SqlError::Unavailable(format!("{} has no address", self.place()));
        for host in self.hosts().await? {
            let connected = match dialect {
                Dialect::Mysql => {
                    let options = self.mysql_options(&host);
                    MySqlConnection::connect_with(&options).await.map(Connection::Mysql)
                }
                Dialect::Postgresql | Dialect::Sqlite => {
                    let options = self.postgresql_options(&host);
                    PgConnection::connect_with(&options).await.map(Connection::Postgresql)
                }
            };
            match connected {
                Ok(connection) => return self.opened(connection).await,
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }

    /// Makes a session that does not write outside of transactions.
    async fn opened(&self, mut connection: Connection) -> Result<Connection, SqlError> {
        match connection {
            // By its options.
            Connection::Postgresql(_) => {}
            // As PostgreSQL has it: with locks on gaps, calls that add rows beside each other are deadlocks; and what does
            // not fit is cut without a word.
            Connection::Mysql(_) => {
                let session = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; \
                               SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')";
                connection.control(session).await?;
            }
            Connection::Sqlite(_) => connection.control("PRAGMA query_only = 1").await?,
        }
        Ok(connection)
    }

    /// What to connect to, in this order, after every address was checked. With TLS it is the name, which the certificate
    /// must fit, so that a name that leads elsewhere a moment later leads to nothing.
    async fn hosts(&self) -> Result<Vec<String>, SqlError> {
        let host = self.configuration.host.as_deref().unwrap_or_default();
        let literal: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        let unavailable = |error: ConnectError| SqlError::Unavailable(error.to_string());
        let addresses = match literal {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| {
                unavailable(ConnectError::Resolve { host: host.to_owned(), reason: error.to_string() })
            })?,
        };
        let allowed = self.configuration.allow_private_addresses;
        let refused = addresses.iter().find(|address| !AddressClass::of(**address).permitted(allowed));
        if let Some(&address) = refused {
            let class = AddressClass::of(address);
            return Err(unavailable(ConnectError::AddressRefused { host: host.to_owned(), address, class }));
        }
        Ok(match self.configuration.tls {
            SqlTls::Required => vec![host.trim_matches(['[', ']']).to_owned()],
            SqlTls::Off => addresses.iter().map(ToString::to_string).collect(),
        })
    }

    fn user(&self) -> &str {
        self.configuration.authentication.as_ref().map_or("", SqlAuthentication::user)
    }

    fn postgresql_options(&self, host: &str) -> PgConnectOptions {
        let timeout = self.configuration.statement_timeout_ms.to_string();
        let quoted: Vec<String> = self.schemas.iter().map(|schema| format!("\"{schema}\"")).collect();
        let search_path = quoted.join(",");
        let options = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(self.configuration.port())
            .username(self.user())
            .database(self.configuration.database.as_deref().unwrap_or_default())
            .application_name("provender")
            .ssl_mode(match self.configuration.tls {
                SqlTls::Required => PgSslMode::VerifyFull,
                SqlTls::Off => PgSslMode::Disable,
            })
            .options([
                ("search_path", search_path.as_str()),
                ("default_transaction_read_only", "on"),
                ("standard_conforming_strings", "on"),
                ("statement_timeout", timeout.as_str()),
            ])
            .disable_statement_logging();
        let options = match &self.password {
            Some(password) => options.password(password.expose_secret()),
            None => options,
        };
        match &self.configuration.ca_certificates {
            Some(pem) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
            None => options,
        }
    }

    fn mysql_options(&self, host: &str) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(host)
            .port(self.configuration.port())
            .username(self.user())
            .database(self.configuration.database.as_deref().unwrap_or_default())
            .ssl_mode(match self.configuration.tls {
                SqlTls::Required => MySqlSslMode::VerifyIdentity,
                SqlTls::Off => MySqlSslMode::Disabled,
            })
            .disable_statement_logging();
        let options = match &self.password {
            Some(password) => options.password(password.expose_secret()),
            None => options,
        };
        match &self.configuration.ca_certificates {
            Some(pem) => options.ssl_ca_from_pem(pem.clone().into_bytes()),
            None => options,
        }
    }

    fn sqlite_options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(self.configuration.path.as_deref().unwrap_or_default())
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_millis(self.configuration.acquire_timeout_ms))
            .disable_statement_logging()
    }

    /// Without the host's credential, should the server repeat it.
    fn blanked_error(&self, mut error: SqlError) -> SqlError {
        match &mut error {
            SqlError::Constraint(told) | SqlError::Serialization(told) | SqlError::Statement(told) => {
                self.blank(&mut told.message);
            }
            SqlError::InvalidArgument(text)
            | SqlError::Authentication(text)
            | SqlError::Unavailable(text)
            | SqlError::ConnectionLost(text)
            | SqlError::Other(text) => self.blank(text),
            SqlError::TooManyBytes(_) | SqlError::TooManyRows(_) => {}
        }
        error
    }

    fn blank(&self, text: &mut String) {
        if let Some(blanked) = self.blanks.blanked(text.as_bytes()) {
            *text = String::from_utf8_lossy(&blanked).into_owned();
        }
    }

    fn blank_rows(&self, rows: &mut Rows) {
        for value in rows.rows.iter_mut().flatten() {
            match value {
                Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) => {}
                Value::Bytes(bytes) => {
                    if let Some(blanked) = self.blanks.blanked(bytes) {
                        *bytes = blanked;
                    }
                }
                Value::Text(text)
                | Value::Timestamp(text)
                | Value::Decimal(text)
                | Value::Json(text)
                | Value::Other(text) => self.blank(text),
            }
        }
    }

    /// Connects, and says what is there, in lines for the operator.
    pub async fn check(self: &Arc<Self>) -> Result<Vec<String>, SqlError> {
        let mut lease = self.lease().await?;
        let version = match self.dialect() {
            Dialect::Postgresql | Dialect::Mysql => "SELECT version()",
            Dialect::Sqlite => "SELECT sqlite_version()",
        };
        let version = first_text(&lease.query(version, &[], CHECK).await?);
        let mut lines = vec![format!("{} answers: {} {version}", self.place(), self.dialect().word())];
        let known = "SELECT schema_name FROM information_schema.schemata";
        let known = match self.dialect() {
            Dialect::Sqlite => return Ok(lines),
            Dialect::Postgresql => lease.query("SELECT nspname::text FROM pg_namespace", &[], CHECK).await?,
            Dialect::Mysql => lease.query(known, &[], CHECK).await?,
        };
        let known: Vec<String> = known.rows.iter().filter_map(|row| row.first().map(shown)).collect();
        lines.extend(self.schemas.iter().map(|schema| match known.contains(schema) {
            true => format!("schema `{schema}` is there"),
            false => format!("schema `{schema}` is not there, or not for this user"),
        }));
        Ok(lines)
    }
}

const CHECK: RowLimits = RowLimits { rows: 10_000, bytes: 1024 * 1024 };

fn first_text(rows: &Rows) -> String {
    rows.rows.first().and_then(|row| row.first()).map(shown).unwrap_or_default()
}

fn shown(value: &Value) -> String {
    value.text().map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// A statement of the transaction failed: some databases undid all of it, and some only that.
    Failed,
    /// A statement is under way, or has no answer.
    Unknown,
}

/// A connection of one call. When it is dropped, an open transaction is rolled back before anybody else gets it.
pub struct Lease {
    connection: Option<Connection>,
    /// When it answered last.
    answered: Instant,
    state: State,
    server: Arc<SqlServer>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Rows of a statement that reads.
    pub async fn query(
        &mut self,
        statement: &str,
        parameters: &[Value],
        limits: RowLimits,
    ) -> Result<Rows, SqlError> {
        let state = self.state;
        let query = async |connection: &mut Connection| connection.query(statement, parameters, limits).await;
        let mut rows = self.run(state, query).await?;
        self.server.blank_rows(&mut rows);
        Ok(rows)
    }

    /// How many rows a statement affects. Outside of a transaction it is one by itself.
    pub async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        if self.state == State::InTransaction {
            let execute = async |connection: &mut Connection| connection.execute(statement, parameters).await;
            return self.run(State::InTransaction, execute).await;
        }
        self.begin(Transaction::ReadWrite).await?;
        let execute = async |connection: &mut Connection| connection.execute(statement, parameters).await;
        match self.run(State::InTransaction, execute).await {
            Ok(affected) => {
                self.commit().await?;
                Ok(affected)
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    pub async fn begin(&mut self, kind: Transaction) -> Result<(), SqlError> {
        self.run(State::InTransaction, async |connection| connection.begin(kind).await).await
    }

    pub async fn commit(&mut self) -> Result<(), SqlError> {
        let committed = self.run(State::Idle, async |connection| connection.commit().await).await;
        if committed.is_err() {
            // SQLite keeps the transaction when it could not commit, others do not: the connection decides.
            self.state = State::Unknown;
        }
        committed
    }

    /// Ends the transaction, if there is one, or else the connection. Waits for no turn.
    pub async fn roll_back(&mut self) {
        if !matches!(self.state, State::InTransaction | State::Failed) {
            return;
        }
        self.state = State::Unknown;
        if let Some(connection) = &mut self.connection
            && matches!(tokio::time::timeout(ROLLBACK, connection.roll_back()).await, Ok(Ok(())))
        {
            self.state = State::Idle;
        }
    }

    /// Runs something, after which the connection is in the state `after` if it went well. Until then, and when this is
    /// dropped half-way, its state is not known.
    async fn run<T>(
        &mut self,
        after: State,
        statement: impl AsyncFnOnce(&mut Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.state == State::Failed {
            let message =
                "a statement of the transaction failed before, and nothing of it is kept".to_owned();
            return Err(SqlError::Statement(DatabaseError { sqlstate: None, message, constraint: None }));
        }
        let server = Arc::clone(&self.server);
        let Some(connection) = self.connection.as_mut().filter(|_| self.state != State::Unknown) else {
            return Err(SqlError::ConnectionLost("the connection to the database ended before".to_owned()));
        };
        let patience = Duration::from_millis(server.configuration.statement_timeout_ms);
        let deadline = tokio::time::Instant::now() + patience;
        let mut turn = server.pacing.turn(deadline).await.map_err(|held| server.held(held))?;
        let before = std::mem::replace(&mut self.state, State::Unknown);
        let done = match tokio::time::timeout_at(deadline, statement(connection)).await {
            Ok(done) => done,
            Err(_) => Err(SqlError::ConnectionLost(format!(
                "the database gave no answer within {} ms",
                patience.as_millis()
            ))),
        };
        match &done {
            Err(SqlError::ConnectionLost(_)) => turn.failed(),
            _ => turn.answered(None),
        }
        match &done {
            Ok(_) => (self.state, self.answered) = (after, Instant::now()),
            Err(error) if error.leaves_connection() => {
                self.state = if before == State::InTransaction { State::Failed } else { before };
            }
            Err(_) => {}
        }
        done.map_err(|error| server.blanked_error(error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match (self.state, tokio::runtime::Handle::try_current()) {
            (State::Idle, _) => self.server.keep(connection, self.answered),
            (State::InTransaction | State::Failed, Ok(runtime)) => {
                let (server, permit) = (Arc::clone(&self.server), self.permit.take());
                runtime.spawn(async move {
                    let ended = tokio::time::timeout(ROLLBACK, connection.roll_back()).await;
                    if matches!(ended, Ok(Ok(()))) {
                        server.keep(connection, Instant::now());
                    }
                    drop(permit);
                });
            }
            // Closed.
            (State::InTransaction | State::Failed, Err(_)) | (State::Unknown, _) => {}
        }
    }
}
