//! The configuration of a directory of the host's file system.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refuse;

/// A directory of the host's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfiguration {
    /// Absolute path of an existing directory. Nothing outside of it can be reached.
    #[schema(example = "/var/lib/provender/files")]
    pub root: String,
}

impl FilesConfiguration {
    pub(super) fn validate(self, refuse: &mut Refuse<'_>) -> Self {
        let root = Path::new(&self.root);
        if !root.is_absolute() {
            refuse("/root", "must be an absolute path".to_owned());
            return self;
        }
        match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => refuse("/root", format!("{} is not a directory", self.root)),
            Err(error) => refuse("/root", format!("{}: {error}; create the directory first", self.root)),
        }
        self
    }
}
