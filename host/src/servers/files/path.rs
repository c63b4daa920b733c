//! Paths below a root.

use std::io;

use super::{FilesError, MAX_PATH_BYTES, Refused, TEMPORARY_PREFIX};

/// A path that is within the rules: relative, parts separated by "/", none of them empty, "." or "..".
pub(super) struct FilePath(pub(super) String);

impl FilePath {
    pub(super) fn parse(path: &str) -> Result<Self, FilesError> {
        let shown = || path.chars().take(MAX_PATH_BYTES / 4).collect();
        if let Some(reason) = way_out(path) {
            return Err(FilesError::OutsideRoot { path: shown(), reason });
        }
        let part_problem = |part: &str| match part {
            "" => Some("is empty or has an empty part"),
            "." | ".." => Some("has a part of dots"),
            _ if part.starts_with(TEMPORARY_PREFIX) => {
                Some("has a name that is kept for files being written")
            }
            _ => None,
        };
        let problem = if path.len() > MAX_PATH_BYTES {
            Some("is longer than 1024 bytes")
        } else if path.contains(char::is_control) {
            Some("holds a control character")
        } else {
            path.split('/').find_map(part_problem)
        };
        match problem {
            None => Ok(Self(path.to_owned())),
            Some(reason) => Err(FilesError::InvalidPath { path: shown(), reason: reason.to_owned() }),
        }
    }

    pub(super) fn explain(&self, error: &io::Error) -> FilesError {
        let path = self.0.clone();
        if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            return refused.clone().of(path);
        }
        let invalid =
            |reason: &str| FilesError::InvalidPath { path: self.0.clone(), reason: reason.to_owned() };
        match error.kind() {
            io::ErrorKind::NotFound => FilesError::NotFound { path },
            io::ErrorKind::AlreadyExists => FilesError::AlreadyExists { path, what: "not a directory" },
            io::ErrorKind::IsADirectory => FilesError::AlreadyExists { path, what: "a directory" },
            io::ErrorKind::NotADirectory => invalid("leads through something that is not a directory"),
            io::ErrorKind::InvalidFilename => invalid("has a part that is too long"),
            // The library's own refusal; one by the operating system has a number.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                FilesError::OutsideRoot { path, reason: "there is a link on it" }
            }
            _ => FilesError::Io { path, reason: error.to_string() },
        }
    }
}

/// How a path leaves the root by its parts alone, if it does. That is no mistake in a name: it is refused as an effect.
fn way_out(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    let depths = path.split('/').scan(0_i64, |depth, part| {
        *depth += match part {
            ".." => -1,
            "" | "." => 0,
            _ => 1,
        };
        Some(*depth)
    });
    depths.into_iter().any(|depth| depth < 0).then_some("it has more `..` than parts before them")
}

/// The directory that a path is in, and its name there.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}
