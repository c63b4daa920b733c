//! Brings rows of tables up to date, within one transaction.

use std::collections::BTreeMap;

use provender_sdk::sql::{Dialect, Error, Rows, Statement, Transaction, Value};
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
    /// Writes rows, whether they are there already or not.
    pub(crate) fn upsert(&self, table: &Table, rows: Vec<Row>) -> Result<(), Stop> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut statement = self.names.statement();
            statement.sql("INSERT INTO ");
            self.names.table(&mut statement, table).sql(" (").list(table.names(), Statement::name);
            let mut written = 0;
            statement.sql(") VALUES ").list(rows.by_ref().take(ROWS_PER_STATEMENT), |statement, row| {
                written += 1;
                statement.sql("(").list(row, Statement::value).sql(")")
            });
            self.update(&mut statement, table);
            self.transaction.execute(&statement.text, &statement.parameters, Some(written))?;
        }
        Ok(())
    }

    /// What becomes of rows that are there already.
    fn update(&self, statement: &mut Statement, table: &Table) {
        let mysql = self.names.dialect == Dialect::Mysql;
        if mysql {
            statement.sql(" ON DUPLICATE KEY UPDATE ");
        } else {
            statement.sql(" ON CONFLICT (").list(table.key, Statement::name).sql(") DO UPDATE SET ");
        }
        let others = table.names().filter(|name| !table.key.contains(name));
        statement.list(others, |statement, name| match mysql {
            true => statement.name(name).sql(" = VALUES(").name(name).sql(")"),
            false => statement.name(name).sql(" = excluded.").name(name),
        });
    }

    /// Removes the rows of a scope.
    pub(crate) fn delete(&self, table: &Table, scope: Scope<'_>) -> Result<u64, Stop> {
        let statement = self.deletion(table, scope);
        Ok(self.transaction.execute(&statement.text, &statement.parameters, Some(1))?)
    }

    fn deletion(&self, table: &Table, scope: Scope<'_>) -> Statement {
        let mut statement = self.names.statement();
        statement.sql("DELETE FROM ");
        conditions(self.names.table(&mut statement, table).sql(" WHERE "), scope);
        statement
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
        let mut statement = self.deletion(table, scope);
        for (comparison, bound) in [(" > ", after), (" <= ", until)] {
            if let Some(bound) = bound {
                statement.sql(" AND ").name(key).sql(comparison).value(bound);
            }
        }
        if !keep.is_empty() {
            let kept = keep.iter().cloned();
            statement.sql(" AND ").name(key).sql(" NOT IN (").list(kept, Statement::value).sql(")");
        }
        self.transaction.execute(&statement.text, &statement.parameters, Some(0))?;
        Ok(())
    }

    /// Which of the `id`s are there.
    pub(crate) fn known(&self, table: &Table, co: &str, ids: &[&str]) -> Result<Vec<String>, Stop> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.names.statement();
        statement.sql("SELECT ").name("id").sql(" FROM ");
        conditions(self.names.table(&mut statement, table).sql(" WHERE "), &[("co_id", co)]);
        statement.sql(" AND ").name("id").sql(" IN (").list(ids.iter().copied(), Statement::value).sql(")");
        let rows = self.transaction.query(&statement.text, &statement.parameters)?;
        Ok(rows.texts().map(str::to_owned).collect())
    }

    /// The rows of a scope, by their key.
    pub(crate) fn rows(&self, table: &Table, scope: Scope<'_>) -> Result<Rows, Stop> {
        let mut statement = self.names.statement();
        statement.sql("SELECT ").list(table.names(), Statement::name).sql(" FROM ");
        conditions(self.names.table(&mut statement, table).sql(" WHERE "), scope);
        statement.sql(" ORDER BY ").list(table.key, Statement::name);
        Ok(self.transaction.query(&statement.text, &statement.parameters)?)
    }
}

/// Conditions on columns.
fn conditions(statement: &mut Statement, scope: Scope<'_>) {
    for (number, (column, value)) in scope.iter().enumerate() {
        let joined = if number > 0 { " AND " } else { "" };
        statement.sql(joined).name(column).sql(" = ").value(*value);
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
