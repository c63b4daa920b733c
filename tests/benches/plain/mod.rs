//! The same rows, inserted as plainly as can be: one prepared statement per row, transactions as large as those of an
//! import, the host's settings of SQLite, its tables and its indexes.

#[allow(dead_code)] // Not every bench runs on PostgreSQL.
pub(crate) mod postgres;

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, TypeInfo, Value, ValueRef};

/// An import writes about this many rows in a transaction.
const ROWS_PER_TRANSACTION: usize = 2_000;

enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Copies tables of one database into a fresh one, and gives the time of the inserts alone.
pub(crate) async fn insert(source: &Path, copy: &Path, tables: &[&str]) -> Duration {
    let mut source = open(source).await;
    let mut copy = open(copy).await;
    let mut taken = Duration::ZERO;
    // What the others refer to comes first, and is not counted.
    for table in ["collaborations"].iter().chain(tables) {
        for statement in definitions(&mut source, table).await {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut copy).await.expect("a table or index");
        }
        let query = AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows = sqlx::query(query).fetch_all(&mut source).await.expect("rows");
        let rows: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
        let started = Instant::now();
        insert_rows(&mut copy, table, &rows).await;
        if tables.contains(table) {
            taken += started.elapsed();
        }
    }
    taken
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    SqliteConnection::connect_with(&options).await.expect("a database")
}

async fn definitions(source: &mut SqliteConnection, table: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY type DESC",
    )
    .bind(table)
    .fetch_all(source)
    .await
    .expect("definitions")
}

fn cells(row: &SqliteRow) -> Vec<Cell> {
    (0..row.len())
        .map(|column| {
            let value = row.try_get_raw(column).expect("a value");
            let kind = value.type_info().name().to_owned();
            let value = ValueRef::to_owned(&value);
            match kind.as_str() {
                _ if value.is_null() => Cell::Null,
                "INTEGER" => Cell::Integer(value.decode()),
                "BLOB" => Cell::Bytes(value.decode()),
                _ => Cell::Text(value.decode()),
            }
        })
        .collect()
}

async fn insert_rows(copy: &mut SqliteConnection, table: &str, rows: &[Vec<Cell>]) {
    let Some(first) = rows.first() else { return };
    let places: Vec<String> = (1..=first.len()).map(|place| format!("${place}")).collect();
    let insert = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
    for batch in rows.chunks(ROWS_PER_TRANSACTION) {
        let mut transaction = copy.begin().await.expect("a transaction");
        for row in batch {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for cell in row {
                query = match cell {
                    Cell::Null => query.bind(None::<i64>),
                    Cell::Integer(number) => query.bind(number),
                    Cell::Text(text) => query.bind(text.as_str()),
                    Cell::Bytes(bytes) => query.bind(bytes.as_slice()),
                };
            }
            query.execute(&mut *transaction).await.expect("an inserted row");
        }
        transaction.commit().await.expect("a commit");
    }
}
