//! Statements to the database of a slot.

mod functions;
mod known;
pub mod statement;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use wasmtime::component::Resource;

use self::known::KnownStatements;
use self::statement::{Class, Objection, classify};
use super::contract::sql::{DatabaseError, Error, Host, HostDatabase, HostTransaction, Rows, Value};
use super::readable::Readable;
use super::{CallState, slots};
use crate::sandbox::{Effect, GuestState, InPreview, Performed, Refusal};
use crate::servers::configuration::Dialect;
use crate::servers::sql::{self as servers, Lease, RowLimits, SqlError, SqlServer};

/// A database bound to a slot, and what the plugin asked for there.
pub struct Slot {
    pub name: String,
    /// None in a replay, where nothing happens.
    server: Option<Arc<SqlServer>>,
    pub dialect: Dialect,
    /// Schemas that statements may name.
    pub schemas: Vec<String>,
    /// Classes of statements that the slot asks for; empty asks for all.
    operations: Vec<String>,
    known: KnownStatements,
}

impl Slot {
    pub fn new(name: String, server: Arc<SqlServer>, operations: Vec<String>) -> Self {
        let (dialect, schemas) = (server.dialect(), server.schemas().to_vec());
        Self { name, server: Some(server), dialect, schemas, operations, known: KnownStatements::default() }
    }

    /// As it was in a recorded call.
    pub(super) fn recorded(name: String, schemas: &[String], dialect: Option<&str>) -> Option<Arc<Self>> {
        let known = [Dialect::Postgresql, Dialect::Mysql, Dialect::Sqlite];
        let dialect = known.into_iter().find(|known| Some(known.word()) == dialect)?;
        let (schemas, operations, known) = (schemas.to_vec(), Vec::new(), KnownStatements::default());
        Some(Arc::new(Self { name, server: None, dialect, schemas, operations, known }))
    }

    fn grants(&self, operation: &str) -> bool {
        slots::asks_for(&self.operations, operation)
    }

    fn granted(&self, class: Class) -> Result<(), Refusal> {
        if self.grants(class.word()) {
            return Ok(());
        }
        Err(slots::not_asked_for(&self.name, &self.operations, class.word()))
    }

    /// How a transaction begins: the database itself refuses what the slot is not for.
    fn transaction(&self) -> servers::Transaction {
        if self.grants(Class::Write.word()) || self.grants(Class::Schema.word()) {
            servers::Transaction::ReadWrite
        } else {
            servers::Transaction::ReadOnly
        }
    }

    /// How long the server is left alone from now on, if it is.
    pub(super) fn rest(&self) -> Option<Duration> {
        self.server.as_ref()?.rest()
    }

    async fn lease(&self) -> Result<Lease, SqlError> {
        match &self.server {
            Some(server) => server.lease().await,
            None => Err(SqlError::Unavailable("nothing is connected in a replay".to_owned())),
        }
    }
}

/// The databases that a call may open.
#[derive(Clone, Default)]
pub struct Grant(pub Vec<Arc<Slot>>);

/// What the guest holds a handle to.
pub struct Database(Arc<Slot>);

/// What the guest holds a handle to. When it goes, with the call at the latest, its lease rolls back.
pub struct Transaction {
    slot: Arc<Slot>,
    /// None in a replay, and while a statement is under way.
    lease: Option<Lease>,
}

/// Rows that one query may give.
const MAX_ROWS: usize = 100_000;

/// What is asked of a database.
#[derive(Serialize)]
struct Request<'a> {
    slot: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    parameters: &'a [Parameter<'a>],
}

/// A parameter as a transcript shows it.
struct Parameter<'a>(&'a Value);

impl Serialize for Parameter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Real(value) => serializer.serialize_f64(*value),
            Value::Bytes(bytes) => Readable(bytes).serialize(serializer),
            Value::Text(text)
            | Value::Timestamp(text)
            | Value::Decimal(text)
            | Value::Json(text)
            | Value::Other(text) => serializer.serialize_str(text),
        }
    }
}

/// One statement with its parameters.
struct Asked {
    statement: String,
    parameters: Vec<Value>,
}

/// Whether a function of the contract is for statements of a class.
type Wanted = fn(Class) -> Result<(), Error>;

/// Where a statement runs.
enum Place {
    /// By itself.
    Database,
    Transaction(Option<Lease>),
}

