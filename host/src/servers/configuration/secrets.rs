//! Secrets in a configuration: as they are written, and as what is stored and shown tells of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::servers::ServerError;

/// Secrets of one server by field name: `password`, `token`.
pub type Secrets = BTreeMap<String, SecretString>;

/// Largest file that a secret is read from, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A secret as an operator writes it.
#[derive(Clone, Debug, Default)]
pub enum SecretInput {
    /// Left out: it stays as it is stored.
    #[default]
    Kept,
    /// The secret itself; sealed when it is stored, and never given back.
    Text(SecretString),
    /// Where it is read when it is needed.
    Reference(SecretReference),
}

/// A secret that is not stored here, but in the surroundings of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretReference {
    /// Absolute path of a file that holds nothing else; a line end behind it is not part of it.
    #[schema(value_type = String, example = "/run/secrets/directory")]
    File(PathBuf),
    /// Name of an environment variable.
    #[schema(example = "DIRECTORY_PASSWORD")]
    Environment(String),
}

/// Where a secret is, as stored and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretPlace {
    /// Sealed with the configuration; not shown at all.
    #[default]
    Stored,
    Reference(SecretReference),
}

/// What a configuration tells of a secret when it is written out.
pub trait Told: Serialize {
    /// Whether the field is left out.
    fn is_left_out(&self) -> bool;
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored encrypted"),
            Self::Reference(SecretReference::File(path)) => write!(f, "file {}", path.display()),
            Self::Reference(SecretReference::Environment(name)) => write!(f, "environment variable {name}"),
        }
    }
}

impl Told for SecretPlace {
    fn is_left_out(&self) -> bool {
        *self == Self::Stored
    }
}

impl Serialize for SecretPlace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Stored => serializer.serialize_none(),
            Self::Reference(reference) => reference.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SecretPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reference = Option::<SecretReference>::deserialize(deserializer)?;
        Ok(reference.map_or(Self::Stored, Self::Reference))
    }
}

/// Reads a secret without ever quoting it in an error.
impl<'de> Deserialize<'de> for SecretInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Nothing(()),
            Text(String),
            Reference(SecretReference),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Nothing(())) => Ok(Self::Kept),
            Ok(Written::Text(text)) => Ok(Self::Text(text.into())),
            Ok(Written::Reference(reference)) => Ok(Self::Reference(reference)),
            Err(_) => Err(serde::de::Error::custom(
                "a secret must be a string, {\"file\": \"/path\"} or {\"environment\": \"NAME\"}",
            )),
        }
    }
}

/// Reads a secret that is a plain text, without ever quoting it in an error.
pub(crate) fn secret_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer)
        .map(|text| text.map(SecretString::from))
        .map_err(|_| serde::de::Error::custom("a secret must be a string"))
}

/// A place for a secret in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretField {
    /// Its name among the secrets of the server.
    pub name: &'static str,
    /// JSON pointer (RFC 6901) of the field.
    pub pointer: &'static str,
    pub form: SecretForm,
}

/// What a secret may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretForm {
    /// Visible ASCII characters, at least one.
    Token,
    /// Anything on one line.
    Line,
    /// Anything.
    Text,
}

impl SecretField {
    /// Says what is wrong with a secret, without quoting it.
    pub(super) fn check(self, secret: &SecretString) -> Result<(), &'static str> {
        let text = secret.expose_secret();
        match self.form {
            SecretForm::Token if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("must be visible ASCII characters; mind spaces and line ends around it")
            }
            SecretForm::Line if text.contains(char::is_control) => {
                Err("must not hold control characters; mind a line end behind it")
            }
            _ => Ok(()),
        }
    }
}

impl SecretReference {
    /// Says what is wrong with it, without reading the secret.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::File(path) if !path.is_absolute() => Err("must be a file by its absolute path"),
            Self::Environment(name) if name.is_empty() || name.contains(['=', '\0']) => {
                Err("must be an environment variable by its name")
            }
            _ => Ok(()),
        }
    }

    /// The secret, as it is there now.
    pub(super) fn read(&self, field: SecretField) -> Result<SecretString, ServerError> {
        let unusable =
            |problem: String| ServerError::Unusable { problem: format!("secret {}: {problem}", field.name) };
        let text = match self {
            Self::File(path) => {
                let failed = |error: std::io::Error| unusable(format!("file {}: {error}", path.display()));
                let length = std::fs::metadata(path).map_err(failed)?.len();
                if length > MAX_FILE_BYTES {
                    return Err(unusable(format!(
                        "file {} has {length} bytes, of at most {MAX_FILE_BYTES}",
                        path.display()
                    )));
                }
                Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?)
            }
            Self::Environment(name) => Zeroizing::new(
                std::env::var(name)
                    .map_err(|_| unusable(format!("the environment has no text in variable {name}")))?,
            ),
        };
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        let secret = SecretString::from(text);
        field.check(&secret).map_err(|problem| unusable(problem.to_owned()))?;
        Ok(secret)
    }
}

/// Files that secrets were read from, as they were then: so a new secret is noticed without a restart.
#[derive(Debug, Default)]
pub struct SecretFiles(Vec<(PathBuf, Stamp)>);

/// What changes with the content of a file; none where there is no file. Whoever replaces a file by renaming another to its
/// name changes its number too.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

impl SecretFiles {
    /// The files among these places. To be called before they are read, so that no change in between is missed.
    pub(in crate::servers) fn among(places: impl IntoIterator<Item = SecretPlace>) -> Self {
        let file = |place| match place {
            SecretPlace::Reference(SecretReference::File(path)) => Some((stamp(&path), path)),
            _ => None,
        };
        Self(places.into_iter().filter_map(file).map(|(stamp, path)| (path, stamp)).collect())
    }

    /// Whether any of them is another one by now.
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(path, before)| stamp(path) != *before)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

impl PartialSchema for SecretPlace {
    fn schema() -> RefOr<Schema> {
        SecretReference::schema()
    }
}

impl ToSchema for SecretPlace {
    fn name() -> Cow<'static, str> {
        SecretReference::name()
    }
}

impl PartialSchema for SecretInput {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .write_only(true)
            .description(Some("The secret; never given back."));
        OneOfBuilder::new()
            .item(text)
            .item(SecretReference::schema())
            .description(Some(
                "A secret. Left out, it stays as it is stored, as long as it is sent to the same.",
            ))
            .into()
    }
}

impl ToSchema for SecretInput {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SecretInput")
    }
}
