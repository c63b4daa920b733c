use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use Class::{Read, Schema, Write};
use Dialect::{Mysql, Postgresql, Sqlite};

fn class(dialect: Dialect, statement: &str) -> Result<Class, Objection> {
    let schemas = match dialect {
        Sqlite => ["main".to_owned()],
        Mysql | Postgresql => ["people".to_owned()],
    };
    classify(dialect, statement, &schemas)
}

#[rustfmt::skip]
const ACCEPTED: &[(&[Dialect], &str, Class)] = &[
    (&[Postgresql, Mysql, Sqlite], "SELECT 1", Read),
    (&[Postgresql, Mysql, Sqlite], "select count(*), max(id) from persons where name like 'a%' group by status;", Read),
    (&[Postgresql, Mysql, Sqlite], "SELECT 'it''s -- no comment', 'x; DROP TABLE y', '/* */'", Read),
    (&[Postgresql, Mysql, Sqlite], "SELECT a.id FROM a JOIN b ON a.id = b.id LEFT JOIN c USING (id) ORDER BY 1 LIMIT 5", Read),
    (&[Postgresql, Mysql, Sqlite], "WITH x AS (SELECT id FROM a) SELECT * FROM x WHERE id IN (SELECT id FROM b)", Read),
    (&[Postgresql, Mysql, Sqlite], "SELECT id FROM a UNION ALL SELECT id FROM b", Read),
    (&[Postgresql, Mysql, Sqlite], "INSERT INTO a (id) VALUES ('1'), ('2')", Write),
    (&[Postgresql, Mysql, Sqlite], "INSERT INTO a (id) SELECT id FROM b", Write),
    (&[Postgresql, Mysql, Sqlite], "UPDATE a SET name = upper(name) WHERE id = '1'", Write),
    (&[Postgresql, Mysql, Sqlite], "DELETE FROM a WHERE id = '1'", Write),
    (&[Postgresql, Mysql, Sqlite], "CREATE TABLE IF NOT EXISTS a (id VARCHAR(9) NOT NULL, b TEXT DEFAULT 'x', PRIMARY KEY (id), FOREIGN KEY (id) REFERENCES b (id))", Schema),
    (&[Postgresql, Mysql, Sqlite], "ALTER TABLE a ADD COLUMN c TEXT", Schema),
    (&[Postgresql, Mysql, Sqlite], "ALTER TABLE a RENAME TO b", Schema),
    (&[Postgresql, Mysql, Sqlite], "DROP TABLE IF EXISTS a", Schema),
    (&[Postgresql, Sqlite], "CREATE UNIQUE INDEX IF NOT EXISTS i ON a (id)", Schema),
    (&[Postgresql, Sqlite], "INSERT INTO a (id) VALUES ('1') ON CONFLICT (id) DO UPDATE SET id = excluded.id", Write),
    (&[Postgresql], "SELECT \"order\" FROM people.\"Persons\" WHERE id = $1 AND b = $2::text", Read),
    (&[Postgresql], "SELECT id FROM PEOPLE.a FOR UPDATE", Write),
    (&[Postgresql], "WITH gone AS (DELETE FROM a RETURNING id) SELECT count(*) FROM gone", Write),
    (&[Postgresql], "WITH x AS (SELECT 1), y AS (INSERT INTO a (id) VALUES ('1') RETURNING id) SELECT * FROM x, y", Write),
    (&[Postgresql], "CREATE TABLE a (id VARCHAR(128) COLLATE \"C\" NOT NULL, d JSONB, t TIMESTAMPTZ)", Schema),
    (&[Mysql], "INSERT INTO `a` (`id`) VALUES (?) ON DUPLICATE KEY UPDATE `id` = VALUES(`id`)", Write),
    (&[Mysql], "SELECT `id` FROM `people`.`a`", Read),
    (&[Mysql], "CREATE TABLE a (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin", Schema),
    (&[Sqlite], "SELECT id FROM main.a WHERE b = ?1", Read),
    (&[Sqlite], "INSERT OR REPLACE INTO a (id) VALUES (?)", Write),
];

