//! SQLite's plans of the statements that a wrong plan would make slow with the size of a collaboration.

use sqlx::{AssertSqlSafe, Row};

use super::dialect::Dialect::Sqlite;
use super::{Store, due, invocations, memberships, nestings, plugin_state, records};

#[tokio::test]
async fn statements_on_large_tables_find_their_rows_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Store::open(&format!("sqlite:{}", directory.path().join("plans.db").display())).await.unwrap();
    let expected = [
        (invocations::UNFINISHED.to_owned(), "invocations USING INDEX invocations_unfinished (id>?)"),
        (invocations::BEGIN_ATTEMPT.sql(Sqlite, 4), "invocations USING INDEX invocations_unfinished (id=?)"),
        (
            invocations::FINISH.sql(Sqlite, 4),
            "invocations USING INDEX sqlite_autoindex_invocations_1 (co=? AND id=?)",
        ),
        (
            invocations::PRUNE.to_owned(),
            "invocations USING INDEX invocations_finished (failed=? AND finished<?)",
        ),
        (
            memberships::OF_PERSON.to_owned(),
            "memberships USING INDEX memberships_by_person (co=? AND person_id=?)",
        ),
        (
            memberships::OF_PEOPLE.sql(Sqlite, 4),
            "memberships USING INDEX memberships_by_person (co=? AND person_id=?)",
        ),
        (
            memberships::DELETE_OF_PERSON.to_owned(),
            "memberships USING INDEX memberships_by_person (co=? AND person_id=?)",
        ),
        (memberships::DELETE_OF_GROUP.to_owned(), "memberships USING PRIMARY KEY (co=? AND group_id=?)"),
        (
            memberships::DELETE.sql(Sqlite, 4),
            "memberships USING PRIMARY KEY (co=? AND group_id=? AND person_id=?)",
        ),
        (
            records::BY_ID.sql(Sqlite, 4),
            "records USING INDEX sqlite_autoindex_records_1 (co=? AND kind=? AND id=?)",
        ),
        (due::DUE_PEOPLE.to_owned(), "records USING COVERING INDEX records_due (due<?)"),
        (due::DUE_MEMBERSHIPS.to_owned(), "memberships USING INDEX memberships_due (due<?)"),
        (due::DUE_COLLABORATIONS.to_owned(), "records USING COVERING INDEX records_due (due<?)"),
        (due::DUE_COLLABORATIONS.to_owned(), "memberships USING COVERING INDEX memberships_due (due<?)"),
        (nestings::OF_GROUPS.sql(Sqlite, 4), "group_nestings USING PRIMARY KEY (co=? AND group_id=?)"),
        (
            nestings::OF_SOURCES.sql(Sqlite, 4),
            "group_nestings USING INDEX group_nestings_by_source (co=? AND source_id=?)",
        ),
        (
            plugin_state::KEYS_BEHIND.to_owned(),
            "plugin_state USING COVERING INDEX sqlite_autoindex_plugin_state_1 \
             (co=? AND target=? AND subject_kind=? AND subject_id=? AND key>?)",
        ),
        (
            plugin_state::REMOVE.sql(Sqlite, 4),
            "plugin_state USING COVERING INDEX sqlite_autoindex_plugin_state_1 \
             (co=? AND target=? AND subject_kind=? AND subject_id=? AND key=?)",
        ),
    ];
    let mut connection = store.reader().await.unwrap();
    for (sql, search) in expected {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let rows = plan.fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        assert!(plan.contains(&format!("SEARCH {search}")), "{sql}: {plan:#?}");
    }
}
