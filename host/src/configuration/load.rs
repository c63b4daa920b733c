//! Reads the configuration from its sources and says where a mistake stands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;

use super::{
    Configuration, DEFAULT_FILE, FILE_VARIABLE, SECRET_KEY_VARIABLE, SMTP_PASSWORD_VARIABLE,
    SmtpConfiguration,
};
use crate::sandbox::LimitsError;

const PREFIX: &str = "PROVENDER";
/// Of the build, and still there under `cargo run`.
const BUILD_VARIABLE: &str = "PROVENDER_PLUGINS_DIR";
/// Tables with keys of their own.
const OPEN_TABLES: [&str; 1] = ["limits"];
/// What is read from an environment variable only.
const SECRETS: [(&str, &str); 2] =
    [("secret_key", SECRET_KEY_VARIABLE), ("smtp.password", SMTP_PASSWORD_VARIABLE)];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("configuration file `{}` cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`data_directory` {} cannot be made; choose another or make it first", path.display())]
    DataDirectory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{key}` in {origin} is not a setting{}", hint(nearest))]
    UnknownKey { origin: String, key: String, nearest: Option<String> },
    #[error("`{key}` in {origin} is not allowed; keep it in `{key}_file` or in {variable}")]
    SecretInFile { origin: String, key: String, variable: &'static str },
    #[error("limits in the configuration")]
    Limits(#[from] LimitsError),
    #[error("`{key}` in the configuration is {value}, but must be at least 1")]
    Zero { key: &'static str, value: u64 },
    #[error("`{key}` in {origin} cannot be used: {problem}")]
    Value { origin: String, key: String, problem: String },
    #[error("configuration file `{file}` is no TOML: {problem}")]
    NotToml { file: String, problem: String },
    #[error("configuration: {problem}")]
    Invalid { problem: String },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

pub(super) fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Configuration, ConfigurationError> {
    let mut named = file.map(Path::to_owned);
    let (mut secret_key, mut smtp_password) = (None, None);
    let mut settings = config::Map::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        if name == FILE_VARIABLE {
            named = named.or_else(|| Some(PathBuf::from(value)));
        } else if name == SECRET_KEY_VARIABLE {
            secret_key = Some(SecretString::from(value.to_string_lossy().into_owned()));
        } else if name == SMTP_PASSWORD_VARIABLE {
            smtp_password = Some(SecretString::from(value.to_string_lossy().into_owned()));
        } else if name.starts_with(PREFIX) && name != BUILD_VARIABLE {
            settings.insert(name, value.to_string_lossy().into_owned());
        }
    }
    let path = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let (file, content) = match path {
        Some(path) => (path.display().to_string(), read(path)?),
        None => (String::new(), String::new()),
    };
    check_toml(&file, &content)?;
    let environment =
        Environment::with_prefix(PREFIX).prefix_separator("_").separator("__").source(Some(settings));
    let sources = Config::builder()
        .add_source(File::from_str(&content, FileFormat::Toml))
        .add_source(environment)
        .build()
        .map_err(|error| ConfigurationError::Invalid { problem: error.to_string() })?;
    refuse_unknown_keys(&sources.cache, "", &known_keys(), &file)?;
    let values = sources.cache.clone();
    let configuration: Configuration =
        sources.try_deserialize().map_err(|error| wrong_value(error, &values, &file))?;
    let smtp = SmtpConfiguration { password: smtp_password, ..configuration.smtp };
    let configuration = Configuration { secret_key, smtp, ..configuration };
    check_values(&configuration)?;
    Ok(configuration)
}

/// Says where a file is no TOML and why. The line itself is not quoted: a password may stand in it.
fn check_toml(file: &str, content: &str) -> Result<(), ConfigurationError> {
    let Err(error) = toml::from_str::<toml::Table>(content) else { return Ok(()) };
    let start = error.span().and_then(|span| content.get(..span.start)).unwrap_or_default();
    let line = start.matches('\n').count() + 1;
    let column = start.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let problem = format!("line {line}, column {column}: {}", error.message());
    Err(ConfigurationError::NotToml { file: file.to_owned(), problem })
}

fn read(path: PathBuf) -> Result<String, ConfigurationError> {
    std::fs::read_to_string(&path).map_err(|source| ConfigurationError::Unreadable { path, source })
}

/// The defaults as a tree: its keys are all there are.
fn known_keys() -> serde_json::Value {
    serde_json::to_value(Configuration::default()).unwrap_or_default()
}

fn refuse_unknown_keys(
    given: &Value,
    path: &str,
    known: &serde_json::Value,
    file: &str,
) -> Result<(), ConfigurationError> {
    let (ValueKind::Table(table), Some(known)) = (&given.kind, known.as_object()) else { return Ok(()) };
    for (name, value) in table {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let origin = || origin(value, file);
        match known.get(name) {
            Some(_) if OPEN_TABLES.contains(&key.as_str()) => {}
            Some(below) => refuse_unknown_keys(value, &key, below, file)?,
            None => {
                if let Some((_, variable)) = SECRETS.iter().find(|(secret, _)| *secret == key) {
                    return Err(ConfigurationError::SecretInFile { origin: origin(), key, variable });
                }
                let nearest = nearest(name, known.keys());
                return Err(ConfigurationError::UnknownKey { origin: origin(), key, nearest });
            }
        }
    }
    Ok(())
}

/// Says where a value of the wrong type or form stands, which the crate does for some of its errors only.
fn wrong_value(error: ConfigError, values: &Value, file: &str) -> ConfigurationError {
    let (key, problem) = match error {
        ConfigError::Type { unexpected, expected, key: Some(key), .. } => {
            (key, format!("is {unexpected}, but must be {expected}"))
        }
        ConfigError::At { error, key: Some(key), .. } => (key, error.to_string()),
        other => return ConfigurationError::Invalid { problem: other.to_string() },
    };
    let value = key.split('.').try_fold(values, |value, name| match &value.kind {
        ValueKind::Table(table) => table.get(name),
        _ => None,
    });
    ConfigurationError::Value { origin: origin(value.unwrap_or(values), file), key, problem }
}

/// Where a value comes from. What comes from the environment says so; a table has no origin, but what it holds has.
fn origin(value: &Value, file: &str) -> String {
    match (value.origin(), &value.kind) {
        (Some(origin), _) => origin.to_owned(),
        (None, ValueKind::Table(table)) if !table.is_empty() => {
            table.values().next().map_or_else(String::new, |value| origin(value, file))
        }
        (None, _) => format!("`{file}`"),
    }
}

/// The known key that looks most like the one given, if one does.
fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k String>) -> Option<String> {
    const ALIKE: f64 = 0.75;
    known
        .map(|key| (strsim::jaro_winkler(given, key), key))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, key)| key.clone())
}

fn check_values(configuration: &Configuration) -> Result<(), ConfigurationError> {
    configuration.limits()?;
    let sandbox = &configuration.sandbox;
    for (key, value) in [
        ("sandbox.instances", u64::from(sandbox.instances)),
        ("sandbox.component_bytes", sandbox.component_bytes),
        ("sandbox.concurrency", sandbox.concurrency as u64),
        ("sandbox.compile_seconds", sandbox.compile_seconds),
        ("sandbox.compile_memory_bytes", sandbox.compile_memory_bytes),
        ("api.body_bytes", configuration.api.body_bytes),
        ("notifications.retry_s", configuration.notifications.retry_s),
        ("notifications.timeout_s", configuration.notifications.timeout_s),
        ("api.request_timeout_ms", configuration.api.request_timeout_ms),
        ("workers.lease_ms", configuration.workers.lease_ms),
    ] {
        if value == 0 {
            return Err(ConfigurationError::Zero { key, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::LogFormat;
    use super::*;

    fn read(toml: &str, environment: &[(&str, &str)]) -> Result<Configuration, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("host.toml");
        std::fs::write(&file, toml).unwrap();
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        load(Some(&file), environment).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        })
    }

    #[test]
    fn without_a_file_everything_has_its_default() {
        let configuration = load(None, []).unwrap();
        assert_eq!(configuration.listen.to_string(), "127.0.0.1:8470");
        assert_eq!(configuration.database_url(), "sqlite://provender-data/provender.db");
        assert_eq!(configuration.secret_key_file(), Path::new("provender-data/secret.key"));
    }

    #[test]
    fn the_environment_has_the_last_word_over_the_file() {
        let configuration = read(
            "listen = '127.0.0.1:1'\n[sandbox]\ninstances = 5\n[log]\nformat = 'json'",
            &[
                ("PROVENDER_LISTEN", "[::1]:2"),
                ("PROVENDER_SANDBOX__CONCURRENCY", "3"),
                ("PROVENDER_SYSLOG__ENABLED", "false"),
                ("PROVENDER_LIMITS__FUEL", "7"),
                ("OTHER_LISTEN", "x"),
            ],
        )
        .unwrap();
        assert_eq!(configuration.listen.to_string(), "[::1]:2");
        assert_eq!((configuration.sandbox.instances, configuration.sandbox.concurrency), (5, 3));
        assert_eq!(configuration.log.format, LogFormat::Json);
        assert!(!configuration.syslog.enabled);
        assert_eq!(configuration.limits.get("fuel"), Some(&7));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_that_exists() {
        for (toml, key, nearest) in [
            ("lisen = 'x'", "`lisen`", "did you mean `listen`?"),
            ("[sandbox]\ninstance = 1", "`sandbox.instance`", "did you mean `instances`?"),
            ("[sandbocks]\nfuel = 1", "`sandbocks`", "did you mean `sandbox`?"),
        ] {
            let error = read(toml, &[]).unwrap_err();
            assert!(
                error.starts_with(key) && error.contains("host.toml") && error.contains(nearest),
                "{error}"
            );
        }
        let error = read("", &[("PROVENDER_QQQ", "1")]).unwrap_err();
        assert_eq!(error, "`qqq` in the environment is not a setting");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_file_and_key() {
        for (toml, key) in [
            ("listen = 'here'", "listen"),
            ("[sandbox]\ninstances = 'many'", "sandbox.instances"),
            ("[log]\nformat = 'xml'", "log.format"),
            ("[limits]\nfuel = -1", "limits.fuel"),
        ] {
            let error = read(toml, &[]).unwrap_err();
            assert!(error.contains(key) && error.contains("host.toml"), "{error}");
        }
    }

    #[test]
    fn a_limit_that_does_not_exist_or_goes_too_far_is_refused() {
        let error = read("[limits]\ncpu = 1", &[]).unwrap_err();
        assert!(error.contains("limit `cpu` does not exist"), "{error}");
        let error = read("[limits]\ndeadline_ms = 600001", &[]).unwrap_err();
        assert!(error.contains("must be from 1 to 600000"), "{error}");
        let error = read("[sandbox]\ninstances = 0", &[]).unwrap_err();
        assert!(error.contains("`sandbox.instances`"), "{error}");
    }

    #[test]
    fn the_secret_key_comes_from_the_environment_and_never_from_the_file() {
        let configuration = read("", &[(SECRET_KEY_VARIABLE, "c2VjcmV0")]).unwrap();
        assert!(configuration.secret_key.is_some());
        assert!(!format!("{configuration:?}").contains("c2VjcmV0"));
        let error = read("secret_key = 'c2VjcmV0'", &[]).unwrap_err();
        assert!(error.contains("host.toml") && error.contains("PROVENDER_SECRET_KEY"), "{error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_named() {
        let missing = load(None, [(FILE_VARIABLE.into(), "/nowhere/host.toml".into())]).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/host.toml"), "{missing}");
        let error = read("listen = = 1", &[]).unwrap_err();
        assert!(error.contains("host.toml") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_number_too_large_for_anything_is_told_with_its_line() {
        let error =
            read("listen = '127.0.0.1:1'\n[limits]\nfuel = 99999999999999999999999999999999999999999", &[]);
        assert!(error.as_ref().unwrap_err().contains("line 3, column 8"), "{error:?}");
    }

    #[test]
    fn a_line_that_is_no_toml_is_not_quoted_since_it_may_hold_a_password() {
        for line in ["database_url = postgres://anna:hunter2@example.org/x", "secret_key = 'hunter2"] {
            let error = read(line, &[]).unwrap_err();
            assert!(error.contains("line 1, column") && !error.contains("hunter2"), "{error}");
        }
    }
}
