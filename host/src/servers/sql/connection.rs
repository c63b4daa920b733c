//! One connection to a database, whatever it speaks.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::{PgArguments, PgStatement};
use sqlx::{
    AssertSqlSafe, Column, Connection as _, Either, Executor, MySqlConnection, PgConnection, SqlSafeStr,
    SqliteConnection, Statement,
};

use super::error::SqlError;
use super::value::{Rows, Value, of_row};
use super::{mysql, postgresql, sqlite};
use crate::servers::configuration::Dialect;

/// How much a query may give.
#[derive(Clone, Copy, Debug)]
pub struct RowLimits {
    pub rows: usize,
    pub bytes: u64,
}

/// A connection, to which reads go outside of transactions.
pub(super) enum Connection {
    Postgresql(PgConnection),
    Mysql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    ReadOnly,
    ReadWrite,
}

impl Connection {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgresql(_) => Dialect::Postgresql,
            Self::Mysql(_) => Dialect::Mysql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement of the host's own, which has no parameters.
    pub(super) async fn control(&mut self, statement: &'static str) -> Result<(), SqlError> {
        let dialect = self.dialect();
        let done = match self {
            Self::Postgresql(connection) => connection.execute(sqlx::raw_sql(statement)).await.map(drop),
            Self::Mysql(connection) => connection.execute(sqlx::raw_sql(statement)).await.map(drop),
            Self::Sqlite(connection) => connection.execute(sqlx::raw_sql(statement)).await.map(drop),
        };
        done.map_err(|error| SqlError::of_statement(dialect, error))
    }

    pub(super) async fn ping(&mut self) -> Result<(), SqlError> {
        let dialect = self.dialect();
        let answer = match self {
            Self::Postgresql(connection) => connection.ping().await,
            Self::Mysql(connection) => connection.ping().await,
            Self::Sqlite(connection) => connection.ping().await,
        };
        answer.map_err(|error| SqlError::of_statement(dialect, error))
    }

    pub(super) async fn begin(&mut self, kind: Transaction) -> Result<(), SqlError> {
        match (&self, kind) {
            (Self::Postgresql(_), Transaction::ReadWrite) => self.control("BEGIN READ WRITE").await,
            (Self::Postgresql(_), Transaction::ReadOnly) => self.control("BEGIN READ ONLY").await,
            // The session, since a statement that makes a table ends the transaction before it begins.
            (Self::Mysql(_), Transaction::ReadWrite) => {
                self.control("SET SESSION TRANSACTION READ WRITE; START TRANSACTION").await
            }
            (Self::Mysql(_), Transaction::ReadOnly) => self.control("START TRANSACTION READ ONLY").await,
            // Who writes later in a transaction that began by reading may find that another one was faster.
            (Self::Sqlite(_), Transaction::ReadWrite) => {
                self.control("PRAGMA query_only = 0").await?;
                let begun = self.control("BEGIN IMMEDIATE").await;
                if begun.is_err() {
                    self.control("PRAGMA query_only = 1").await?;
                }
                begun
            }
            (Self::Sqlite(_), Transaction::ReadOnly) => self.control("BEGIN").await,
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), SqlError> {
        self.control(match self {
            Self::Postgresql(_) => "COMMIT",
            Self::Mysql(_) => "COMMIT; SET SESSION TRANSACTION READ ONLY",
            Self::Sqlite(_) => "COMMIT; PRAGMA query_only = 1",
        })
        .await
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), SqlError> {
        self.control(match self {
            Self::Postgresql(_) => "ROLLBACK",
            Self::Mysql(_) => "ROLLBACK; SET SESSION TRANSACTION READ ONLY",
            // SQLite ends some transactions by itself when a statement fails.
            Self::Sqlite(_) => "ROLLBACK; PRAGMA query_only = 1",
        })
        .await
    }

    /// Rows of a statement.
    pub(super) async fn query(
        &mut self,
        statement: &str,
        parameters: &[Value],
        limits: RowLimits,
    ) -> Result<Rows, SqlError> {
        let dialect = self.dialect();
        let failed = |error| SqlError::of_statement(dialect, error);
        let text = AssertSqlSafe(statement).into_sql_str();
        match self {
            Self::Postgresql(connection) => {
                let prepared = connection.prepare(text).await.map_err(failed)?;
                let arguments = postgresql_arguments(&prepared, parameters)?;
                let rows = connection.fetch(prepared.query_with(arguments));
                read(rows, |row| of_row(row, postgresql::decode), names(&prepared), limits, failed).await
            }
            Self::Mysql(connection) => {
                let prepared = connection.prepare(text).await.map_err(failed)?;
                let arguments = mysql::arguments(parameters).map_err(SqlError::InvalidArgument)?;
                let rows = connection.fetch(prepared.query_with(arguments));
                read(rows, |row| of_row(row, mysql::decode), names(&prepared), limits, failed).await
            }
            Self::Sqlite(connection) => {
                let prepared = connection.prepare(text).await.map_err(failed)?;
                let arguments = sqlite::arguments(parameters).map_err(SqlError::InvalidArgument)?;
                let rows = connection.fetch(prepared.query_with(arguments));
                read(rows, |row| of_row(row, sqlite::decode), names(&prepared), limits, failed).await
            }
        }
    }

    /// How many rows a statement affects.
    pub(super) async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let dialect = self.dialect();
        let failed = |error| SqlError::of_statement(dialect, error);
        let text = AssertSqlSafe(statement).into_sql_str();
        match self {
            Self::Postgresql(connection) => {
                let prepared = connection.prepare(text).await.map_err(failed)?;
                let arguments = postgresql_arguments(&prepared, parameters)?;
                connection.execute(prepared.query_with(arguments)).await.map(|done| done.rows_affected())
            }
            Self::Mysql(connection) => {
                let arguments = mysql::arguments(parameters).map_err(SqlError::InvalidArgument)?;
                connection.execute(sqlx::query_with(text, arguments)).await.map(|done| done.rows_affected())
            }
            Self::Sqlite(connection) => {
                let arguments = sqlite::arguments(parameters).map_err(SqlError::InvalidArgument)?;
                connection.execute(sqlx::query_with(text, arguments)).await.map(|done| done.rows_affected())
            }
        }
        .map_err(failed)
    }
}

fn postgresql_arguments(statement: &PgStatement, parameters: &[Value]) -> Result<PgArguments, SqlError> {
    let types = match statement.parameters() {
        Some(Either::Left(types)) => types,
        _ => &[],
    };
    postgresql::arguments(parameters, types).map_err(SqlError::InvalidArgument)
}

fn names(statement: &impl Statement) -> Vec<String> {
    statement.columns().iter().map(|column| column.name().to_owned()).collect()
}

/// Takes rows one by one, as far as there is room.
async fn read<R>(
    mut incoming: BoxStream<'_, Result<R, sqlx::Error>>,
    values: fn(&R) -> Result<Vec<Value>, String>,
    columns: Vec<String>,
    limits: RowLimits,
    failed: impl Fn(sqlx::Error) -> SqlError,
) -> Result<Rows, SqlError> {
    let (mut rows, mut bytes) = (Vec::new(), 0_u64);
    while let Some(row) = incoming.try_next().await.map_err(&failed)? {
        let row = values(&row).map_err(SqlError::Other)?;
        bytes += row.iter().map(|value| value.size() as u64).sum::<u64>();
        if bytes > limits.bytes {
            return Err(SqlError::TooManyBytes(limits.bytes));
        }
        if rows.len() == limits.rows {
            return Err(SqlError::TooManyRows(limits.rows));
        }
        rows.push(row);
    }
    Ok(Rows { columns, rows })
}
