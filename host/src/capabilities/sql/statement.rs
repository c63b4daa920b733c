//! What a statement is: its class, and whether it stays within what a slot may reach.
//!
//! It is read by a parser of its dialect. What is known to be harmless passes and everything else is refused: tokens, kinds
//! of statements, their parts, expressions and functions. No token passes that the parser and a database might read
//! differently (comments, escapes in strings, dollar quotes), so what was checked is what is run.

use std::fmt;
use std::ops::ControlFlow;

use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnOption, CreateIndex, CreateTable,
    CreateTableOptions, Delete, Expr, ForeignKeyConstraint, FromTable, InTarget, Insert, ObjectName,
    ObjectNamePart, ObjectType, Query, RenameTableNameKind, Select, SelectFlavor, SetExpr, SqlOption,
    Statement, TableConstraint, TableFactor, TableObject, Update, Visit, Visitor,
};
use sqlparser::dialect::{self, Dialect as Grammar};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::functions;
use crate::servers::configuration::Dialect;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Read,
    Write,
    Schema,
}

impl Class {
    /// The operation of a slot.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Schema => "schema",
        }
    }
}

/// Why a statement is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It cannot be read, or is not one statement.
    Invalid(String),
    /// It reaches beyond what a plugin may do.
    Refused(String),
}

impl fmt::Display for Objection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Invalid(text) | Self::Refused(text)) = self;
        formatter.write_str(text)
    }
}

/// Longest statement; values are parameters.
const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 50;

/// Reads one statement.
pub fn classify(dialect: Dialect, statement: &str, schemas: &[String]) -> Result<Class, Objection> {
    if statement.len() > MAX_BYTES {
        return Err(Objection::Invalid(format!("the statement has more than {MAX_BYTES} bytes")));
    }
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgresql => &dialect::PostgreSqlDialect {},
        Dialect::Mysql => &dialect::MySqlDialect {},
        Dialect::Sqlite => &dialect::SQLiteDialect {},
    };
    let invalid = |problem: String| Objection::Invalid(format!("the statement cannot be read: {problem}"));
    let tokens = Tokenizer::new(grammar, statement).with_unescape(false).tokenize();
    let tokens = tokens.map_err(|error| invalid(error.to_string()))?;
    check_tokens(dialect, &tokens)?;
    let mut parser = Parser::new(grammar).with_recursion_limit(MAX_DEPTH).with_tokens(tokens);
    let statement = parser.parse_statement().map_err(|error| invalid(error.to_string()))?;
    while parser.consume_token(&Token::SemiColon) {}
    let behind = parser.peek_token();
    if behind.token != Token::EOF {
        return Err(invalid(format!("`{behind}` is no part of it; one statement is run at a time")));
    }
    let mut reader = Reader { dialect, schemas, writes: false };
    let class = reader.statement(&statement)?;
    match statement.visit(&mut reader) {
        ControlFlow::Break(objection) => Err(objection),
        ControlFlow::Continue(()) if class == Class::Read && reader.writes => Ok(Class::Write),
        ControlFlow::Continue(()) => Ok(class),
    }
}

fn refused<T>(what: impl fmt::Display) -> Result<T, Objection> {
    Err(Objection::Refused(format!("{what} is not for plugins")))
}

/// Lets tokens pass that every reader of the dialect reads alike.
fn check_tokens(dialect: Dialect, tokens: &[Token]) -> Result<(), Objection> {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    for token in tokens {
        let plain = match token {
            Token::Word(word) => match word.quote_style {
                Some(style) => style == quote && !word.value.contains(quote),
                None => word.value.chars().all(|letter| letter.is_alphanumeric() || letter == '_'),
            },
            Token::SingleQuotedString(text) => !text.contains('\\'),
            Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab) => true,
            Token::Placeholder(name) => match dialect {
                Dialect::Postgresql => name.strip_prefix('$').is_some_and(is_number),
                Dialect::Mysql => name == "?",
                Dialect::Sqlite => {
                    name.strip_prefix('?').is_some_and(|number| number.is_empty() || is_number(number))
                }
            },
            Token::Number(_, false)
            | Token::Comma
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::LParen
            | Token::RParen
            | Token::Period
            | Token::SemiColon
            | Token::EOF => true,
            Token::DoubleColon | Token::LBracket | Token::RBracket => dialect == Dialect::Postgresql,
            Token::Arrow | Token::LongArrow => true,
            _ => false,
        };
        if !plain {
            let problem = match token {
                Token::Whitespace(_) => "a comment cannot be part of a statement".to_owned(),
                Token::SingleQuotedString(_) => "a text with a backslash must be a parameter".to_owned(),
                other => format!("`{other}` cannot be part of a statement; values can be parameters"),
            };
            return Err(Objection::Invalid(problem));
        }
    }
    Ok(())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

