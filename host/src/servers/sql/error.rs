//! What went wrong at a database, by what helps.

use sqlx::error::DatabaseError as Reported;
use sqlx::mysql::MySqlDatabaseError;

use crate::servers::configuration::Dialect;

/// An answer of a database other than success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseError {
    /// Five characters by ISO 9075; SQLite has no such code.
    pub sqlstate: Option<String>,
    pub message: String,
    pub constraint: Option<String>,
}

/// Why there is no result. No text holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    #[error("{}", _0.message)]
    Constraint(DatabaseError),
    /// Another transaction is in the way: the same may succeed later.
    #[error("{}", _0.message)]
    Serialization(DatabaseError),
    #[error("{}", _0.message)]
    Statement(DatabaseError),
    #[error("{0}")]
    InvalidArgument(String),
    #[error("{0}")]
    Authentication(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unavailable(String),
    /// No answer: it may have happened or not.
    #[error("{0}")]
    ConnectionLost(String),
    #[error("the rows have more than {0} bytes")]
    TooManyBytes(u64),
    #[error("there are more than {0} rows: read by pages")]
    TooManyRows(usize),
    #[error("{0}")]
    Other(String),
}

impl SqlError {
    /// Of a statement that was sent, or was about to be.
    pub(super) fn of_statement(dialect: Dialect, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(reported) => Self::reported(dialect, reported.as_ref()),
            sqlx::Error::Encode(error) => Self::InvalidArgument(error.to_string()),
            sqlx::Error::Decode(error) => Self::Other(error.to_string()),
            sqlx::Error::ColumnDecode { index, source } => Self::Other(format!("column {index}: {source}")),
            lost => Self::ConnectionLost(format!("the connection to the database ended: {lost}")),
        }
    }

    /// Of an attempt to connect.
    pub(super) fn of_connection(dialect: Dialect, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(reported) => match Self::reported(dialect, reported.as_ref()) {
                refused @ (Self::Authentication(_) | Self::Unavailable(_)) => refused,
                other => Self::Unavailable(other.to_string()),
            },
            other => Self::Unavailable(other.to_string()),
        }
    }

    fn reported(dialect: Dialect, reported: &dyn Reported) -> Self {
        let message = reported.message().to_owned();
        let code = reported.code().map(|code| code.into_owned());
        let constraint = reported.constraint().map(str::to_owned);
        if dialect == Dialect::Sqlite {
            return of_sqlite(code.and_then(|code| code.parse().ok()).unwrap_or(0), message);
        }
        let number = reported.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
        let sqlstate = code.unwrap_or_default();
        let told = format!("{message} ({sqlstate})");
        let error = || DatabaseError {
            sqlstate: Some(sqlstate.clone()),
            message: message.clone(),
            constraint: constraint.clone().or_else(|| named_constraint(&message)),
        };
        match (number, sqlstate.as_str()) {
            // Deadlock, and a lock that was waited for too long.
            (Some(1205 | 1213 | 3572), _) | (_, "40001" | "40P01" | "55P03") => Self::Serialization(error()),
            (Some(1044 | 1045 | 1698), _) => Self::Authentication(told),
            (Some(1040 | 1203 | 1226), _) | (_, "53300" | "57P03") => Self::Unavailable(told),
            // The server ends, or ended the statement: MariaDB and MySQL when it took too long, too.
            (Some(1053 | 1317 | 1927 | 1969 | 3024), _) | (_, "57014" | "57P01" | "57P02") => {
                Self::ConnectionLost(told)
            }
            // CHECK of MariaDB and MySQL.
            (Some(4025 | 3819), _) => Self::Constraint(error()),
            (_, state) => match state.get(..2).unwrap_or_default() {
                "23" => Self::Constraint(error()),
                "28" => Self::Authentication(told),
                "08" => Self::ConnectionLost(told),
                "22" => Self::InvalidArgument(told),
                "53" => Self::Unavailable(told),
                _ => Self::Statement(error()),
            },
        }
    }

    /// Whether the connection is as it was before.
    pub(super) fn leaves_connection(&self) -> bool {
        matches!(
            self,
            Self::Constraint(_) | Self::Serialization(_) | Self::Statement(_) | Self::InvalidArgument(_)
        )
    }
}

/// By the primary result code, which is the lowest byte.
fn of_sqlite(code: i32, message: String) -> SqlError {
    let constraint = (code & 0xff == 19).then(|| message.rsplit_once(": ").map(|(_, name)| name.to_owned()));
    let error = DatabaseError { sqlstate: None, message, constraint: constraint.flatten() };
    match code & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED.
        5 | 6 => SqlError::Serialization(error),
        19 => SqlError::Constraint(error),
        // SQLITE_PERM, SQLITE_READONLY without query_only, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
        3 | 10 | 13 | 14 => SqlError::Unavailable(error.message),
        // SQLITE_TOOBIG, SQLITE_MISMATCH.
        18 | 20 => SqlError::InvalidArgument(error.message),
        _ => SqlError::Statement(error),
    }
}

/// MariaDB and MySQL tell the name in the text alone: ... for key 'PRIMARY', ... CONSTRAINT `name` ...
fn named_constraint(message: &str) -> Option<String> {
    let quoted = |after: &str, quote: char| {
        let (_, rest) = message.split_once(after)?;
        let name = rest.strip_prefix(quote)?.split(quote).next()?;
        Some(name.to_owned())
    };
    quoted("for key ", '\'').or_else(|| quoted("CONSTRAINT ", '`'))
}
