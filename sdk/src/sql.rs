//! Statements to the database that the operator bound to a slot of kind `sql`.
//!
//! [`Error`] becomes a [`Failure`] by `?`. A statement has its values as parameters, written as the dialect wants it; a
//! transaction that is not committed is rolled back, and one in which a statement failed cannot be committed.
//!
//! ```no_run
//! use provender_sdk::sql::{self, Dialect, Statement, Transaction};
//! use provender_sdk::{Context, Failure};
//!
//! fn rename(context: &Context<()>, id: &str, name: Option<&str>) -> Result<(), Failure> {
//!     let transaction = sql::open("database")?.begin()?;
//!     let mut update = Statement::new(Dialect::of_slot(context, "database")?);
//!     update.sql("UPDATE people SET name = ").value(name).sql(" WHERE id = ").value(id);
//!     transaction.execute(&update.text, &update.parameters, Some(1))?;
//!     Transaction::commit(transaction)?;
//!     Ok(())
//! }
//! ```

use crate::{Context, Failure};

pub use crate::bindings::host::provender::plugin::sql::{
    Database, DatabaseError, Error, Rows, Transaction, Value, open,
};

/// What a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgresql,
    /// MariaDB too.
    Mysql,
    Sqlite,
}

impl Dialect {
    /// That of the database bound to a slot.
    pub fn of_slot<C>(context: &Context<C>, slot: &str) -> Result<Self, Failure> {
        let bound = context
            .slot(slot)
            .ok_or_else(|| Failure::configuration(format!("no database is bound to the slot {slot:?}")))?;
        match bound.dialect.as_deref() {
            Some("postgresql") => Ok(Self::Postgresql),
            Some("mysql") => Ok(Self::Mysql),
            Some("sqlite") => Ok(Self::Sqlite),
            other => Err(Failure::configuration(format!(
                "the database of the slot {slot:?} speaks {}, which this plugin does not know",
                other.unwrap_or("nothing that it names")
            ))),
        }
    }

    fn quote(self) -> char {
        match self {
            Self::Postgresql | Self::Sqlite => '"',
            Self::Mysql => '`',
        }
    }
}

/// A statement in the making, written from its begin to its end as the dialect wants it.
///
/// ```
/// use provender_sdk::sql::{Dialect, Statement};
///
/// let mut query = Statement::new(Dialect::Postgresql);
/// query.sql("SELECT ").name("order").sql(" FROM people WHERE id IN (");
/// query.list(["anna", "béla"], |query, id| query.value(id)).sql(")");
/// assert_eq!(query.text, "SELECT \"order\" FROM people WHERE id IN ($1, $2)");
/// assert_eq!(query.parameters, ["anna".into(), "béla".into()]);
/// ```
#[derive(Clone, Debug)]
pub struct Statement {
    dialect: Dialect,
    pub text: String,
    /// The values of its parameters, in their order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement of which nothing is written yet.
    pub fn new(dialect: Dialect) -> Self {
        // Rows of a dozen columns fit; a statement of many begins to grow from there.
        Self { dialect, text: String::with_capacity(1024), parameters: Vec::with_capacity(16) }
    }

    /// Text that is taken as it is.
    pub fn sql(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A name of a table or column, in quotes.
    pub fn name(&mut self, name: impl AsRef<str>) -> &mut Self {
        let quote = self.dialect.quote();
        self.text.push(quote);
        for (number, part) in name.as_ref().split(quote).enumerate() {
            if number > 0 {
                self.text.extend([quote, quote]);
            }
            self.text.push_str(part);
        }
        self.text.push(quote);
        self
    }

    /// A value, as a parameter.
    pub fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.parameters.push(value.into());
        match self.dialect {
            Dialect::Postgresql => {
                self.text.push('$');
                self.text.push_str(&self.parameters.len().to_string());
            }
            Dialect::Mysql | Dialect::Sqlite => self.text.push('?'),
        }
        self
    }

    /// Items with commas in between, each written by `item`.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        for (number, one) in items.into_iter().enumerate() {
            if number > 0 {
                self.text.push_str(", ");
            }
            item(self, one);
        }
        self
    }
}

