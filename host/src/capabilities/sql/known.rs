//! Statements of a slot whose class is known: a plugin runs the same few for every subject, and to read one takes longer than
//! most databases need to run it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::statement::{Class, Objection};

/// Bytes of statements that are remembered; beyond, all are forgotten.
const ROOM: usize = 1024 * 1024;

/// What passed before. What is refused is read again each time.
#[derive(Default)]
pub(super) struct KnownStatements(Mutex<Statements>);

#[derive(Default)]
struct Statements {
    classes: HashMap<String, Class>,
    bytes: usize,
}

impl KnownStatements {
    /// The class of a statement, which `read` finds out where it is not known.
    pub(super) fn class(
        &self,
        statement: &str,
        read: impl FnOnce() -> Result<Class, Objection>,
    ) -> Result<Class, Objection> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(class) = known().classes.get(statement) {
            return Ok(*class);
        }
        let class = read()?;
        let mut known = known();
        known.bytes += statement.len();
        if known.bytes > ROOM {
            *known = Statements { bytes: statement.len(), ..Statements::default() };
        }
        known.classes.insert(statement.to_owned(), class);
        Ok(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_passed_is_read_once_and_one_that_did_not_each_time() {
        let known = KnownStatements::default();
        let never = || -> Result<Class, Objection> { panic!("it is known") };
        assert_eq!(known.class("SELECT 1", || Ok(Class::Read)), Ok(Class::Read));
        assert_eq!(known.class("SELECT 1", never), Ok(Class::Read));
        let refused = || Err(Objection::Refused("no".to_owned()));
        assert_eq!(known.class("SELECT 2", refused), refused());
        assert_eq!(known.class("SELECT 2", || Ok(Class::Write)), Ok(Class::Write));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let known = KnownStatements::default();
        let long = |number: usize| format!("SELECT '{number}{}'", "x".repeat(64 * 1024));
        for number in 0..40 {
            assert_eq!(known.class(&long(number), || Ok(Class::Read)), Ok(Class::Read));
            let remembered = known.0.lock().unwrap();
            assert!(remembered.bytes <= ROOM);
            assert_eq!(remembered.bytes, remembered.classes.keys().map(String::len).sum::<usize>());
        }
    }
}
