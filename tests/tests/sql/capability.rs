//! What the host does with a database, without a plugin.

use provender::servers::sql::{RowLimits, SqlError, Transaction, Value};
use provender_tests::relay::Conduct;
use provender_tests::waiting::eventually;
use provender_tests::{mariadb, postgres};
use serde_json::json;

use super::databases::{Database, LIMITS, connect};

fn placeholders(database: &Database, count: usize) -> String {
    let placeholder = |number| match database.dialect {
        "postgresql" => format!("${number}"),
        _ => "?".to_owned(),
    };
    (1..=count).map(placeholder).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn values_of_every_kind_come_back_as_they_were_sent() {
    for database in Database::all().await {
        let columns = match database.dialect {
            "postgresql" => {
                "b BOOLEAN, i BIGINT, r DOUBLE PRECISION, t TEXT, y BYTEA, m TIMESTAMPTZ, d NUMERIC, j JSONB, c DATE"
            }
            "mysql" => {
                "b BOOLEAN, i BIGINT, r DOUBLE, t LONGTEXT COLLATE utf8mb4_bin, y LONGBLOB, m DATETIME(6), d DECIMAL(60, 20), j LONGTEXT, c DATE"
            }
            _ => "b INTEGER, i INTEGER, r REAL, t TEXT, y BLOB, m TEXT, d TEXT, j TEXT, c TEXT",
        };
        let server = database.connected();
        let mut lease = server.lease().await.unwrap();
        lease.execute(&format!("CREATE TABLE v (n INT, {columns})"), &[]).await.unwrap();
        let decimal = "-12345678901234567890123456789.01234567890123456789";
        let sent = [
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Real(-0.1),
            Value::Text("'; DROP TABLE v; -- \\ \"山田\" 🦉\n".to_owned()),
            Value::Bytes((0..=255).collect()),
            Value::Timestamp("2026-03-01T08:30:00Z".to_owned()),
            Value::Decimal(decimal.to_owned()),
            Value::Json(r#"{"a": [1, "é"]}"#.to_owned()),
            Value::Other("1990-12-24".to_owned()),
        ];
        let insert = format!("INSERT INTO v VALUES ({})", placeholders(&database, 10));
        let with = |number, values: &[Value]| -> Vec<Value> {
            std::iter::once(Value::Integer(number)).chain(values.iter().cloned()).collect()
        };
        assert_eq!(lease.execute(&insert, &with(1, &sent)).await, Ok(1), "{}", database.dialect);
        // A null has no type of its own and fits everywhere.
        lease.execute(&insert, &with(2, &vec![Value::Null; sent.len()])).await.unwrap();
        let found = lease.query("SELECT * FROM v ORDER BY n", &[], LIMITS).await.unwrap();
        assert_eq!(found.columns, ["n", "b", "i", "r", "t", "y", "m", "d", "j", "c"]);
        assert!(found.rows[1][1..].iter().all(|value| *value == Value::Null), "{found:?}");
        for (sent, found) in sent.iter().zip(&found.rows[0][1..]) {
            let same = match (sent, found) {
                // SQLite has neither booleans nor times, MariaDB no JSON.
                (Value::Boolean(sent), Value::Integer(found)) => i64::from(*sent) == *found,
                (
                    Value::Timestamp(sent) | Value::Json(sent) | Value::Decimal(sent) | Value::Other(sent),
                    Value::Text(found),
                ) => sent == found,
                (sent, found) => sent == found,
            };
            assert!(same, "{}: {sent:?} became {found:?}", database.dialect);
        }
        let none = lease.query("SELECT n, t FROM v WHERE n = 7", &[], LIMITS).await.unwrap();
        assert_eq!((none.columns.len(), none.rows.len()), (2, 0), "columns are told without rows");

        let few = RowLimits { rows: 1, ..LIMITS };
        assert_eq!(lease.query("SELECT n FROM v", &[], few).await, Err(SqlError::TooManyRows(1)));
        drop(lease);
        let mut lease = server.lease().await.unwrap();
        let small = RowLimits { bytes: 200, ..LIMITS };
        assert_eq!(lease.query("SELECT * FROM v", &[], small).await, Err(SqlError::TooManyBytes(200)));
    }
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_nothing_and_its_connection_serves_again() {
    for database in Database::all().await {
        let server = database.connected();
        let mut lease = server.lease().await.unwrap();
        lease.execute("CREATE TABLE a (id INT PRIMARY KEY)", &[]).await.unwrap();
        lease.begin(Transaction::ReadWrite).await.unwrap();
        lease.execute("INSERT INTO a VALUES (1)", &[]).await.unwrap();
        assert_eq!(
            lease.query("SELECT id FROM a", &[], LIMITS).await.unwrap().rows.len(),
            1,
            "it sees its own"
        );
        drop(lease);

        let mut lease = server.lease().await.unwrap();
        lease.begin(Transaction::ReadWrite).await.unwrap();
        lease.execute("INSERT INTO a VALUES (2)", &[]).await.unwrap();
        lease.commit().await.unwrap();
        let rows = lease.query("SELECT id FROM a", &[], LIMITS).await.unwrap().rows;
        assert_eq!(rows, [[Value::Integer(2)]], "{}", database.dialect);

        let twice = lease.execute("INSERT INTO a VALUES (2)", &[]).await;
        assert!(matches!(twice, Err(SqlError::Constraint(_))), "{twice:?}");
        let unknown = lease.query("SELECT id FROM b", &[], LIMITS).await;
        assert!(matches!(unknown, Err(SqlError::Statement(_))), "{unknown:?}");
        // Outside of a transaction that was begun for it, the database itself refuses to write.
        let written = lease.query("INSERT INTO a VALUES (3)", &[], LIMITS).await;
        assert!(written.is_err(), "{}: {written:?}", database.dialect);
        lease.begin(Transaction::ReadOnly).await.unwrap();
        let written = lease.execute("INSERT INTO a VALUES (4)", &[]).await;
        assert!(written.is_err(), "{}: {written:?}", database.dialect);
        lease.roll_back().await;
        assert_eq!(lease.query("SELECT id FROM a", &[], LIMITS).await.unwrap().rows.len(), 1);
    }
}

#[tokio::test]
async fn there_are_never_more_connections_than_the_limit() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let server = database.connected();
        server.lease().await.unwrap().execute("CREATE TABLE a (id INT)", &[]).await.unwrap();
        let work = (0..40).map(|number| {
            let server = server.clone();
            tokio::spawn(async move {
                let mut lease = server.lease().await.unwrap();
                lease.begin(Transaction::ReadWrite).await.unwrap();
                lease.execute(&format!("INSERT INTO a VALUES ({number})"), &[]).await.unwrap();
                if number % 3 > 0 {
                    lease.commit().await.unwrap();
                }
            })
        });
        for done in work.collect::<Vec<_>>() {
            done.await.unwrap();
        }
        let rows = server.lease().await.unwrap().query("SELECT id FROM a", &[], LIMITS).await.unwrap().rows;
        assert_eq!(rows.len(), 26);
        assert_eq!(database.relay.as_ref().unwrap().most_open(), 4, "{}", database.dialect);
    }
}

#[tokio::test]
async fn two_transactions_in_each_others_way_tell_that_the_same_may_succeed_later() {
    for database in Database::all().await {
        let mut configuration = database.configuration.clone();
        configuration["acquire_timeout_ms"] = json!(200);
        if let Some(relay) = &database.relay {
            relay.expect_the_operator();
        }
        let server = connect(&configuration);
        let mut setup = server.lease().await.unwrap();
        setup.execute("CREATE TABLE a (id INT PRIMARY KEY, n INT)", &[]).await.unwrap();
        setup.execute("INSERT INTO a VALUES (1, 0), (2, 0)", &[]).await.unwrap();
        drop(setup);
        let (mut one, mut two) = (server.lease().await.unwrap(), server.lease().await.unwrap());
        one.begin(Transaction::ReadWrite).await.unwrap();
        one.execute("UPDATE a SET n = 1 WHERE id = 1", &[]).await.unwrap();
        let refused = if database.dialect == "sqlite" {
            vec![two.begin(Transaction::ReadWrite).await.map(|()| 0)]
        } else {
            two.begin(Transaction::ReadWrite).await.unwrap();
            two.execute("UPDATE a SET n = 2 WHERE id = 2", &[]).await.unwrap();
            let (first, second) = tokio::join!(
                one.execute("UPDATE a SET n = 1 WHERE id = 2", &[]),
                two.execute("UPDATE a SET n = 2 WHERE id = 1", &[])
            );
            vec![first, second]
        };
        let serialization = |done: &Result<u64, SqlError>| matches!(done, Err(SqlError::Serialization(_)));
        assert_eq!(refused.iter().filter(|done| serialization(done)).count(), 1, "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told_and_a_dead_server_is_not_hammered() {
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let relay = database.relay.as_ref().unwrap();
        relay.expect_the_operator();
        let mut nowhere = database.configuration.clone();
        nowhere["allow_private_addresses"] = json!(false);
        let error = connect(&nowhere).lease().await.err().unwrap();
        assert!(
            matches!(&error, SqlError::Unavailable(text) if text.contains("allow_private_addresses")),
            "{error}"
        );

        let mut wrong = database.configuration.clone();
        wrong["authentication"] = json!({"kind": "password", "user": "nobody", "password": "wr0ng-secret"});
        let error = connect(&wrong).lease().await.err().unwrap();
        assert!(matches!(&error, SqlError::Authentication(text) if !text.contains("wr0ng")), "{error:?}");

        let server = database.connected();
        drop(server.lease().await.unwrap());
        relay.conduct(Conduct::Closed);
        eventually("it is taken to be down", async || {
            // Taken to be open for a moment yet.
            let down = server.lease().await.err()?;
            assert!(matches!(down, SqlError::Unavailable(_)), "{down:?}");
            down.to_string().contains("it is down").then_some(())
        })
        .await;
        assert!(server.rest().is_some());
        relay.conduct(Conduct::Faithful);
        eventually("the server is back", async || server.lease().await.ok().map(drop)).await;
    }
}

#[tokio::test]
async fn connections_are_encrypted_and_the_certificate_must_fit() {
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    for (database, authority) in [
        (Database::postgresql().await, postgres::secured().await.unwrap()),
        (Database::mariadb().await, mariadb::authority().unwrap()),
    ] {
        let secured = |host: &str, authority: &str| {
            let mut configuration = database.direct.clone();
            configuration["tls"] = json!("required");
            configuration["host"] = json!(host);
            configuration["ca_certificates"] = json!(authority);
            connect(&configuration)
        };
        let server = secured("localhost", authority);
        let encrypted = match database.dialect {
            "postgresql" => "SELECT version FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()",
            _ => {
                "SELECT variable_value FROM information_schema.session_status \
                  WHERE variable_name = 'Ssl_version' AND variable_value <> ''"
            }
        };
        let version = server.lease().await.unwrap().query(encrypted, &[], LIMITS).await.unwrap();
        assert!(matches!(&version.rows[0][0], Value::Text(text) if text.starts_with("TLSv1")), "{version:?}");
        for (server, problem) in [
            (secured("localhost", &stranger), "`ca_certificates`"),
            (secured("127.0.0.1", authority), "use the name that stands in the certificate"),
        ] {
            let error = server.check().await.unwrap_err();
            assert!(
                matches!(&error, SqlError::Unavailable(text) if text.contains(problem)),
                "{}: {error}",
                database.dialect
            );
        }
    }
}

#[tokio::test]
async fn a_password_that_the_database_repeats_is_blanked() {
    let database = Database::mariadb().await;
    let server = database.connected();
    let mut lease = server.lease().await.unwrap();
    let (password, blanked) = (mariadb::PASSWORD, Value::Text("<***>".to_owned()));
    let rows = lease.query(&format!("SELECT '<{password}>'"), &[], LIMITS).await.unwrap();
    assert_eq!(rows.rows, [[blanked]]);
    let error = lease.query(&format!("SELECT x FROM `{password}`"), &[], LIMITS).await.unwrap_err();
    assert!(!error.to_string().contains(password), "{error}");
}

#[tokio::test]
async fn the_check_of_a_server_tells_version_and_schemas() {
    for database in Database::all().await {
        let lines = database.direct().check().await.unwrap();
        assert!(lines[0].contains(database.dialect), "{lines:?}");
        assert_eq!(lines.len(), if database.dialect == "sqlite" { 1 } else { 2 }, "{lines:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_a_transaction_leaves_nothing_and_one_that_ends_at_commit_may_have_done_it()
{
    for database in [Database::postgresql().await, Database::mariadb().await] {
        let relay = database.relay.as_ref().unwrap();
        let server = database.connected();
        let mut lease = server.lease().await.unwrap();
        lease.execute("CREATE TABLE a (id INT PRIMARY KEY)", &[]).await.unwrap();
        lease.begin(Transaction::ReadWrite).await.unwrap();
        lease.execute("INSERT INTO a VALUES (1)", &[]).await.unwrap();
        relay.conduct(Conduct::Closed);
        let lost = lease.execute("INSERT INTO a VALUES (2)", &[]).await;
        assert!(matches!(lost, Err(SqlError::ConnectionLost(_))), "{lost:?}");
        drop(lease);

        relay.conduct(Conduct::Faithful);
        let mut lease = server.lease().await.unwrap();
        lease.begin(Transaction::ReadWrite).await.unwrap();
        lease.execute("INSERT INTO a VALUES (3)", &[]).await.unwrap();
        relay.conduct(Conduct::CutsAnswers);
        let lost = lease.commit().await;
        assert!(matches!(lost, Err(SqlError::ConnectionLost(_))), "{lost:?}");
        drop(lease);
        let direct = database.direct();
        eventually("what was committed", async || {
            let rows =
                direct.lease().await.unwrap().query("SELECT id FROM a", &[], LIMITS).await.unwrap().rows;
            (rows == [[Value::Integer(3)]]).then_some(())
        })
        .await;
    }
}