impl CallState {
    /// Passes a statement through the gate, if it is of a class that `wanted` takes.
    async fn sql_statement<T: Serialize + DeserializeOwned + Send>(
        &mut self,
        (slot, place): (&Arc<Slot>, &mut Place),
        asked: Asked,
        (wanted, in_preview): (Wanted, InPreview<T>),
        perform: impl AsyncStatement<T>,
    ) -> wasmtime::Result<Result<T, Error>> {
        let Asked { statement, parameters } = asked;
        let class = slot.known.class(&statement, || classify(slot.dialect, &statement, &slot.schemas));
        let (operation, granted) = match class {
            Err(Objection::Invalid(problem)) => return Ok(Err(Error::InvalidArgument(problem))),
            Err(Objection::Refused(problem)) => {
                ("statement", Err(Refusal(format!("slot `{}`: {problem}", slot.name))))
            }
            Ok(class) => {
                if let Err(error) = wanted(class) {
                    return Ok(Err(error));
                }
                (class.word(), slot.granted(class))
            }
        };
        let shown: Vec<_> = parameters.iter().map(Parameter).collect();
        let values: Vec<_> = parameters.iter().cloned().map(servers::Value::from).collect();
        let sent = statement.len() + values.iter().map(servers::Value::size).sum::<usize>();
        let effect = Effect {
            capability: "sql",
            operation: operation.into(),
            access: in_preview.access(),
            request: Request { slot: &slot.name, statement: Some(&statement), parameters: &shown },
            bytes_out: sent as u64,
            overlaps: false,
            granted,
        };
        let gate = Arc::clone(&self.guest().gate);
        let (statement, values) = (&statement, &values);
        let answer = gate.pass(effect, in_preview, |room| async move {
            let limits = RowLimits { rows: MAX_ROWS, bytes: room };
            let done = match place {
                Place::Database => match slot.lease().await {
                    Ok(mut lease) => perform.run(&mut lease, statement, values, limits).await,
                    Err(error) => Err(error),
                },
                Place::Transaction(Some(lease)) => perform.run(lease, statement, values, limits).await,
                Place::Transaction(None) => {
                    Err(SqlError::ConnectionLost("the transaction has no connection".to_owned()))
                }
            };
            let bytes_in = match &done {
                Ok((_, received)) => *received,
                // More than there was room for is a budget of the call.
                Err(SqlError::TooManyBytes(_)) => room.saturating_add(1),
                Err(_) => 0,
            };
            let answer = done.map(|(value, _)| value).map_err(Error::from);
            Performed { answer, bytes_in: Some(bytes_in), refused: None }
        });
        Ok(answer.await?)
    }

    /// Passes the begin or the end of a transaction through the gate.
    async fn sql_control<F>(
        &mut self,
        slot: &Arc<Slot>,
        (operation, in_preview): (&'static str, InPreview<()>),
        perform: impl FnOnce() -> F + Send,
    ) -> wasmtime::Result<Result<(), Error>>
    where
        F: Future<Output = Result<(), SqlError>> + Send,
    {
        let effect = Effect {
            capability: "sql",
            operation: operation.into(),
            access: in_preview.access(),
            request: Request { slot: &slot.name, statement: None, parameters: &[] },
            bytes_out: 0,
            overlaps: false,
            granted: Ok(()),
        };
        let gate = Arc::clone(&self.guest().gate);
        let answer = gate.pass(effect, in_preview, |_| async move {
            Performed { answer: perform().await.map_err(Error::from), bytes_in: Some(0), refused: None }
        });
        Ok(answer.await?)
    }

    /// Runs a statement in a transaction, whose connection is put back when the answer is there.
    fn sql_transaction(
        &mut self,
        transaction: &Resource<Transaction>,
    ) -> wasmtime::Result<(Arc<Slot>, Place)> {
        let open = self.table().get_mut(transaction)?;
        Ok((Arc::clone(&open.slot), Place::Transaction(open.lease.take())))
    }

    fn sql_put_back(&mut self, transaction: &Resource<Transaction>, place: Place) -> wasmtime::Result<()> {
        if let Place::Transaction(lease) = place {
            self.table().get_mut(transaction)?.lease = lease;
        }
        Ok(())
    }
}

/// What is done with a statement on a connection; gives what came in, too.
trait AsyncStatement<T>: Send {
    fn run(
        self,
        lease: &mut Lease,
        statement: &str,
        values: &[servers::Value],
        limits: RowLimits,
    ) -> impl Future<Output = Result<(T, u64), SqlError>> + Send;
}

struct Query;

impl AsyncStatement<Rows> for Query {
    async fn run(
        self,
        lease: &mut Lease,
        statement: &str,
        values: &[servers::Value],
        limits: RowLimits,
    ) -> Result<(Rows, u64), SqlError> {
        let servers::Rows { columns, rows } = lease.query(statement, values, limits).await?;
        let received = rows.iter().flatten().map(servers::Value::size).sum::<usize>() as u64;
        let rows = rows.into_iter().map(|row| row.into_iter().map(Value::from).collect()).collect();
        Ok((Rows { columns, rows }, received))
    }
}

struct Execute;

impl AsyncStatement<u64> for Execute {
    async fn run(
        self,
        lease: &mut Lease,
        statement: &str,
        values: &[servers::Value],
        _: RowLimits,
    ) -> Result<(u64, u64), SqlError> {
        Ok((lease.execute(statement, values).await?, 0))
    }
}

fn reads(class: Class) -> Result<(), Error> {
    match class {
        Class::Read => Ok(()),
        other => {
            let problem = format!("a statement of class {} is executed, not queried", other.word());
            Err(Error::InvalidArgument(problem))
        }
    }
}

fn changes(class: Class) -> Result<(), Error> {
    match class {
        Class::Read => {
            Err(Error::InvalidArgument("a statement that reads is queried, not executed".to_owned()))
        }
        Class::Write | Class::Schema => Ok(()),
    }
}

impl Host for CallState {
    async fn open(&mut self, slot: String) -> wasmtime::Result<Result<Resource<Database>, Error>> {
        let found = slots::opened(&self.sql.0, |slot| &slot.name, ("database", &slot));
        let database = match found {
            Ok(found) => Database(found),
            Err(refused) => return Ok(Err(Error::Refused(refused))),
        };
        Ok(Ok(self.table().push(database)?))
    }
}

impl HostDatabase for CallState {
    async fn query(
        &mut self,
        database: Resource<Database>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let slot = Arc::clone(&self.table().get(&database)?.0);
        let asked = Asked { statement, parameters };
        self.sql_statement((&slot, &mut Place::Database), asked, (reads, InPreview::Happens), Query).await
    }

