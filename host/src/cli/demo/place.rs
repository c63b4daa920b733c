//! The folder of a demo: where everything that it leaves behind is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::configuration::Configuration;

/// The file below the root of the changelog's server.
pub(super) const CHANGELOG_FILE: &str = "events.ndjson";

/// A fresh folder with a configuration file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    /// Makes the folder, or takes an empty one; without a name, a new one below the system's temporary folder.
    pub(super) fn prepare(directory: Option<&Path>) -> anyhow::Result<Self> {
        let root = match directory {
            Some(directory) => fresh(directory)?,
            None => tempfile::Builder::new().prefix("provender-demo-").tempdir()?.keep(),
        };
        // Servers and configuration name it for processes that start elsewhere.
        let place = Self { root: root.canonicalize()? };
        fs::create_dir(place.changelog_root())?;
        fs::write(place.configuration_file(), place.configuration_text()?)?;
        Ok(place)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn configuration_file(&self) -> PathBuf {
        self.root.join("provender.toml")
    }

    /// What the file of records is called that the demo makes up.
    pub(super) fn records_file(&self) -> PathBuf {
        self.root.join("records.ndjson")
    }

    pub(super) fn changelog_root(&self) -> PathBuf {
        self.root.join("changelog")
    }

    pub(super) fn changelog_file(&self) -> PathBuf {
        self.changelog_root().join(CHANGELOG_FILE)
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.root.join("provender.log")
    }

    /// The configuration that the file says, and nothing from the environment.
    pub(super) fn configuration(&self) -> Configuration {
        let mut configuration =
            Configuration { data_directory: self.root.join("data"), ..Configuration::default() };
        configuration.syslog.enabled = false;
        configuration.sandbox.compiler = super::super::compiler();
        configuration
    }

    fn configuration_text(&self) -> anyhow::Result<String> {
        // JSON's way to write a text is one of TOML's.
        let data = serde_json::to_string(&self.root.join("data"))?;
        Ok(format!(
            "# Made by `provender demo`.\ndata_directory = {data}\n\n\
             # What fails in a demo fails on purpose.\n[syslog]\nenabled = false\n"
        ))
    }
}

fn fresh(directory: &Path) -> anyhow::Result<PathBuf> {
    let name = || format!("folder `{}`", directory.display());
    fs::create_dir_all(directory).with_context(name)?;
    if fs::read_dir(directory).with_context(name)?.next().is_some() {
        bail!("folder `{}` is not empty; name a new one", directory.display());
    }
    Ok(directory.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_file_says_what_the_demo_runs_with() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::prepare(Some(&directory.path().join("it's \"new\""))).unwrap();
        let read = Configuration::load(Some(&place.configuration_file())).unwrap();
        assert_eq!(read.data_directory, place.configuration().data_directory);
        assert!(!read.syslog.enabled);
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine"), "").unwrap();
        let error = Place::prepare(Some(directory.path())).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
