//! Brings rows of tables up to date, within one transaction.

use std::collections::BTreeMap;

use provender_sdk::sql::{Dialect, Error, Rows, Transaction, Value};
use provender_sdk::{Failure, registry};

use crate::rows::Row;
use crate::tables::{Kind, Names, Table};

/// Rows that one statement writes.
const ROWS_PER_STATEMENT: usize = 100;

/// A transaction that knows how names are written.
pub(crate) struct Sync<'a> {
    pub(crate) transaction: &'a Transaction,
    pub(crate) names: &'a Names,
}

/// Why a transaction does not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another transaction was in the way: the same may go well at once.
    Disturbed(Failure),
    Failed(Failure),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Serialization(_) => Self::Disturbed(error.into()),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<registry::Error> for Stop {
    fn from(error: registry::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Disturbed(failure) | Stop::Failed(failure) => failure,
        }
    }
}

/// Columns and the values that a row has in them.
pub(crate) type Scope<'a> = &'a [(&'static str, &'a str)];

impl Sync<'_> {
    fn dialect(&self) -> Dialect {
        self.names.dialect
    }

    /// Conditions on columns, whose parameters are added.
    fn conditions(&self, scope: Scope<'_>, parameters: &mut Vec<Value>) -> String {
        let mut conditions = Vec::new();
        for (column, value) in scope {
            parameters.push((*value).into());
            let placeholder = self.dialect().placeholder(parameters.len());
            conditions.push(format!("{} = {placeholder}", self.dialect().quoted(column)));
        }
        conditions.join(" AND ")
    }

    fn list(&self, values: impl IntoIterator<Item = Value>, parameters: &mut Vec<Value>) -> String {
        let mut placeholders = Vec::new();
        for value in values {
            parameters.push(value);
            placeholders.push(self.dialect().placeholder(parameters.len()));
        }
        placeholders.join(", ")
    }

    /// Writes rows, whether they are there already or not.
    pub(crate) fn upsert(&self, table: &Table, rows: Vec<Row>) -> Result<(), Stop> {
        let (dialect, name) = (self.dialect(), self.names.table(table));
        let columns = self.names.columns(table.columns.iter().map(|(name, _)| *name));
        let set = |value: &dyn Fn(&str) -> String| {
            let others = table.columns.iter().filter(|(name, _)| !table.key.contains(name));
            let set = others.map(|(name, _)| {
                let quoted = dialect.quoted(name);
                format!("{quoted} = {}", value(&quoted))
            });
            set.collect::<Vec<_>>().join(", ")
        };
        let update = match dialect {
            Dialect::Mysql => {
                format!("ON DUPLICATE KEY UPDATE {}", set(&|column| format!("VALUES({column})")))
            }
            Dialect::Postgresql | Dialect::Sqlite => {
                let key = self.names.columns(table.key.iter().copied());
                format!("ON CONFLICT ({key}) DO UPDATE SET {}", set(&|column| format!("excluded.{column}")))
            }
        };
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut parameters = Vec::new();
            let written: Vec<String> = rows
                .by_ref()
                .take(ROWS_PER_STATEMENT)
                .map(|row| format!("({})", self.list(row, &mut parameters)))
                .collect();
            let statement = format!("INSERT INTO {name} ({columns}) VALUES {} {update}", written.join(", "));
            self.transaction.execute(&statement, &parameters, Some(written.len() as u64))?;
        }
        Ok(())
    }

    /// Removes the rows of a scope.
    pub(crate) fn delete(&self, table: &Table, scope: Scope<'_>) -> Result<u64, Stop> {
        let mut parameters = Vec::new();
        let conditions = self.conditions(scope, &mut parameters);
        let statement = format!("DELETE FROM {} WHERE {conditions}", self.names.table(table));
        Ok(self.transaction.execute(&statement, &parameters, Some(1))?)
    }

    /// Removes the rows of a scope that are not among those to keep, which `key` tells apart: of rows whose key is behind
    /// `after`, and not behind `until`.
    pub(crate) fn delete_others(
        &self,
        table: &Table,
        scope: Scope<'_>,
        key: &'static str,
        keep: &[Value],
        (after, until): (Option<&str>, Option<&str>),
    ) -> Result<(), Stop> {
        let mut parameters = Vec::new();
        let mut conditions = self.conditions(scope, &mut parameters);
        let quoted = self.dialect().quoted(key);
        for (comparison, bound) in [(">", after), ("<=", until)] {
            if let Some(bound) = bound {
                parameters.push(bound.into());
                let placeholder = self.dialect().placeholder(parameters.len());
                conditions.push_str(&format!(" AND {quoted} {comparison} {placeholder}"));
            }
        }
        if !keep.is_empty() {
            let kept = self.list(keep.iter().cloned(), &mut parameters);
            conditions.push_str(&format!(" AND {quoted} NOT IN ({kept})"));
        }
        let statement = format!("DELETE FROM {} WHERE {conditions}", self.names.table(table));
        self.transaction.execute(&statement, &parameters, Some(0))?;
        Ok(())
    }

    /// Which of the `id`s are there.
    pub(crate) fn known(&self, table: &Table, co: &str, ids: &[&str]) -> Result<Vec<String>, Stop> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut parameters = Vec::new();
        let of_co = self.conditions(&[("co_id", co)], &mut parameters);
        let listed = self.list(ids.iter().map(|id| (*id).into()), &mut parameters);
        let (id, table) = (self.dialect().quoted("id"), self.names.table(table));
        let statement = format!("SELECT {id} FROM {table} WHERE {of_co} AND {id} IN ({listed})");
        let rows = self.transaction.query(&statement, &parameters)?;
        Ok(rows.texts().map(str::to_owned).collect())
    }

    /// The rows of a scope, by their key.
    pub(crate) fn rows(&self, table: &Table, scope: Scope<'_>) -> Result<Rows, Stop> {
        let mut parameters = Vec::new();
        let conditions = self.conditions(scope, &mut parameters);
        let columns = self.names.columns(table.columns.iter().map(|(name, _)| *name));
        let order = self.names.columns(table.key.iter().copied());
        let table = self.names.table(table);
        let statement = format!("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {order}");
        Ok(self.transaction.query(&statement, &parameters)?)
    }
}

