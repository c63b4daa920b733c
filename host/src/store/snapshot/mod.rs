//! The database at one moment, for reading only: what a check of its invariants asks of it. Runs beside everything else,
//! holds up nobody, and reads pages, so that its memory does not grow with the database.

mod defects;
mod groups;
mod pages;
mod unplanned;

use sqlx::{AnyConnection, Connection, Executor, Row};

use super::StoreError;
use super::dialect::{Dialect, Location};

pub use defects::{Defect, Defects, Table};
pub use groups::CheckedPerson;
pub use unplanned::UnplannedChange;

pub use pages::{
    CheckedInvocation, CheckedMembership, CheckedPlugin, CheckedRecord, CheckedService, CheckedTarget, Page,
    PageKey,
};

/// A database as it is at one moment.
pub struct Snapshot {
    pub(super) connection: AnyConnection,
    location: Location,
}

impl Snapshot {
    /// Opens a database that is there, and changes nothing in it, not even its schema.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let location: Location = url.parse()?;
        let mut connection = location.connect().await?;
        connection.execute(location.dialect().begin_snapshot()).await?;
        Ok(Self { connection, location })
    }

    /// Names the database, without user and password.
    pub fn name(&self) -> String {
        self.location.name()
    }

    /// Ends it.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.location.dialect()
    }

    /// What the database itself finds wrong with its files, indexes and references; at most `limit` lines of each kind.
    pub async fn damage(&mut self, limit: u32) -> Result<Vec<String>, StoreError> {
        match self.dialect() {
            Dialect::Sqlite => self.damage_of_sqlite(limit).await,
            Dialect::Postgres => self.damage_of_postgres(limit).await,
        }
    }

    async fn damage_of_sqlite(&mut self, limit: u32) -> Result<Vec<String>, StoreError> {
        let integrity = sqlx::AssertSqlSafe(format!("PRAGMA integrity_check({limit})"));
        let found: Vec<String> = sqlx::query_scalar(integrity).fetch_all(&mut self.connection).await?;
        // A row may hold the lines of many pages.
        let lines = found.iter().flat_map(|row| row.lines()).filter(|line| *line != "ok");
        let mut damage: Vec<String> = lines.take(limit as usize).map(str::to_owned).collect();
        let broken = sqlx::query(
            "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY \"table\", parent LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&mut self.connection)
        .await?;
        for row in broken {
            let (table, parent, count): (String, String, i64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            damage.push(format!("{count} rows of {table} refer to rows of {parent} that do not exist"));
        }
        Ok(damage)
    }

    /// PostgreSQL has no check of its files that any user may run: what it knows of itself is asked for.
    async fn damage_of_postgres(&mut self, limit: u32) -> Result<Vec<String>, StoreError> {
        const KNOWN: &str = "\
            SELECT 'index ' || c.relname || ' is not valid: run REINDEX' FROM pg_index i \
              JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
              WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready) \
            UNION ALL \
            SELECT 'constraint ' || k.conname || ' was never validated' FROM pg_constraint k \
              JOIN pg_namespace n ON n.oid = k.connamespace \
              WHERE n.nspname = current_schema() AND NOT k.convalidated \
            UNION ALL \
            SELECT checksum_failures || ' pages with a wrong checksum were read' FROM pg_stat_database \
              WHERE datname = current_database() AND checksum_failures > 0 \
            LIMIT $1";
        let known = sqlx::query_scalar(KNOWN).bind(i64::from(limit));
        Ok(known.fetch_all(&mut self.connection).await?)
    }

    /// How the schema differs from what this program would make of it; and how many migrations it knows.
    pub async fn schema_differences(&mut self) -> Result<(u64, Vec<String>), StoreError> {
        let applied = sqlx::query(
            "SELECT version, CASE WHEN success THEN 1 ELSE 0 END, checksum FROM _sqlx_migrations ORDER BY version",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let mut differences = Vec::new();
        let mut versions = Vec::new();
        let known = self.location.migrations();
        for row in applied {
            let (version, success): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let checksum: Vec<u8> = row.try_get(2)?;
            versions.push(version);
            match known.iter().find(|migration| migration.version == version) {
                None => {
                    differences.push(format!("migration {version} is of a newer version of this program"))
                }
                Some(migration) if *migration.checksum != *checksum => {
                    differences.push(format!("migration {version} was not the one that this program has"));
                }
                Some(_) if success == 0 => {
                    differences.push(format!("migration {version} did not come to its end"))
                }
                Some(_) => {}
            }
        }
        let missing = known.iter().filter(|migration| !versions.contains(&migration.version));
        differences.extend(missing.map(|migration| {
            format!("migration {} is missing: start the host once with this program", migration.version)
        }));
        Ok((known.iter().count() as u64, differences))
    }

    /// How many rows a table has.
    pub async fn count(&mut self, table: Table) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(table.count_sql()).fetch_one(&mut self.connection).await?;
        Ok(super::rows::unsigned(count))
    }
}