#[rustfmt::skip]
const REFUSED: &[(&[Dialect], &str)] = &[
    // More or less than one statement, and what hides one.
    (&[Postgresql, Mysql, Sqlite], ""),
    (&[Postgresql, Mysql, Sqlite], ";"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 1; DELETE FROM a"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 1 -- comment"),
    (&[Postgresql, Mysql, Sqlite], "SELECT /* comment */ 1"),
    (&[Mysql], "SELECT 1 # comment"),
    (&[Mysql], "SELECT /*!50000 LOAD_FILE('/etc/passwd') */"),
    (&[Mysql], "SELECT /*M! 1 INTO OUTFILE '/tmp/x' */"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 'a\\'; DROP TABLE a; --'"),
    (&[Postgresql], "SELECT $$text$$"),
    (&[Postgresql], "SELECT $x$text$x$"),
    (&[Postgresql], "SELECT E'\\x41'"),
    (&[Postgresql], "SELECT U&'\\0041'"),
    (&[Mysql], "SELECT \"text\""),
    (&[Sqlite], "SELECT [id] FROM a"),
    (&[Postgresql, Mysql, Sqlite], "SELEC 1"),
    (&[Postgresql, Mysql, Sqlite], "SELECT id END, pg_read_file('/etc/passwd')"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 1;; SELECT 2"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 1 WHERE id IN load_extension(1)"),
    (&[Postgresql, Mysql, Sqlite], "SELECT 1 WHERE id IN a"),
    // Other schemas, and the database's own tables.
    (&[Postgresql, Mysql, Sqlite], "SELECT * FROM other.a"),
    (&[Postgresql, Mysql, Sqlite], "INSERT INTO other.a (id) VALUES (1)"),
    (&[Postgresql, Mysql, Sqlite], "UPDATE other.a SET id = 1"),
    (&[Postgresql, Mysql, Sqlite], "DELETE FROM other.a"),
    (&[Postgresql, Mysql, Sqlite], "DROP TABLE other.a"),
    (&[Postgresql, Mysql, Sqlite], "ALTER TABLE a RENAME TO other.a"),
    (&[Postgresql, Mysql, Sqlite], "CREATE TABLE a (id INT REFERENCES other.b (id))"),
    (&[Postgresql, Mysql, Sqlite], "CREATE TABLE a (id INT, FOREIGN KEY (id) REFERENCES other.b (id))"),
    (&[Postgresql, Mysql, Sqlite], "CREATE TABLE other.a (id INT)"),
    (&[Postgresql, Mysql, Sqlite], "CREATE TABLE a AS SELECT * FROM other.a"),
    (&[Postgresql, Mysql, Sqlite], "SELECT (SELECT max(id) FROM other.a)"),
    (&[Postgresql, Mysql, Sqlite], "WITH x AS (SELECT * FROM other.a) SELECT * FROM x"),
    (&[Postgresql, Mysql, Sqlite], "INSERT INTO a (id) SELECT id FROM other.a"),
    (&[Postgresql], "SELECT * FROM \"PEOPLE\".a"),
    (&[Postgresql], "SELECT * FROM pg_authid"),
    (&[Postgresql], "SELECT * FROM PG_Shadow"),
    (&[Postgresql], "SELECT * FROM pg_catalog.pg_authid"),
    (&[Postgresql], "SELECT * FROM information_schema.tables"),
    (&[Postgresql], "TABLE pg_authid"),
    (&[Mysql], "SELECT * FROM mysql.user"),
    (&[Mysql], "DELETE other.a FROM a JOIN other.a"),
    (&[Sqlite], "SELECT * FROM sqlite_master"),
    (&[Sqlite], "SELECT * FROM pragma_database_list"),
    (&[Sqlite], "SELECT * FROM temp.a"),
    // Functions that reach beyond.
    (&[Postgresql], "SELECT pg_read_file('/etc/passwd')"),
    (&[Postgresql], "SELECT pg_catalog.pg_read_file('/etc/passwd')"),
    (&[Postgresql], "SELECT lo_import('/etc/passwd')"),
    (&[Postgresql], "SELECT * FROM dblink('host=x', 'SELECT 1') AS t (a int)"),
    (&[Postgresql], "SELECT pg_sleep(1000)"),
    (&[Postgresql], "SELECT set_config('search_path', 'other', false)"),
    (&[Postgresql], "SELECT query_to_xml('SELECT 1', true, true, '')"),
    (&[Postgresql], "SELECT nextval('s')"),
    (&[Postgresql], "SELECT * FROM generate_series(1, 1000000000)"),
    (&[Postgresql], "SELECT pg_terminate_backend(1)"),
    (&[Postgresql], "SELECT \"pg_sleep\"(1)"),
    (&[Postgresql], "INSERT INTO a (id) VALUES (pg_read_file('/etc/passwd'))"),
    (&[Postgresql], "UPDATE a SET id = 1 WHERE id = (SELECT lo_import('/etc/passwd'))"),
    (&[Postgresql], "CREATE TABLE a (id TEXT DEFAULT pg_read_file('/etc/passwd'))"),
    (&[Postgresql], "CREATE INDEX i ON a (pg_read_file(id))"),
    (&[Mysql], "SELECT LOAD_FILE('/etc/passwd')"),
    (&[Mysql], "SELECT SLEEP(1000)"),
    (&[Mysql], "SELECT BENCHMARK(1000000, MD5('x'))"),
    (&[Mysql], "SELECT GET_LOCK('x', 1)"),
    (&[Mysql], "SELECT @@datadir"),
    (&[Mysql], "SELECT @x := 1"),
    (&[Sqlite], "SELECT load_extension('x')"),
    (&[Sqlite], "SELECT readfile('/etc/passwd')"),
    (&[Sqlite], "SELECT * FROM json_each('[1]')"),
    (&[Postgresql, Mysql, Sqlite], "SELECT repeat('x', 1000000000)"),
    // Statements that are neither of the classes.
    (&[Postgresql], "COPY a TO '/tmp/x'"),
    (&[Postgresql], "COPY a FROM PROGRAM 'id'"),
    (&[Postgresql], "COPY a FROM STDIN"),
    (&[Postgresql], "DO 'BEGIN END'"),
    (&[Postgresql, Mysql], "CALL p()"),
    (&[Postgresql, Mysql], "SET search_path TO other"),
    (&[Postgresql], "SET ROLE postgres"),
    (&[Postgresql], "RESET ALL"),
    (&[Postgresql], "EXECUTE p"),
    (&[Postgresql], "PREPARE p AS SELECT 1"),
    (&[Postgresql], "LISTEN x"),
    (&[Postgresql], "LOCK TABLE a"),
    (&[Postgresql], "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    (&[Postgresql], "CREATE EXTENSION dblink"),
    (&[Postgresql], "CREATE SCHEMA other"),
    (&[Postgresql], "CREATE ROLE x"),
    (&[Postgresql], "GRANT ALL ON a TO PUBLIC"),
    (&[Postgresql], "TRUNCATE a CASCADE"),
    (&[Postgresql], "DROP TABLE a CASCADE"),
    (&[Postgresql], "DROP SCHEMA people"),
    (&[Postgresql], "SELECT 1 INTO b"),
    (&[Postgresql], "CREATE TABLE a (id INT) INHERITS (b)"),
    (&[Postgresql], "CREATE TABLE a (id INT) TABLESPACE t"),
    (&[Postgresql], "CREATE TEMPORARY TABLE a (id INT)"),
    (&[Postgresql, Mysql, Sqlite], "CREATE VIEW v AS SELECT 1"),
    (&[Postgresql, Mysql, Sqlite], "EXPLAIN SELECT 1"),
    (&[Postgresql, Mysql, Sqlite], "BEGIN"),
    (&[Postgresql, Mysql, Sqlite], "COMMIT"),
    (&[Postgresql, Mysql, Sqlite], "ROLLBACK"),
    (&[Postgresql, Mysql, Sqlite], "SAVEPOINT x"),
    (&[Mysql], "SELECT 1 INTO OUTFILE '/tmp/x'"),
    (&[Mysql], "SELECT id FROM a INTO DUMPFILE '/tmp/x'"),
    (&[Mysql], "LOAD DATA INFILE '/etc/passwd' INTO TABLE a"),
    (&[Mysql], "CREATE TABLE a (id INT) ENGINE = CONNECT"),
    (&[Mysql], "CREATE TABLE a (id INT) ENGINE = FEDERATED CONNECTION = 'mysql://x'"),
    (&[Mysql], "CREATE TABLE a (id INT) DATA DIRECTORY = '/tmp'"),
    (&[Mysql], "SHOW TABLES"),
    (&[Mysql], "USE other"),
    (&[Mysql], "FLUSH PRIVILEGES"),
    (&[Mysql], "HANDLER a OPEN"),
    (&[Sqlite], "ATTACH DATABASE '/tmp/x' AS x"),
    (&[Sqlite], "PRAGMA query_only = 0"),
    (&[Sqlite], "VACUUM INTO '/tmp/x'"),
    (&[Sqlite], "CREATE VIRTUAL TABLE a USING fts5(x)"),
    (&[Sqlite], "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"),
];

#[test]
fn statements_have_the_class_of_what_they_do() {
    for (dialects, statement, expected) in ACCEPTED {
        for dialect in *dialects {
            assert_eq!(class(*dialect, statement), Ok(*expected), "{dialect:?}: {statement}");
        }
    }
}

#[test]
fn statements_that_reach_beyond_rows_and_tables_of_the_schemas_are_refused() {
    for (dialects, statement) in REFUSED {
        for dialect in *dialects {
            assert!(class(*dialect, statement).is_err(), "{dialect:?}: {statement}");
        }
    }
}

/// Whatever is put together of pieces of statements is read without end or panic; with a piece that is never harmless it
/// is never accepted.
#[test]
fn no_combination_hides_what_is_not_for_plugins() {
    const PIECES: &[&str] = &[
        "SELECT",
        "SELECT",
        "1",
        ",",
        "FROM",
        "a",
        "(",
        ")",
        "WHERE",
        "id",
        "=",
        "WITH",
        "x",
        "AS",
        "INSERT INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "UNION",
        "$1",
        "?",
        "RETURNING",
        "ON",
        "JOIN",
        "NOT",
        "IN",
        "CASE WHEN",
        "THEN",
        "END",
        "count(",
        "*",
        "ORDER BY",
    ];
    const QUOTES: &[&str] =
        &["'x'", "'", "\"", "`", "--", "/*", "*/", "\\", ";", "::text", "$x$", "CREATE TABLE", "INT"];
    const HOSTILE: &[&str] =
        &["pg_read_file(1)", "load_file(1)", "load_extension(1)", "sleep(9)", "repeat(1, 9)"];
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..4_000 {
        let length = random.random_range(1..12);
        let mut pieces: Vec<&str> =
            (0..length).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
        let at = random.random_range(0..=pieces.len());
        let mut quoted = pieces.clone();
        quoted.insert(at, QUOTES[random.random_range(0..QUOTES.len())]);
        pieces.insert(at, HOSTILE[random.random_range(0..HOSTILE.len())]);
        let hostile = pieces.join(" ");
        for dialect in [Postgresql, Mysql, Sqlite] {
            let _ = class(dialect, &quoted.join(" "));
            assert!(class(dialect, &hostile).is_err(), "{dialect:?}: {hostile}");
        }
    }
}

#[test]
fn deep_and_long_statements_are_refused_without_harm() {
    for statement in
        ["(".repeat(10_000), format!("SELECT {}1", "NOT ".repeat(10_000)), "SELECT ".repeat(20_000)]
    {
        for dialect in [Postgresql, Mysql, Sqlite] {
            assert!(class(dialect, &statement).is_err());
        }
    }
}
