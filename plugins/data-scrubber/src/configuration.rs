//! What an operator configures: a list of rules.

use std::fmt;

use provender_sdk::Failure;
use schemars::JsonSchema;
use serde::Deserialize;

/// What may and what must be in a record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Each is applied, in their order.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// One attribute, and whether it may or must be there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) attribute: Attribute,
    /// Only entries of this type; left out: all. For attributes with entries only.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub(crate) attribute_type: Option<String>,
    #[serde(default)]
    pub(crate) presence: Presence,
    /// Where the attribute is looked for; left out: everywhere.
    #[serde(default = "Place::all")]
    #[schemars(length(min = 1))]
    pub(crate) places: Vec<Place>,
}

/// An attribute of people, their roles and their org identities.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Attribute {
    Affiliation,
    DateOfBirth,
    Organization,
    Department,
    Title,
    Address,
    EmailAddress,
    Identifier,
    Name,
    TelephoneNumber,
    Url,
}

/// Whether an attribute may or must be there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    /// A person without it is kept back.
    Required,
    /// It stays where it is.
    Optional,
    /// It is taken out.
    #[default]
    NotPermitted,
}

/// A part of a record that has attributes.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Person,
    Roles,
    OrgIdentities,
}

impl Place {
    fn all() -> Vec<Self> {
        vec![Self::Person, Self::Roles, Self::OrgIdentities]
    }
}

impl Attribute {
    /// Whether it is a list of entries with types.
    fn has_types(self) -> bool {
        use Attribute::{Address, EmailAddress, Identifier, Name, TelephoneNumber, Url};
        matches!(self, Address | EmailAddress | Identifier | Name | TelephoneNumber | Url)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Affiliation => "affiliation",
            Self::DateOfBirth => "date of birth",
            Self::Organization => "organization",
            Self::Department => "department",
            Self::Title => "title",
            Self::Address => "address",
            Self::EmailAddress => "email address",
            Self::Identifier => "identifier",
            Self::Name => "name",
            Self::TelephoneNumber => "telephone number",
            Self::Url => "URL",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.attribute.word())?;
        match &self.attribute_type {
            Some(attribute_type) => write!(f, " of type `{attribute_type}`"),
            None => Ok(()),
        }
    }
}

impl Configuration {
    /// What the schema cannot say.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let typed = |rule: &Rule| rule.attribute_type.is_some() && !rule.attribute.has_types();
        match self.rules.iter().position(typed) {
            None => Ok(()),
            Some(index) => {
                let word = self.rules[index].attribute.word();
                let message = format!("{word} has no types; leave `type` out");
                Err(Failure::configuration(message).at(format!("/rules/{index}/type")))
            }
        }
    }
}
