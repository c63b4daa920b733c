//! The log file: where it is, and what can be told of it without writing.

use provender_sdk::Failure;
use provender_sdk::files::{Entry, EntryKind, Error};

/// Where the pointer of a failure leads.
const FILE: &str = "/file";

/// A file by its folder and its name there.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(file: &'a str) -> Self {
        match file.rsplit_once('/') {
            Some((folder, name)) => Self { folder, name },
            None => Self { folder: ".", name: file },
        }
    }

    /// What the entries of the folder tell of appending to the file, in one line for the operator.
    pub(crate) fn judge(&self, entries: Result<Vec<Entry>, Error>) -> Result<String, Failure> {
        let name = self.name;
        let entries = match entries {
            Ok(entries) => entries,
            Err(Error::Refused(_)) => {
                return Ok("the folder of the log file may not be listed: the first event shows whether it can be written".to_owned());
            }
            Err(error) => return Err(append_failure(error)),
        };
        match entries.iter().find(|entry| entry.name == name) {
            None => Ok(format!("the log file {name:?} will be made by the first event")),
            Some(Entry { kind: EntryKind::File, size, .. }) => {
                Ok(format!("the log file {name:?} is there and has {size} bytes"))
            }
            Some(_) => Err(Failure::configuration(format!("{name:?} is there and is not a file")).at(FILE)),
        }
    }
}

/// Why nothing can be appended; a folder that is missing is not for the plugin to make.
pub(crate) fn append_failure(error: Error) -> Failure {
    match error {
        Error::NotFound(_) => Failure::configuration("the folder of the log file does not exist").at(FILE),
        Error::InvalidPath(message) => Failure::configuration(message).at(FILE),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind) -> Entry {
        Entry { name: name.to_owned(), kind, size: 7 }
    }

    #[test]
    fn a_file_is_looked_for_in_its_folder() {
        assert_eq!(Place::of("changelog.ndjson").folder, ".");
        let place = Place::of("a/b/log");
        assert_eq!((place.folder, place.name), ("a/b", "log"));
    }

    #[test]
    fn a_file_that_is_there_or_can_be_made_is_good() {
        let place = Place::of("log");
        assert_eq!(
            place.judge(Ok(vec![entry("log", EntryKind::File)])),
            Ok("the log file \"log\" is there and has 7 bytes".to_owned())
        );
        assert_eq!(
            place.judge(Ok(vec![entry("other", EntryKind::Directory)])),
            Ok("the log file \"log\" will be made by the first event".to_owned())
        );
    }

    #[test]
    fn a_directory_in_the_place_of_the_file_is_a_failure_of_the_configuration() {
        let failure = Place::of("log").judge(Ok(vec![entry("log", EntryKind::Directory)]));
        assert_eq!(failure, Err(Failure::configuration("\"log\" is there and is not a file").at("/file")));
    }

    #[test]
    fn a_folder_that_is_missing_is_a_failure_of_the_configuration() {
        let failure = Place::of("a/log").judge(Err(Error::NotFound("a".to_owned())));
        assert_eq!(
            failure,
            Err(Failure::configuration("the folder of the log file does not exist").at("/file"))
        );
    }

    #[test]
    fn a_folder_that_may_not_be_listed_may_still_be_written() {
        assert!(Place::of("log").judge(Err(Error::Refused("list is not granted".to_owned()))).is_ok());
    }

    #[test]
    fn what_passes_stays_transient() {
        assert_eq!(
            append_failure(Error::Io("no space left".to_owned())),
            Failure::transient("no space left")
        );
    }
}
