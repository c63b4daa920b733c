//! The same on PostgreSQL: into a schema of its own of the same database.

use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Connection, PgConnection, Row, TypeInfo};

use super::ROWS_PER_TRANSACTION;

enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// Copies tables into fresh ones, and gives the time of the inserts alone.
pub(crate) async fn insert(url: &str, tables: &[&str]) -> Duration {
    let mut connection = PgConnection::connect(url).await.expect("a database");
    run(&mut connection, "CREATE SCHEMA plain".to_owned()).await;
    let mut taken = Duration::ZERO;
    for table in tables {
        run(&mut connection, format!("CREATE TABLE plain.{table} (LIKE {table} INCLUDING ALL)")).await;
        let query = AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows = sqlx::query(query).fetch_all(&mut connection).await.expect("rows");
        let rows: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
        let started = Instant::now();
        insert_rows(&mut connection, table, &rows).await;
        taken += started.elapsed();
    }
    taken
}

async fn run(connection: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.expect("a statement");
}

fn cells(row: &PgRow) -> Vec<Cell> {
    let cell = |(place, kind): (usize, &str)| match kind {
        "INT8" => Cell::Integer(row.get(place)),
        "BYTEA" => Cell::Bytes(row.get(place)),
        _ => Cell::Text(row.get(place)),
    };
    row.columns().iter().map(|column| cell((column.ordinal(), column.type_info().name()))).collect()
}

async fn insert_rows(connection: &mut PgConnection, table: &str, rows: &[Vec<Cell>]) {
    let Some(first) = rows.first() else { return };
    let places: Vec<String> = (1..=first.len()).map(|place| format!("${place}")).collect();
    let insert = format!("INSERT INTO plain.{table} VALUES ({})", places.join(", "));
    for batch in rows.chunks(ROWS_PER_TRANSACTION) {
        let mut transaction = connection.begin().await.expect("a transaction");
        for row in batch {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for cell in row {
                query = match cell {
                    Cell::Integer(number) => query.bind(*number),
                    Cell::Text(text) => query.bind(text.as_deref()),
                    Cell::Bytes(bytes) => query.bind(bytes.as_deref()),
                };
            }
            query.execute(&mut *transaction).await.expect("an inserted row");
        }
        transaction.commit().await.expect("a commit");
    }
}
