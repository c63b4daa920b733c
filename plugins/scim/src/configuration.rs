//! How people and groups become users and groups of the server.

use schemars::JsonSchema;
use serde::Deserialize;

/// Users and groups of a SCIM server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// Type of the identifier that becomes `userName`.
    #[schemars(length(min = 1))]
    pub(crate) user_name_type: String,
    /// Type of the identifier that becomes `externalId`. Without it, the `id` of the record.
    #[schemars(length(min = 1))]
    pub(crate) external_id_type: Option<String>,
    /// Types of email addresses that are sent, the first one primary. Without any, all are sent.
    pub(crate) email_types: Vec<String>,
    /// Types of names, by preference; else the primary name.
    pub(crate) name_types: Vec<String>,
    /// Whether employee number, organization and department are sent too, by the enterprise extension.
    pub(crate) enterprise: bool,
    /// Type of the identifier that becomes `employeeNumber` of the enterprise extension.
    #[schemars(length(min = 1))]
    pub(crate) employee_number_type: Option<String>,
    /// How what is there is changed.
    pub(crate) update: Update,
    /// What becomes of a user or group that is there already and carries no `externalId`.
    pub(crate) existing: Existing,
    /// What becomes of the user of somebody who is deleted.
    pub(crate) on_deletion: OnDeletion,
    /// Whether groups are provisioned.
    pub(crate) groups: bool,
    /// Type of the identifier that becomes the name of a group. Without it, its name.
    #[schemars(length(min = 1))]
    pub(crate) group_name_type: Option<String>,
    /// Most members that one PATCH adds or removes.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) members_per_request: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Update {
    /// By PATCH where the server says that it can, else by PUT.
    Auto,
    /// By PUT of the whole resource; what this plugin does not keep stays as it was read.
    Put,
    /// By PATCH of what differs.
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Existing {
    /// It becomes the user of the person.
    Adopt,
    /// It is in the way, and somebody must look.
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnDeletion {
    /// It is deleted.
    Delete,
    /// It stays, inactive.
    Deactivate,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            user_name_type: "uid".to_owned(),
            external_id_type: None,
            email_types: Vec::new(),
            name_types: Vec::new(),
            enterprise: false,
            employee_number_type: None,
            update: Update::Auto,
            existing: Existing::Conflict,
            on_deletion: OnDeletion::Delete,
            groups: true,
            group_name_type: None,
            members_per_request: 100,
        }
    }
}
