//! SQLite's plans of the statements that a wrong plan would make slow with the size of a collaboration.

use sqlx::{AssertSqlSafe, Row};

use super::dialect::Dialect::Sqlite;
use super::{
    Store, bulk_jobs, changes, due, history, invocations, jobs, memberships, nestings, notification_outbox,
    notifications, plugin_state, records, subjects, workers,
};

#[tokio::test]
async fn statements_on_large_tables_find_their_rows_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Store::open(&format!("sqlite:{}", directory.path().join("plans.db").display())).await.unwrap();
    let expected = [
        (invocations::UNFINISHED.to_owned(), "invocations USING INDEX invocations_unfinished (id>?)"),
        (invocations::TAKEN.sql(Sqlite, 4), "invocations USING INDEX invocations_unfinished (id=?)"),
        (
            invocations::PLAN.sql(Sqlite, 4),
            "i USING INDEX invocations_unfinished_of_subject (co=? AND subject_kind=? AND subject_id=? AND target=?)",
        ),
        (
            invocations::TAKE_OVER.to_owned(),
            "invocations USING INDEX invocations_of_worker (worker=? AND co=?)",
        ),
        (invocations::MINE_HANDED.to_owned(), "invocations USING INDEX invocations_handed (worker=?)"),
        (invocations::MINE.to_owned(), "invocations USING INDEX invocations_of_worker (worker=?)"),
        (workers::DEAD.to_owned(), "i USING INDEX invocations_of_worker (worker=?)"),
        (
            jobs::WAITING.sql(Sqlite, 4),
            "jobs USING INDEX jobs_waiting (co=? AND target=? AND subject_kind=? AND subject_id=?)",
        ),
        (jobs::NEXT_LANE.to_owned(), "jobs USING COVERING INDEX jobs_due ((co,target)>(?,?))"),
        (jobs::DUE.to_owned(), "j USING INDEX jobs_due (co=? AND target=? AND start_after<?)"),
        (
            jobs::DUE.to_owned(),
            "i USING COVERING INDEX invocations_unfinished_of_subject (co=? AND subject_kind=? AND subject_id=? AND target=?)",
        ),
        (
            jobs::DUE.to_owned(),
            "o USING INDEX jobs_waiting (co=? AND target=? AND subject_kind=? AND subject_id=?)",
        ),
        (
            jobs::DROP_RETRIES.sql(Sqlite, 4),
            "jobs USING INDEX jobs_waiting (co=? AND target=? AND subject_kind=? AND subject_id=?)",
        ),
        (
            jobs::SETTLE.sql(Sqlite, 4),
            "jobs USING INDEX jobs_gave_up (co=? AND target=? AND subject_kind=? AND subject_id=?)",
        ),
        (bulk_jobs::LED.to_owned(), "jobs USING INDEX jobs_led (worker=?)"),
        (bulk_jobs::LED_BY_THE_DEAD.to_owned(), "j USING COVERING INDEX jobs_led (worker=?)"),
        (
            bulk_jobs::UNFINISHED.to_owned(),
            "invocations USING COVERING INDEX invocations_of_job (co=? AND job=?)",
        ),
        (
            bulk_jobs::PAGE_WITH_DELETED.to_owned(),
            "records USING INDEX sqlite_autoindex_records_1 (co=? AND (kind,id)>(?,?))",
        ),
        (
            bulk_jobs::PAGE.to_owned(),
            "records USING INDEX sqlite_autoindex_records_1 (co=? AND (kind,id)>(?,?))",
        ),
        (jobs::PRUNE.to_owned(), "jobs USING INDEX jobs_ended (ended<?)"),
        (
            invocations::FINISH.sql(Sqlite, 4),
            "invocations USING INDEX sqlite_autoindex_invocations_1 (co=? AND id=?)",
        ),
        (
            invocations::WITHDRAW.sql(Sqlite, 4),
            "invocations USING INDEX sqlite_autoindex_invocations_1 (co=? AND id=?)",
        ),
        (
            invocations::UNFINISHED_OF_SUBJECT.to_owned(),
            "invocations USING INDEX invocations_by_subject (co=? AND subject_kind=? AND subject_id=?)",
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
        (
            subjects::READ.sql(Sqlite, 4),
            "r USING INDEX sqlite_autoindex_records_1 (co=? AND kind=? AND id=?)",
        ),
        (subjects::READ.sql(Sqlite, 4), "m USING INDEX memberships_by_person (co=? AND person_id=?)"),
        (subjects::READ.sql(Sqlite, 4), "c USING PRIMARY KEY (co=?)"),
        (due::DUE_PEOPLE.to_owned(), "records USING COVERING INDEX records_due (due<?)"),
        (due::DUE_MEMBERSHIPS.to_owned(), "memberships USING INDEX memberships_due (due<?)"),
        (due::IS_DUE.to_owned(), "records USING COVERING INDEX records_due (due<?)"),
        (due::IS_DUE.to_owned(), "memberships USING COVERING INDEX memberships_due (due<?)"),
        (
            due::DUE_AMONG.sql(Sqlite, 4),
            "records USING INDEX sqlite_autoindex_records_1 (co=? AND kind=? AND id=?)",
        ),
        (due::DUE_OF.sql(Sqlite, 4), "memberships USING INDEX memberships_by_person (co=? AND person_id=?)"),
        (due::DUE_IN.sql(Sqlite, 4), "memberships USING PRIMARY KEY (co=? AND group_id=?)"),
        (due::DUE_COLLABORATIONS.to_owned(), "records USING COVERING INDEX records_due (due<?)"),
        (due::DUE_COLLABORATIONS.to_owned(), "memberships USING COVERING INDEX memberships_due (due<?)"),
        (nestings::OF_GROUPS.sql(Sqlite, 4), "group_nestings USING PRIMARY KEY (co=? AND group_id=?)"),
        (
            nestings::OF_SOURCES.sql(Sqlite, 4),
            "group_nestings USING INDEX group_nestings_by_source (co=? AND source_id=?)",
        ),
        (
            changes::OF_GROUPS.sql(Sqlite, 4),
            "c USING INDEX changes_by_subject (co=? AND subject_kind=? AND subject_id=?)",
        ),
        (
            history::CHANGES.to_owned(),
            "changes USING INDEX changes_by_subject \
             (co=? AND subject_kind=? AND subject_id=? AND (at,sequence)<(?,?))",
        ),
        (
            history::PROVISIONINGS.to_owned(),
            "h USING PRIMARY KEY (co=? AND subject_kind=? AND subject_id=? AND (at,invocation)<(?,?))",
        ),
        (history::APPEND.sql(Sqlite, 4), "i USING INDEX sqlite_autoindex_invocations_1 (co=? AND id=?)"),
        (
            history::PRUNE.to_owned(),
            "provisioning_history USING COVERING INDEX provisioning_history_by_age (at<?)",
        ),
        (
            notifications::UNRESOLVED.sql(Sqlite, 4),
            "n USING INDEX notifications_unresolved (co=? AND target=? AND subject_kind=? AND subject_id=?)",
        ),
        (notifications::PRUNE.to_owned(), "notifications USING INDEX notifications_resolved (resolved<?)"),
        (
            notification_outbox::WITHDRAW.sql(Sqlite, 4),
            "notification_events USING INDEX notification_events_by_notification (co=? AND notification=?)",
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
        // Whether the index alone is enough is another matter.
        let plan: Vec<String> = plan.iter().map(|step| step.replace("USING COVERING", "USING")).collect();
        let search = search.replace("USING COVERING", "USING");
        assert!(plan.contains(&format!("SEARCH {search}")), "{sql}: {plan:#?}");
    }
}
