//! Sets up the log: text or JSON lines to standard error or to a file.

use std::fs::File;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::configuration::{LogConfiguration, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error(
        "`log.filter` is `{filter}`, which is no filter; write for example `info` or `warn,provender=debug`"
    )]
    Filter {
        filter: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("the log is set up already")]
    Again(#[from] TryInitError),
}

/// Where log lines go.
#[derive(Debug)]
pub enum Destination {
    StandardError,
    File(File),
}

/// Starts the log of this process.
pub fn start(configuration: &LogConfiguration, destination: Destination) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&configuration.filter)
        .map_err(|source| LoggingError::Filter { filter: configuration.filter.clone(), source })?;
    let (writer, colours) = match destination {
        Destination::StandardError => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
        Destination::File(file) => (BoxMakeWriter::new(std::sync::Mutex::new(file)), false),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    match configuration.format {
        LogFormat::Text => subscriber.finish().try_init()?,
        LogFormat::Json => subscriber.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused_with_an_example() {
        let configuration = LogConfiguration { filter: "provender=loud".to_owned(), ..Default::default() };
        let error = start(&configuration, Destination::StandardError).unwrap_err().to_string();
        assert!(error.contains("`provender=loud`") && error.contains("`info`"), "{error}");
    }
}