    async fn execute(
        &mut self,
        database: Resource<Database>,
        statement: String,
        parameters: Vec<Value>,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let slot = Arc::clone(&self.table().get(&database)?.0);
        let asked = Asked { statement, parameters };
        let in_preview = expected.map_or(InPreview::Ends, InPreview::Answered);
        self.sql_statement((&slot, &mut Place::Database), asked, (changes, in_preview), Execute).await
    }

    async fn begin(
        &mut self,
        database: Resource<Database>,
    ) -> wasmtime::Result<Result<Resource<Transaction>, Error>> {
        let slot = Arc::clone(&self.table().get(&database)?.0);
        let mut opened = None;
        let (of_slot, place) = (&slot, &mut opened);
        // It changes nothing by itself, and what a preview reads is read in it.
        let begun = self.sql_control(&slot, ("begin", InPreview::Happens), || async move {
            let mut lease = of_slot.lease().await?;
            lease.begin(of_slot.transaction()).await?;
            *place = Some(lease);
            Ok(())
        });
        match begun.await? {
            Ok(()) => Ok(Ok(self.table().push(Transaction { slot, lease: opened })?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.table().delete(database)?;
        Ok(())
    }
}

impl HostTransaction for CallState {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let (slot, mut place) = self.sql_transaction(&transaction)?;
        let asked = Asked { statement, parameters };
        let rows = self.sql_statement((&slot, &mut place), asked, (reads, InPreview::Happens), Query).await?;
        self.sql_put_back(&transaction, place)?;
        Ok(rows)
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let (slot, mut place) = self.sql_transaction(&transaction)?;
        let asked = Asked { statement, parameters };
        let in_preview = expected.map_or(InPreview::Ends, InPreview::Answered);
        let affected = self.sql_statement((&slot, &mut place), asked, (changes, in_preview), Execute).await?;
        self.sql_put_back(&transaction, place)?;
        Ok(affected)
    }

    async fn commit(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<Result<(), Error>> {
        let Transaction { slot, mut lease } = self.table().delete(transaction)?;
        let open = &mut lease;
        self.sql_control(&slot, ("commit", InPreview::Answered(())), || async move {
            match open {
                Some(lease) => lease.commit().await,
                None => Err(SqlError::ConnectionLost("the transaction has no connection".to_owned())),
            }
        })
        .await
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        // Here rather than in the background, so that what the call does next finds its locks gone.
        if let Transaction { lease: Some(mut lease), .. } = self.table().delete(transaction)? {
            lease.roll_back().await;
        }
        Ok(())
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        let message = error.to_string();
        let told = |servers::DatabaseError { sqlstate, message, constraint }| DatabaseError {
            sqlstate,
            message,
            constraint,
        };
        match error {
            SqlError::Constraint(error) => Self::Constraint(told(error)),
            SqlError::Serialization(error) => Self::Serialization(told(error)),
            SqlError::Statement(error) => Self::Statement(told(error)),
            SqlError::InvalidArgument(_) => Self::InvalidArgument(message),
            SqlError::Authentication(_) => Self::Authentication(message),
            SqlError::Unavailable(_) => Self::Unavailable(message),
            SqlError::ConnectionLost(_) => Self::ConnectionLost(message),
            SqlError::TooManyBytes(_) | SqlError::TooManyRows(_) => Self::TooLarge(message),
            SqlError::Other(_) => Self::Other(message),
        }
    }
}

/// Both have the same cases: one is the contract's, the other is the host's.
macro_rules! same_cases {
    ($($case:ident),*) => {
        impl From<Value> for servers::Value {
            fn from(value: Value) -> Self {
                match value {
                    Value::Null => Self::Null,
                    $(Value::$case(value) => Self::$case(value),)*
                }
            }
        }

        impl From<servers::Value> for Value {
            fn from(value: servers::Value) -> Self {
                match value {
                    servers::Value::Null => Self::Null,
                    $(servers::Value::$case(value) => Self::$case(value),)*
                }
            }
        }
    };
}

same_cases!(Boolean, Integer, Real, Text, Bytes, Timestamp, Decimal, Json, Other);