impl Rows {
    /// The value of a row in the column of a name; none where there is no such row or column.
    pub fn value(&self, row: usize, column: &str) -> Option<&Value> {
        let column = self.columns.iter().position(|name| name == column)?;
        self.rows.get(row)?.get(column)
    }

    /// The first value of every row, as far as it is text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.first()?.as_text())
    }
}

impl Value {
    /// The text of a value that is written as text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text)
            | Value::Timestamp(text)
            | Value::Decimal(text)
            | Value::Json(text)
            | Value::Other(text) => Some(text),
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) | Value::Bytes(_) => None,
        }
    }

    /// The number of a value that is a whole one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($type:ty => $case:ident),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$case(value.into())
            }
        }
    )*};
}

from!(bool => Boolean, i32 => Integer, i64 => Integer, u32 => Integer, f64 => Real, &str => Text, String => Text,
      &String => Text, Vec<u8> => Bytes, &[u8] => Bytes);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Constraint(error) => Failure::conflict(error.message),
            Error::Serialization(error) => Failure::transient(error.message),
            // Syntax, unknown tables and columns, and missing privileges; SQLite has no codes.
            Error::Statement(error) => match error.sqlstate {
                Some(state) if !state.starts_with("42") => {
                    Failure::permanent(format!("{} ({state})", error.message))
                }
                _ => Failure::configuration(error.message),
            },
            Error::InvalidArgument(message) => Failure::invalid_data(message),
            Error::Refused(message) => Failure::configuration(message),
            Error::Authentication(message) => Failure::authentication(message),
            Error::Unavailable(message) | Error::ConnectionLost(message) => Failure::transient(message),
            Error::TooLarge(message) | Error::Other(message) => Failure::permanent(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_names_of_columns() {
        let rows = Rows {
            columns: vec!["id".to_owned(), "size".to_owned()],
            rows: vec![vec!["anna".into(), 7.into()], vec!["béla".into(), None::<i64>.into()]],
        };
        assert_eq!(rows.value(0, "size").and_then(Value::as_integer), Some(7));
        assert_eq!(rows.value(1, "size"), Some(&Value::Null));
        assert_eq!((rows.value(2, "size"), rows.value(0, "none")), (None, None));
        assert_eq!(rows.texts().collect::<Vec<_>>(), ["anna", "béla"]);
    }

    #[test]
    fn errors_become_failures_by_what_helps() {
        let error = |sqlstate: Option<&str>| DatabaseError {
            sqlstate: sqlstate.map(str::to_owned),
            message: "no".to_owned(),
            constraint: None,
        };
        for (given, failure) in [
            (Error::Serialization(error(Some("40P01"))), Failure::transient("no")),
            (Error::Constraint(error(Some("23505"))), Failure::conflict("no")),
            (Error::Statement(error(Some("42P01"))), Failure::configuration("no")),
            (Error::Statement(error(None)), Failure::configuration("no")),
            (Error::Statement(error(Some("0A000"))), Failure::permanent("no (0A000)")),
            (Error::ConnectionLost("cut".to_owned()), Failure::transient("cut")),
            (Error::InvalidArgument("long".to_owned()), Failure::invalid_data("long")),
        ] {
            assert_eq!(Failure::from(given), failure);
        }
    }

    #[test]
    fn names_and_parameters_are_written_as_the_dialect_wants_it() {
        for (dialect, text) in [
            (Dialect::Postgresql, "\"a`b\" = $1, \"\"\"c\"\"\" = $2"),
            (Dialect::Mysql, "`a``b` = ?, `\"c\"` = ?"),
            (Dialect::Sqlite, "\"a`b\" = ?, \"\"\"c\"\"\" = ?"),
        ] {
            let mut statement = Statement::new(dialect);
            statement.list([("a`b", 7), ("\"c\"", 8)], |one, (name, value)| {
                one.name(name).sql(" = ").value(value)
            });
            assert_eq!(
                (statement.text.as_str(), statement.parameters.as_slice()),
                (text, &[7.into(), 8.into()][..])
            );
        }
    }
}
