//! The tables of both layouts, and the statements that make them.
//!
//! Identifiers of records are unique within their collaboration and kind, and those of parts within their record: keys say
//! so, and collaborations can share a database. Text that is no key has no width.

use provender_sdk::sql::{Dialect, Statement};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Identifies something; at most 128 bytes.
    Key,
    Text,
    Flag,
    Number,
    Time,
    Date,
    Json,
}
use Kind::{Date, Flag, Json, Key, Number, Text, Time};

/// A table without its prefix.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [&'static str],
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// Its columns that refer to the key of another table.
    references: &'static [(&'static [&'static str], &'static Table)],
    /// Columns that rows are looked for by, beside the key.
    index: &'static [&'static str],
}

/// Grows with every change of the tables; `prepare` brings older ones up to it.
pub(crate) const VERSION: i64 = 1;

pub(crate) static VERSIONS: Table = Table {
    name: "schema_version",
    key: &["layout"],
    columns: &[("layout", Key), ("version", Number)],
    references: &[],
    index: &[],
};

const OF_CO: &[&str] = &["co_id", "id"];
const OF_PERSON: &[&str] = &["co_id", "co_person_id", "id"];
const OF_ROLE: &[&str] = &["co_id", "co_person_id", "co_person_role_id", "id"];
const PERSON: (&[&str], &Table) = (&["co_id", "co_person_id"], &PEOPLE);
const GROUP: (&[&str], &Table) = (&["co_id", "co_group_id"], &GROUPS);
const ROLE: (&[&str], &Table) = (&["co_id", "co_person_id", "co_person_role_id"], &ROLES);

macro_rules! table {
    ($name:literal, $key:expr, [$($reference:expr),*], [$($index:literal),*], $(($column:literal, $kind:expr)),*) => {
        Table {
            name: $name,
            key: $key,
            columns: &[("co_id", Key), ("id", Key), $(($column, $kind),)* ("created", Time), ("modified", Time)],
            references: &[$($reference),*],
            index: &[$($index),*],
        }
    };
}

pub(crate) static COUS: Table = table!("cous", OF_CO, [], [], ("name", Text), ("parent_id", Key));
pub(crate) static PEOPLE: Table =
    table!("co_people", OF_CO, [], [], ("status", Text), ("date_of_birth", Date), ("timezone", Text));
pub(crate) static NAMES: Table = table!(
    "names",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("honorific", Text),
    ("given", Text),
    ("middle", Text),
    ("family", Text),
    ("suffix", Text),
    ("type", Text),
    ("language", Text),
    ("primary_name", Flag),
    ("org_identity_source", Text)
);
pub(crate) static IDENTIFIERS: Table = table!(
    "identifiers",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("identifier", Text),
    ("type", Text),
    ("login", Flag),
    ("status", Text),
    ("org_identity_source", Text)
);
pub(crate) static EMAIL_ADDRESSES: Table = table!(
    "email_addresses",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("mail", Text),
    ("description", Text),
    ("type", Text),
    ("verified", Flag),
    ("org_identity_source", Text)
);
pub(crate) static URLS: Table = table!(
    "urls",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("url", Text),
    ("description", Text),
    ("type", Text),
    ("org_identity_source", Text)
);
pub(crate) static AGREEMENTS: Table = table!(
    "co_t_and_c_agreements",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("terms", Text),
    ("url", Text),
    ("agreement_time", Time),
    ("identifier", Text)
);
pub(crate) static ROLES: Table = table!(
    "co_person_roles",
    OF_PERSON,
    [PERSON],
    [],
    ("co_person_id", Key),
    ("sponsor_co_person_id", Key),
    ("manager_co_person_id", Key),
    ("cou_id", Key),
    ("affiliation", Text),
    ("eduperson_affiliation", Text),
    ("title", Text),
    ("o", Text),
    ("ou", Text),
    ("valid_from", Time),
    ("valid_through", Time),
    ("ordr", Number),
    ("status", Text),
    ("org_identity_source", Text)
);
pub(crate) static AD_HOC_ATTRIBUTES: Table = table!(
    "ad_hoc_attributes",
    OF_ROLE,
    [ROLE],
    [],
    ("co_person_id", Key),
    ("co_person_role_id", Key),
    ("tag", Text),
    ("value", Text),
    ("org_identity_source", Text)
);
pub(crate) static ADDRESSES: Table = table!(
    "addresses",
    OF_ROLE,
    [ROLE],
    [],
    ("co_person_id", Key),
    ("co_person_role_id", Key),
    ("street", Text),
    ("room", Text),
    ("locality", Text),
    ("state", Text),
    ("postal_code", Text),
    ("country", Text),
    ("description", Text),
    ("type", Text),
    ("language", Text),
    ("org_identity_source", Text)
);
pub(crate) static TELEPHONE_NUMBERS: Table = table!(
    "telephone_numbers",
    OF_ROLE,
    [ROLE],
    [],
    ("co_person_id", Key),
    ("co_person_role_id", Key),
    ("country_code", Text),
    ("area_code", Text),
    ("number", Text),
    ("extension", Text),
    ("description", Text),
    ("type", Text),
    ("org_identity_source", Text)
);
pub(crate) static GROUPS: Table = table!(
    "co_groups",
    OF_CO,
    [],
    [],
    ("cou_id", Key),
    ("name", Text),
    ("description", Text),
    ("open", Flag),
    ("status", Text),
    ("group_type", Text),
    ("auto", Flag)
);
pub(crate) static MEMBERS: Table = table!(
    "co_group_members",
    &["co_id", "co_group_id", "co_person_id"],
    [PERSON, GROUP],
    ["co_id", "co_person_id"],
    ("co_group_id", Key),
    ("co_person_id", Key),
    ("member", Flag),
    ("owner", Flag),
    ("valid_from", Time),
    ("valid_through", Time),
    ("org_identity_source", Text)
);

