//! Provisioner `sql`: keeps people and groups in the tables of a database.

mod layout;
mod rows;
mod sync;
mod tables;

use provender_sdk::records::{Status, Subject, SubjectKind};
use provender_sdk::sql::{self, Database, Dialect, Transaction, Value};
use provender_sdk::{
    Action, Context, Description, Failure, Inspection, Invocation, Outcome, Provisioner, Slot,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::layout::Missing;
use self::sync::{Stop, Sync, differences};
use self::tables::{DOCUMENTS, Names, TABLES, Table, VERSION, VERSIONS};

/// Which tables are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Configuration {
    /// What the names of all tables begin with.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,31}$"))]
    table_prefix: String,
    /// The schema of the tables, one of those of the server; the first one unless it is given.
    #[schemars(length(min = 1))]
    schema: Option<String>,
    /// How people and groups are laid out.
    layout: Layout,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Layout {
    /// A table for each kind of record and part.
    #[default]
    Tables,
    /// A row for each person and each group, with all there is as JSON.
    Documents,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { table_prefix: "sp_".to_owned(), schema: None, layout: Layout::Tables }
    }
}

impl Layout {
    fn word(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Documents => "documents",
        }
    }

    fn tables(self) -> &'static [&'static Table] {
        match self {
            Self::Tables => TABLES,
            Self::Documents => DOCUMENTS,
        }
    }
}

const SLOT: &str = "database";

struct Sql;

impl Provisioner for Sql {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("sql", env!("CARGO_PKG_VERSION"))
        .summary("Keeps people and groups in the tables of a database")
        .subjects(&[SubjectKind::Person, SubjectKind::Group])
        .slots(&[Slot::sql(SLOT)
            .summary("makes tables, and writes and removes rows of people and groups")
            .operations(&["read", "write", "schema"])]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let (database, names) = connect(context)?;
        let layout = context.configuration.layout;
        let transaction = database.begin()?;
        let version = version(&Sync { transaction: &transaction, names: &names }, layout);
        Ok(vec![match version.map_err(Failure::from) {
            Ok(Some(version)) => format!("the tables are there, in version {version}"),
            // Before the first preparation.
            Ok(None) | Err(Failure::Configuration(_)) => "the tables are not there yet".to_owned(),
            Err(failure) => return Err(failure),
        }])
    }

    fn prepare(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let (database, names) = connect(context)?;
        let layout = context.configuration.layout;
        // Not in one transaction, since MariaDB and MySQL have none for tables; each step can be done again.
        for table in [&VERSIONS].into_iter().chain(layout.tables().iter().copied()) {
            for statement in names.create(table) {
                database.execute(&statement.text, &statement.parameters, Some(0))?;
            }
        }
        let transaction = database.begin()?;
        let sync = Sync { transaction: &transaction, names: &names };
        let before = version(&sync, layout)?;
        if before.is_some_and(|before| before > VERSION) {
            return Err(Failure::configuration("the tables are of a newer version of this plugin"));
        }
        let mut lines = vec![match before {
            Some(VERSION) => format!("the tables are in version {VERSION}"),
            Some(before) => format!("the tables were brought from version {before} to {VERSION}"),
            None => format!("the tables were made, in version {VERSION}"),
        }];
        if before != Some(VERSION) {
            sync.upsert(&VERSIONS, vec![vec![layout.word().into(), VERSION.into()]])?;
        }
        if layout == Layout::Tables {
            let units = layout::write_reference_data(&sync, &context.co)?;
            lines.push(format!("{units} units of the collaboration"));
        }
        Transaction::commit(transaction)?;
        Ok(lines)
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let (database, names) = connect(&invocation.context)?;
        brought(&database, &names, invocation).map_err(|stop| unprepared(stop.into()))
    }

    fn inspect(context: &Context<Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let (database, names) = connect(context)?;
        let transaction = database.begin()?;
        let sync = Sync { transaction: &transaction, names: &names };
        let lines = match context.configuration.layout {
            Layout::Tables => layout::compare(&sync, subject),
            Layout::Documents => compare_document(&sync, &context.co, subject),
        };
        let lines = lines.map_err(|stop| unprepared(stop.into()))?;
        Ok(match lines {
            None => Inspection::Absent,
            Some(lines) if lines.is_empty() => Inspection::Present,
            Some(lines) => Inspection::Different(lines),
        })
    }
}

fn connect(context: &Context<Configuration>) -> Result<(Database, Names), Failure> {
    let configuration = &context.configuration;
    let bound = context.slot(SLOT).map(|slot| slot.reach.as_slice()).unwrap_or_default();
    if let Some(schema) = configuration.schema.as_ref().filter(|schema| !bound.contains(schema)) {
        let known = bound.join(", ");
        return Err(
            Failure::configuration(format!("the server has no schema {schema:?}, but {known}")).at("/schema")
        );
    }
    let names = Names {
        dialect: Dialect::of_slot(context, SLOT)?,
        schema: configuration.schema.clone(),
        prefix: configuration.table_prefix.clone(),
    };
    Ok((sql::open(SLOT)?, names))
}

/// Says what helps where tables are missing.
fn unprepared(failure: Failure) -> Failure {
    match failure {
        Failure::Configuration(failure) => {
            Failure::configuration(format!("{}; prepare the target to make the tables", failure.message))
        }
        other => other,
    }
}