/// What differs between the rows that a table should have and those that it has, one line each.
pub(crate) fn differences(table: &Table, wanted: &[Row], found: &Rows) -> Vec<String> {
    let key = |row: &Row| -> Vec<String> {
        let columns = table.columns.iter().zip(row);
        columns
            .filter(|((name, _), _)| table.key.contains(name))
            .map(|(_, value)| value.as_text().unwrap_or_default().to_owned())
            .collect()
    };
    let named = |key: &[String]| format!("{} {}", table.name, key.get(1..).unwrap_or_default().join("/"));
    let mut others: BTreeMap<Vec<String>, &Row> = found.rows.iter().map(|row| (key(row), row)).collect();
    let mut lines = Vec::new();
    for row in wanted {
        let key = key(row);
        let Some(other) = others.remove(&key) else {
            lines.push(format!("{} is missing", named(&key)));
            continue;
        };
        for (((name, kind), wanted), found) in table.columns.iter().zip(row).zip(other) {
            if plain(*kind, wanted) != plain(*kind, found) {
                lines.push(format!("{}: {name} differs", named(&key)));
            }
        }
    }
    lines.extend(others.keys().map(|key| format!("{} should not be there", named(key))));
    lines
}

/// A value in the form that all databases give it back in.
fn plain(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => "null".to_owned(),
        (Kind::Flag, Value::Boolean(value)) => i64::from(*value).to_string(),
        (Kind::Json, value) => match value.as_text().map(serde_json::from_str::<serde_json::Value>) {
            Some(Ok(document)) => document.to_string(),
            _ => "no JSON".to_owned(),
        },
        (_, value) => match (value.as_text(), value.as_integer()) {
            (Some(text), _) => format!("={text}"),
            (None, Some(number)) => number.to_string(),
            (None, None) => format!("{value:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::COUS;

    fn unit(id: &str, name: &str, created: Value) -> Row {
        vec!["physics".into(), id.into(), name.into(), Value::Null, created, Value::Null]
    }

    #[test]
    fn rows_are_compared_by_key_whatever_the_database_makes_of_times() {
        let time = || Value::Timestamp("2026-03-01T08:30:00Z".to_owned());
        let wanted = [unit("a", "A", time()), unit("b", "B", time()), unit("c", "C", time())];
        let found = Rows {
            columns: Vec::new(),
            rows: vec![
                unit("d", "D", time()),
                unit("a", "A", Value::Text("2026-03-01T08:30:00Z".to_owned())),
                unit("b", "X", time()),
            ],
        };
        let lines = ["cous b: name differs", "cous c is missing", "cous d should not be there"];
        assert_eq!(differences(&COUS, &wanted, &found), lines);
    }
}
