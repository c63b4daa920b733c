//! Where homes lie, what they look like, and what becomes of them.

use std::borrow::Cow;

use provender_sdk::Failure;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::account::is_path;

/// Home directories of people.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// The cluster whose accounts have the homes. Without it, people have them by their identifiers.
    #[schemars(length(min = 1))]
    pub(crate) cluster: Option<String>,
    /// Type of the identifier that holds the numeric owner.
    #[schemars(length(min = 1))]
    pub(crate) uid_number_type: String,
    /// Type of the identifier that holds the numeric group.
    #[schemars(length(min = 1))]
    pub(crate) gid_number_type: String,
    /// Type of the identifier that holds the home directory.
    #[schemars(length(min = 1))]
    pub(crate) home_directory_type: String,
    /// What home directories begin with that is left out below the root: of "/home/anna" stays "anna".
    pub(crate) prefix: String,
    /// The directory below the root of the slot that homes lie in; empty for the root itself.
    pub(crate) below: String,
    /// Mode of a home, in octal.
    pub(crate) mode: Mode,
    /// The directory that new homes are copied from, below the root of the slot `skeleton`. Without it, homes begin empty.
    #[schemars(length(min = 1))]
    pub(crate) skeleton: Option<String>,
    /// What becomes of the home of somebody who is deleted, or who must not be at this target any more.
    pub(crate) on_deletion: Policy,
    /// What becomes of the home of somebody who is expired, suspended or locked, until that ends.
    #[schemars(with = "InactivePolicy")]
    #[serde(deserialize_with = "not_removed")]
    pub(crate) when_inactive: Policy,
    /// The directory below the root of the slot that homes are archived in.
    #[schemars(length(min = 1))]
    pub(crate) archive: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// It stays as it is.
    Keep,
    /// It stays, and nobody may use it: mode 0000.
    Close,
    /// It is moved to the archive.
    Archive,
    /// It is removed with all that is in it.
    Remove,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is used")]
enum InactivePolicy {
    /// It stays as it is.
    Keep,
    /// It stays, and nobody may use it: mode 0000.
    Close,
    /// It is moved to the archive, and back.
    Archive,
}

fn not_removed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    match Policy::deserialize(deserializer)? {
        Policy::Remove => Err(serde::de::Error::custom("somebody who may come back keeps the home")),
        policy => Ok(policy),
    }
}

/// Bits of permission in octal: "0750".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
        mode.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no mode in octal")))
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-7]{3,4}$" })
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            cluster: None,
            uid_number_type: "uidNumber".to_owned(),
            gid_number_type: "gidNumber".to_owned(),
            home_directory_type: "homeDirectory".to_owned(),
            prefix: "/home".to_owned(),
            below: String::new(),
            mode: Mode(0o700),
            skeleton: None,
            on_deletion: Policy::Keep,
            when_inactive: Policy::Keep,
            archive: "archive".to_owned(),
        }
    }
}

impl Configuration {
    /// What the schema cannot say.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (path, place, may_be_empty) in [
            (self.below.as_str(), "/below", true),
            (self.archive.as_str(), "/archive", false),
            (self.skeleton.as_deref().unwrap_or("skeleton"), "/skeleton", false),
        ] {
            if !(is_path(path) || may_be_empty && path.is_empty()) {
                let message =
                    format!("{path:?} is no path below a root: parts separated by \"/\", none of them dots");
                return Err(Failure::configuration(message).at(place));
            }
        }
        if self.archive == self.below {
            return Err(
                Failure::configuration("homes and the archive need directories of their own").at("/archive")
            );
        }
        Ok(())
    }

    pub(crate) fn archives(&self) -> bool {
        [self.on_deletion, self.when_inactive].contains(&Policy::Archive)
    }
}