/// Does what an invocation asks for, also with what was written beside it.
fn brought(
    database: &Database,
    names: &Names,
    invocation: &Invocation<Configuration>,
) -> Result<Outcome, Stop> {
    let (outcome, missing) = written(database, names, invocation)?;
    if missing.is_empty() {
        return Ok(outcome);
    }
    // A person and a group that are written beside each other do not see each other: whoever is done last does now.
    let came =
        missing.any_is_there(&Sync { transaction: &database.begin()?, names }, &invocation.context.co)?;
    if came { written(database, names, invocation).map(|(outcome, _)| outcome) } else { Ok(outcome) }
}

/// Does all that an invocation asks for, or nothing of it.
fn written(
    database: &Database,
    names: &Names,
    invocation: &Invocation<Configuration>,
) -> Result<(Outcome, Missing), Stop> {
    match transact(database.begin()?, names, invocation) {
        // A deadlock is over when one of the two gives way. What is disturbed again is left to the queue.
        Err(Stop::Disturbed(_)) => transact(database.begin()?, names, invocation),
        done => done,
    }
}

fn transact(
    transaction: Transaction,
    names: &Names,
    invocation: &Invocation<Configuration>,
) -> Result<(Outcome, Missing), Stop> {
    let done = write(&Sync { transaction: &transaction, names }, invocation)?;
    if let (Outcome::Applied(_), _) = done {
        Transaction::commit(transaction)?;
    }
    Ok(done)
}

/// In which version the tables are.
fn version(sync: &Sync<'_>, layout: Layout) -> Result<Option<i64>, Stop> {
    let found = sync.rows(&VERSIONS, &[("layout", layout.word())])?;
    Ok(found.value(0, "version").and_then(Value::as_integer))
}

fn write(sync: &Sync<'_>, invocation: &Invocation<Configuration>) -> Result<(Outcome, Missing), Stop> {
    let (subject, layout) = (&invocation.subject, invocation.context.configuration.layout);
    let status = match subject {
        Subject::Person(person) => &person.status,
        Subject::Group(group) => &group.status,
        _ => return Ok((Outcome::skipped("only people and groups are kept"), Missing::nothing())),
    };
    let gone = invocation.action == Action::Deleted || *status == Status::Deleted;
    let missing = match (layout, subject) {
        (Layout::Tables, _) if gone => {
            let removed = layout::remove(sync, subject)?;
            let outcome = if removed { Outcome::applied() } else { Outcome::Unchanged };
            return Ok((outcome, Missing::nothing()));
        }
        (Layout::Tables, Subject::Person(person)) => layout::write_person(sync, person)?,
        (Layout::Tables, Subject::Group(group)) => layout::write_group(sync, group)?,
        _ => return Ok((write_document(sync, subject, gone)?, Missing::nothing())),
    };
    Ok((Outcome::applied(), missing))
}

fn write_document(sync: &Sync<'_>, subject: &Subject, gone: bool) -> Result<Outcome, Stop> {
    let Some((table, row)) = layout::document(subject) else {
        return Ok(Outcome::skipped("only people and groups are kept"));
    };
    if !gone {
        sync.upsert(table, vec![row])?;
        return Ok(Outcome::applied());
    }
    let key = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default();
    let removed = sync.delete(table, &[("co_id", key(0)), ("id", key(1))])?;
    Ok(if removed > 0 { Outcome::applied() } else { Outcome::Unchanged })
}

fn compare_document(sync: &Sync<'_>, co: &str, subject: &Subject) -> Result<Option<Vec<String>>, Stop> {
    let Some((table, row)) = layout::document(subject) else { return Ok(None) };
    let id = row.get(1).and_then(Value::as_text).unwrap_or_default();
    let found = sync.rows(table, &[("co_id", co), ("id", id)])?;
    Ok((!found.rows.is_empty()).then(|| differences(table, &[row], &found)))
}

provender_sdk::export_provisioner!(Sql);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_as_many_values_as_its_table_has_columns() {
        let person = provender_sdk::records::Person {
            names: vec![Default::default()],
            identifiers: vec![Default::default()],
            email_addresses: vec![Default::default()],
            urls: vec![Default::default()],
            agreements: vec![Default::default()],
            roles: vec![provender_sdk::records::Role {
                addresses: vec![Default::default()],
                telephone_numbers: vec![Default::default()],
                ad_hoc_attributes: vec![Default::default()],
                ..Default::default()
            }],
            memberships: vec![Default::default()],
            ..Default::default()
        };
        let mut parts = rows::of_parts(&person, &[]);
        parts.push(rows::of_memberships(&person, &[String::new()]));
        parts.push((&tables::PEOPLE, vec![rows::of_person(&person)]));
        parts.push((&tables::GROUPS, vec![rows::of_group(&Default::default())]));
        parts.push((&tables::MEMBERS, vec![rows::of_member(&Default::default(), &Default::default())]));
        parts.push((&tables::COUS, vec![rows::of_unit("", &Default::default(), &[])]));
        parts.extend(layout::document(&Subject::Person(person)).map(|(table, row)| (table, vec![row])));
        parts.extend(
            layout::document(&Subject::Group(Default::default())).map(|(table, row)| (table, vec![row])),
        );
        assert_eq!(parts.len(), 16);
        for (table, rows) in parts {
            assert_eq!(rows.len(), 1, "{}", table.name);
            assert_eq!(rows[0].len(), table.columns.len(), "{}", table.name);
        }
    }

    #[test]
    fn a_configuration_may_be_empty() {
        let configuration: Configuration = serde_json::from_str("{}").unwrap();
        assert_eq!((configuration.table_prefix.as_str(), configuration.layout), ("sp_", Layout::Tables));
    }
}
