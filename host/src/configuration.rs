//! The host's configuration: one TOML file, changed by environment variables. What it means is said here; who acts on
//! it is elsewhere.

mod load;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use load::ConfigurationError;

use crate::sandbox::{CompileLimits, Compiler, Limits, LimitsError};

/// Read instead of [`DEFAULT_FILE`] when no other file is named.
pub const FILE_VARIABLE: &str = "PROVENDER_CONFIG";
/// Holds the secret key in base64; it cannot be written in the file.
pub const SECRET_KEY_VARIABLE: &str = "PROVENDER_SECRET_KEY";
/// Read when it is there and no other file is named.
pub const DEFAULT_FILE: &str = "provender.toml";

/// All settings of a host. Relative paths start at the working directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// Everything the host keeps: database, secret key, compiled plugins.
    pub data_directory: PathBuf,
    /// `sqlite:PATH` or `postgres://...`; `provender.db` in the data directory where it is left out.
    pub database_url: Option<String>,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// The key that seals secrets of servers; `secret.key` in the data directory where it is left out.
    pub secret_key_file: Option<PathBuf>,
    /// Limits of a call that differ from the table's defaults, by name.
    pub limits: BTreeMap<String, u64>,
    pub sandbox: SandboxConfiguration,
    pub syslog: SyslogConfiguration,
    pub log: LogConfiguration,
    pub api: ApiConfiguration,
    pub retention: RetentionConfiguration,
    /// The secret key in base64, from the environment only.
    #[serde(skip)]
    pub secret_key: Option<SecretString>,
}

/// How many plugins run, how large they are, and what it may take to compile them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfiguration {
    /// Instances that exist at once.
    pub instances: u32,
    /// Whether they live in a pool; without one they are slower, and need less address space.
    pub pool: bool,
    /// Largest component that is installed.
    pub component_bytes: u64,
    /// Provisionings that run at once.
    pub concurrency: usize,
    /// Longest time that a component may take to compile.
    pub compile_seconds: u64,
    /// Most memory that a component may take to compile.
    pub compile_memory_bytes: u64,
    /// Who compiles. The program `provender` starts itself anew for it; a host within another program compiles there, and
    /// without limits, unless it is told of a program.
    #[serde(skip)]
    pub compiler: Compiler,
}

/// Where failed automatic provisionings are reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogConfiguration {
    pub enabled: bool,
    /// The unix socket of the local syslog.
    pub socket: PathBuf,
}

/// What the host logs to standard error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfiguration {
    pub format: LogFormat,
    /// Directives of the crate `tracing-subscriber`: "info", "warn,provender::pipeline=debug".
    pub filter: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What the API takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfiguration {
    /// Largest body of a request.
    pub body_bytes: u64,
    /// Longest time until an answer, provisioning included.
    pub request_timeout_ms: u64,
}

/// For how long what is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfiguration {
    /// Finished invocations and their transcripts.
    pub keep_invocations_days: u32,
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("is {other:?}, but must be \"text\" or \"json\"")),
        }
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            data_directory: PathBuf::from("provender-data"),
            database_url: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8470)),
            secret_key_file: None,
            limits: BTreeMap::new(),
            sandbox: SandboxConfiguration::default(),
            syslog: SyslogConfiguration::default(),
            log: LogConfiguration::default(),
            api: ApiConfiguration::default(),
            retention: RetentionConfiguration::default(),
            secret_key: None,
        }
    }
}

impl Default for SandboxConfiguration {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            instances: 64,
            pool: true,
            component_bytes: 64 << 20,
            concurrency: 16 * cores,
            compile_seconds: 100,
            compile_memory_bytes: 4 << 30,
            compiler: Compiler::default(),
        }
    }
}

impl Default for SyslogConfiguration {
    fn default() -> Self {
        Self { enabled: true, socket: PathBuf::from("/dev/log") }
    }
}

impl Default for LogConfiguration {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Default for ApiConfiguration {
    fn default() -> Self {
        Self { body_bytes: 4 << 20, request_timeout_ms: 120_000 }
    }
}

impl Default for RetentionConfiguration {
    fn default() -> Self {
        Self { keep_invocations_days: 30 }
    }
}

impl Configuration {
    /// Reads the file named, else the one that the environment names, else [`DEFAULT_FILE`] if it is there; the
    /// environment has the last word.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigurationError> {
        Self::load_from(file, std::env::vars_os())
    }

    /// As [`load`](Self::load), with a given environment in place of the process's own.
    pub fn load_from(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigurationError> {
        load::load(file, environment)
    }

    /// The database, with its password if it has one.
    pub fn database_url(&self) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.data_directory.join("provender.db").display()))
    }

    /// The file of the key that seals secrets of servers.
    pub fn secret_key_file(&self) -> PathBuf {
        self.secret_key_file.clone().unwrap_or_else(|| self.data_directory.join("secret.key"))
    }

    /// The limits of a call on this host.
    pub fn limits(&self) -> Result<Limits, LimitsError> {
        Limits::default().overridden(&self.limits)
    }

    /// What one compilation may take.
    pub fn compile_limits(&self) -> CompileLimits {
        let sandbox = &self.sandbox;
        CompileLimits { seconds: sandbox.compile_seconds, memory_bytes: sandbox.compile_memory_bytes }
    }

    /// Makes the data directory, for its owner only, unless it is there.
    pub fn create_data_directory(&self) -> Result<(), ConfigurationError> {
        let path = &self.data_directory;
        let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        created.map_err(|source| ConfigurationError::DataDirectory { path: path.clone(), source })
    }
}