pub(crate) static PERSON_DOCUMENTS: Table =
    table!("people", OF_CO, [], [], ("status", Text), ("name", Text), ("document", Json));
pub(crate) static GROUP_DOCUMENTS: Table =
    table!("groups", OF_CO, [], [], ("status", Text), ("name", Text), ("document", Json));

/// The tables of the layout `tables`, each behind those it refers to.
pub(crate) static TABLES: &[&Table] = &[
    &COUS,
    &PEOPLE,
    &NAMES,
    &IDENTIFIERS,
    &EMAIL_ADDRESSES,
    &URLS,
    &AGREEMENTS,
    &ROLES,
    &AD_HOC_ATTRIBUTES,
    &ADDRESSES,
    &TELEPHONE_NUMBERS,
    &GROUPS,
    &MEMBERS,
];

/// What a person owns, in the order in which rows can be removed.
pub(crate) static OF_PEOPLE: &[&Table] = &[
    &MEMBERS,
    &AD_HOC_ATTRIBUTES,
    &ADDRESSES,
    &TELEPHONE_NUMBERS,
    &ROLES,
    &AGREEMENTS,
    &URLS,
    &EMAIL_ADDRESSES,
    &IDENTIFIERS,
    &NAMES,
];

/// The tables of the layout `documents`.
pub(crate) static DOCUMENTS: &[&Table] = &[&PERSON_DOCUMENTS, &GROUP_DOCUMENTS];

/// How names of tables and columns are written.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) dialect: Dialect,
    /// Where the tables are, if not in the first schema.
    pub(crate) schema: Option<String>,
    pub(crate) prefix: String,
}

impl Table {
    /// The names of its columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(name, _)| *name)
    }
}

impl Names {
    /// A statement of which nothing is written yet.
    pub(crate) fn statement(&self) -> Statement {
        Statement::new(self.dialect)
    }

    /// Writes the name of a table.
    pub(crate) fn table<'s>(&self, statement: &'s mut Statement, table: &Table) -> &'s mut Statement {
        if let Some(schema) = &self.schema {
            statement.name(schema).sql(".");
        }
        statement.name([&self.prefix, table.name].concat())
    }

    /// Statements that make a table where there is none.
    pub(crate) fn create(&self, table: &Table) -> Vec<Statement> {
        let mut create = self.statement();
        self.table(create.sql("CREATE TABLE IF NOT EXISTS "), table).sql(" (");
        create.list(table.columns, |create, (name, kind)| {
            let required = if table.key.contains(name) { " NOT NULL" } else { "" };
            create.name(name).sql(" ").sql(self.type_of(*kind)).sql(required)
        });
        create.sql(", PRIMARY KEY (").list(table.key, Statement::name).sql(")");
        for (columns, other) in table.references {
            create.sql(", FOREIGN KEY (").list(*columns, Statement::name).sql(") REFERENCES ");
            self.table(&mut create, other).sql(" (").list(other.key, Statement::name).sql(")");
        }
        create.sql(match self.dialect {
            Dialect::Mysql => ") ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
            Dialect::Postgresql | Dialect::Sqlite => ")",
        });
        let mut statements = vec![create];
        // MariaDB and MySQL make it for the foreign key.
        if !table.index.is_empty() && self.dialect != Dialect::Mysql {
            let mut index = self.statement();
            index.sql("CREATE INDEX IF NOT EXISTS ");
            index.name(format!("{}{}_by_person", self.prefix, table.name)).sql(" ON ");
            self.table(&mut index, table).sql(" (").list(table.index, Statement::name).sql(")");
            statements.push(index);
        }
        statements
    }

    fn type_of(&self, kind: Kind) -> &'static str {
        match (self.dialect, kind) {
            // Keys are ordered by their bytes, as the registry orders them.
            (Dialect::Postgresql, Key) => "VARCHAR(128) COLLATE \"C\"",
            (Dialect::Postgresql, Time) => "TIMESTAMPTZ",
            (Dialect::Postgresql, Json) => "JSONB",
            (Dialect::Mysql, Key) => "VARCHAR(128)",
            (Dialect::Mysql, Text) => "MEDIUMTEXT",
            (Dialect::Mysql, Time) => "DATETIME",
            (Dialect::Mysql, Json) => "JSON",
            (Dialect::Sqlite, Key | Time | Date | Json) | (_, Text) => "TEXT",
            (Dialect::Sqlite, Flag | Number) => "INTEGER",
            (_, Flag) => "BOOLEAN",
            (_, Number) => "BIGINT",
            (_, Date) => "DATE",
        }
    }
}
