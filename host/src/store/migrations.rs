//! The migrations of the schema, as the program carries them. The macro that sqlx has for it would compile all drivers twice.

use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// What the files in a folder of `migrations/` are called, without `.sql`, and what they say.
macro_rules! files {
    ($folder:literal) => {
        files!(
            $folder,
            "0001_first_schema",
            "0002_workers_and_jobs",
            "0003_what_targets_hold",
            "0004_deliveries",
            "0005_groups_and_dates",
            "0006_monitoring"
        )
    };
    ($folder:literal, $($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")))),*]
    };
}

pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(&files!("sqlite")));
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(&files!("postgres")));

fn migrator(files: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
        let description = name.split_once('_').map_or(*name, |(_, description)| description);
        let description = description.replace('_', " ").into();
        Migration::new(version, description, MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations((1..).zip(files).map(migration).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn every_file_of_the_folders_is_carried_as_sqlx_reads_it() {
        for (folder, carried) in [("sqlite", &*SQLITE), ("postgres", &*POSTGRES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
            let read = Migrator::new(folder.as_path()).await.unwrap();
            let all = |migrator: &Migrator| -> Vec<_> {
                let of = |migration: &Migration| {
                    let Migration { version, description, checksum, .. } = migration.clone();
                    (version, description, checksum)
                };
                migrator.iter().map(of).collect()
            };
            assert_eq!(all(carried), all(&read));
        }
    }
}
