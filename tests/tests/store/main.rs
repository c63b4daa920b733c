//! The store's behaviour, the same on SQLite and on PostgreSQL: every test runs on both.

/// Makes two tests of each function that takes a [`database::Database`].
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(crate::database::Database::sqlite()).await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(crate::database::Database::postgres().await).await;
                }
            )+
        }
    };
}

mod configuration;
mod database;
mod invocations;
mod opening;
mod records;
mod samples;
mod survival;
mod workers;
mod writing;