struct Reader<'a> {
    dialect: Dialect,
    schemas: &'a [String],
    /// Whether it changes rows, or locks them.
    writes: bool,
}

impl Reader<'_> {
    fn statement(&self, statement: &Statement) -> Result<Class, Objection> {
        match statement {
            Statement::Query(_) => Ok(Class::Read),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::CreateTable(table) => self.create_table(table),
            Statement::CreateIndex(index) => self.create_index(index),
            Statement::AlterTable(table) => self.alter_table(table),
            Statement::Drop {
                object_type: ObjectType::Table | ObjectType::Index,
                names,
                temporary: false,
                purge: false,
                table,
                cascade: false,
                ..
            } => {
                for name in names.iter().chain(table) {
                    self.relation(name)?;
                }
                Ok(Class::Schema)
            }
            Statement::Drop { cascade: true, .. } => refused("CASCADE"),
            other => {
                let text = other.to_string();
                refused(text.split_whitespace().next().unwrap_or("such a statement"))
            }
        }
    }

    fn insert(&self, insert: &Insert) -> Result<Class, Objection> {
        match &insert.table {
            TableObject::TableName(name) => self.relation(name)?,
            _ => return refused("INSERT into something other than a table"),
        }
        let plain = insert.optimizer_hints.is_empty()
            && !insert.overwrite
            && !insert.by_name
            && insert.partitioned.is_none()
            && insert.output.is_none()
            && insert.priority.is_none()
            && insert.settings.is_none()
            && insert.format_clause.is_none()
            && insert.multi_table_insert_type.is_none();
        if plain { Ok(Class::Write) } else { refused("such an INSERT") }
    }

    fn update(&self, update: &Update) -> Result<Class, Objection> {
        let plain = update.optimizer_hints.is_empty()
            && update.on_cluster.is_none()
            && update.output.is_none()
            && update.settings.is_none();
        if plain { Ok(Class::Write) } else { refused("such an UPDATE") }
    }

    fn delete(&self, delete: &Delete) -> Result<Class, Objection> {
        let plain = delete.optimizer_hints.is_empty()
            && delete.tables.is_empty()
            && matches!(delete.from, FromTable::WithFromKeyword(_))
            && delete.on_cluster.is_none()
            && delete.output.is_none()
            && delete.settings.is_none();
        if plain { Ok(Class::Write) } else { refused("such a DELETE") }
    }

    fn create_table(&self, table: &CreateTable) -> Result<Class, Objection> {
        let plain = CreateTableBuilder::new(table.name.clone())
            .if_not_exists(table.if_not_exists)
            .columns(table.columns.clone())
            .constraints(table.constraints.clone())
            .table_options(table.table_options.clone())
            .query(table.query.clone())
            .build();
        if plain != *table {
            return refused("CREATE TABLE with more than columns and constraints");
        }
        self.table_options(&table.table_options)?;
        for option in table.columns.iter().flat_map(|column| &column.options) {
            self.column_option(&option.option)?;
        }
        for constraint in &table.constraints {
            self.constraint(constraint)?;
        }
        Ok(Class::Schema)
    }

    /// The storage engine decides where rows are, so only the engine that keeps them itself passes.
    fn table_options(&self, options: &CreateTableOptions) -> Result<(), Objection> {
        let options = match options {
            CreateTableOptions::None => return Ok(()),
            CreateTableOptions::Plain(options) if self.dialect == Dialect::Mysql => options,
            _ => return refused("an option of CREATE TABLE"),
        };
        for option in options {
            let plain = match option {
                SqlOption::KeyValue { key, .. } => {
                    let key = key.to_string().to_uppercase();
                    key.ends_with("CHARSET") || key.ends_with("CHARACTER SET") || key.ends_with("COLLATE")
                }
                SqlOption::NamedParenthesizedList(list) => {
                    list.key.value.eq_ignore_ascii_case("ENGINE")
                        && list.values.is_empty()
                        && list.name.as_ref().is_some_and(|name| name.value.eq_ignore_ascii_case("InnoDB"))
                }
                _ => false,
            };
            if !plain {
                return refused("an option of CREATE TABLE other than ENGINE = InnoDB, CHARSET and COLLATE");
            }
        }
        Ok(())
    }

    fn create_index(&self, index: &CreateIndex) -> Result<Class, Objection> {
        if let Some(name) = &index.name {
            self.relation(name)?;
        }
        self.relation(&index.table_name)?;
        let plain = index.using.is_none()
            && !index.concurrently
            && !index.r#async
            && index.with.is_empty()
            && index.index_options.is_empty()
            && index.alter_options.is_empty();
        if plain { Ok(Class::Schema) } else { refused("an option of CREATE INDEX") }
    }

    fn alter_table(&self, table: &AlterTable) -> Result<Class, Objection> {
        if table.location.is_some() || table.on_cluster.is_some() || table.table_type.is_some() {
            return refused("such an ALTER TABLE");
        }
        self.relation(&table.name)?;
        for operation in &table.operations {
            match operation {
                AlterTableOperation::AddConstraint { constraint, .. } => self.constraint(constraint)?,
                AlterTableOperation::AddColumn { column_def, .. } => {
                    for option in &column_def.options {
                        self.column_option(&option.option)?;
                    }
                }
                AlterTableOperation::ModifyColumn { options, .. } => {
                    for option in options {
                        self.column_option(option)?;
                    }
                }
                AlterTableOperation::AlterColumn { op, .. } => match op {
                    AlterColumnOperation::SetNotNull
                    | AlterColumnOperation::DropNotNull
                    | AlterColumnOperation::SetDefault { .. }
                    | AlterColumnOperation::DropDefault
                    | AlterColumnOperation::SetDataType { .. } => {}
                    _ => return refused("such an ALTER COLUMN"),
                },
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
                } => self.relation(name)?,
                AlterTableOperation::DropColumn { drop_behavior: None, .. }
                | AlterTableOperation::DropConstraint { drop_behavior: None, .. }
                | AlterTableOperation::DropForeignKey { drop_behavior: None, .. }
                | AlterTableOperation::DropPrimaryKey { drop_behavior: None }
                | AlterTableOperation::DropIndex { .. }
                | AlterTableOperation::RenameColumn { .. } => {}
                _ => return refused("such an ALTER TABLE"),
            }
        }
        Ok(Class::Schema)
    }

    fn column_option(&self, option: &ColumnOption) -> Result<(), Objection> {
        match option {
            ColumnOption::Null
            | ColumnOption::NotNull
            | ColumnOption::Default(_)
            | ColumnOption::PrimaryKey(_)
            | ColumnOption::Unique(_)
            | ColumnOption::Check(_)
            | ColumnOption::CharacterSet(_)
            | ColumnOption::Collation(_)
            | ColumnOption::Comment(_)
            | ColumnOption::Generated { .. } => Ok(()),
            ColumnOption::ForeignKey(key) => self.foreign_key(key),
            ColumnOption::DialectSpecific(tokens) => match tokens.as_slice() {
                [Token::Word(word)] if word.value.to_uppercase().replace('_', "") == "AUTOINCREMENT" => {
                    Ok(())
                }
                _ => refused("such an option of a column"),
            },
            _ => refused("such an option of a column"),
        }
    }

    fn constraint(&self, constraint: &TableConstraint) -> Result<(), Objection> {
        match constraint {
            TableConstraint::Unique(_)
            | TableConstraint::PrimaryKey(_)
            | TableConstraint::Check(_)
            | TableConstraint::Index(_) => Ok(()),
            TableConstraint::ForeignKey(key) => self.foreign_key(key),
            _ => refused("such a constraint"),
        }
    }

    fn foreign_key(&self, key: &ForeignKeyConstraint) -> Result<(), Objection> {
        self.relation(&key.foreign_table)
    }

    /// That a name of a table or an index is within the schemas.
    fn relation(&self, name: &ObjectName) -> Result<(), Objection> {
        let mut parts = Vec::new();
        for part in &name.0 {
            match part {
                ObjectNamePart::Identifier(part) => {
                    parts.push((self.folded(&part.value, part.quote_style), part))
                }
                ObjectNamePart::Function(_) => return refused(format!("the name {name}")),
            }
        }
        let granted = |schema: &str| {
            self.schemas.iter().any(|granted| match self.dialect {
                Dialect::Postgresql | Dialect::Mysql => granted == schema,
                Dialect::Sqlite => granted.eq_ignore_ascii_case(schema),
            })
        };
        let table = match parts.as_slice() {
            [(table, _)] => table,
            [(schema, _), (table, _)] if granted(schema) => table,
            _ => {
                return Err(Objection::Refused(format!(
                    "{name} is outside of the schemas that are granted: {}",
                    self.schemas.join(", ")
                )));
            }
        };
        // Found without their schema, or in every one.
        let of_the_server: &[&str] = match self.dialect {
            Dialect::Postgresql => &["pg_"],
            Dialect::Mysql => &[],
            Dialect::Sqlite => &["sqlite_", "pragma_", "dbstat", "bytecode", "tables_used", "json_", "fts"],
        };
        if of_the_server.iter().any(|prefix| table.to_lowercase().starts_with(prefix)) {
            return refused(format!("{name}, which is the database's own,"));
        }
        Ok(())
    }

    /// As the database folds it.
    fn folded(&self, name: &str, quote: Option<char>) -> String {
        match (self.dialect, quote) {
            (Dialect::Postgresql, None) => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    fn query(&mut self, query: &Query) -> Result<(), Objection> {
        self.writes |= !query.locks.is_empty();
        let plain = query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if plain { self.body(&query.body) } else { refused("such a query") }
    }

    fn body(&mut self, body: &SetExpr) -> Result<(), Objection> {
        match body {
            // Selects and queries are visited by themselves.
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.writes = true;
                self.statement(statement).map(drop)
            }
            SetExpr::Table(_) => refused("TABLE"),
            SetExpr::Merge(_) => refused("MERGE"),
        }
    }

    fn select(&self, select: &Select) -> Result<(), Objection> {
        if select.into.is_some() {
            return refused("SELECT INTO");
        }
        let plain = select.optimizer_hints.is_empty()
            && select.select_modifiers.is_none()
            && select.top.is_none()
            && select.lateral_views.is_empty()
            && select.prewhere.is_none()
            && select.connect_by.is_empty()
            && select.cluster_by.is_empty()
            && select.distribute_by.is_empty()
            && select.sort_by.is_empty()
            && select.value_table_mode.is_none()
            && matches!(select.flavor, SelectFlavor::Standard);
        if plain { Ok(()) } else { refused("such a SELECT") }
    }

    fn table_factor(&self, factor: &TableFactor) -> Result<(), Objection> {
        match factor {
            TableFactor::Table {
                args: None,
                with_hints,
                version: None,
                json_path: None,
                sample: None,
                ..
            } if with_hints.is_empty() => Ok(()),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
            _ => refused("a function in place of a table"),
        }
    }

    fn expression(&self, expression: &Expr) -> Result<(), Objection> {
        match expression {
            Expr::Function(function) => match function.name.0.as_slice() {
                [ObjectNamePart::Identifier(name)]
                    if functions::is_harmless(self.dialect, &self.folded(&name.value, name.quote_style)) =>
                {
                    Ok(())
                }
                _ => refused(format!("the function {}", function.name)),
            },
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::In { target: InTarget::List(_) | InTarget::Subquery(_), .. }
            | Expr::Between { .. }
            | Expr::BinaryOp { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Cast { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::TypedString(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => Ok(()),
            other => refused(format!("the expression {other}")),
        }
    }
}

fn flow(checked: Result<(), Objection>) -> ControlFlow<Objection> {
    match checked {
        Ok(()) => ControlFlow::Continue(()),
        Err(objection) => ControlFlow::Break(objection),
    }
}

impl Visitor for Reader<'_> {
    type Break = Objection;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Objection> {
        flow(self.query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Objection> {
        flow(self.select(select))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Objection> {
        flow(self.relation(relation))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Objection> {
        flow(self.table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Objection> {
        flow(self.expression(expression))
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Objection> {
        flow(self.statement(statement).map(drop))
    }
}

#[cfg(test)]
mod tests;
