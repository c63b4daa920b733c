//! What an operator configures: one election.

use schemars::JsonSchema;
use serde::Deserialize;

/// One election.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    pub(crate) attribute: Attribute,
    /// The type that the elected entry gets, in lower case.
    #[schemars(length(min = 1))]
    pub(crate) outbound_type: String,
    /// Which of several entries is elected.
    #[serde(default)]
    pub(crate) tie_break: TieBreak,
    /// What becomes of the others.
    #[serde(default)]
    pub(crate) replacement: Replacement,
    /// The first of these that an entry fits elects it.
    pub(crate) precedences: Vec<Precedence>,
}

/// What is elected.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Attribute {
    Name,
    Url,
    /// Of each role by itself.
    Address,
    EmailAddress,
    /// Of groups and email lists, too.
    Identifier,
    /// Of each role by itself.
    TelephoneNumber,
}

/// Which of several entries of equal precedence is elected.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TieBreak {
    /// The one that was stored first.
    #[default]
    Oldest,
    /// The one that was stored last.
    Newest,
}

/// What becomes of the entries that are there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Replacement {
    /// They stay; a copy of the elected one is put behind them.
    #[default]
    Insert,
    /// Only the elected one stays.
    Replace,
}

/// Which entries may be elected.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Precedence {
    /// Those of this type.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub(crate) inbound_type: String,
    /// Only those that this org identity source manages.
    #[schemars(length(min = 1))]
    pub(crate) source: Option<String>,
}
