//! Data filter `group-name`: groups go to a target under an identifier instead of their name.

mod rename;

use provender_sdk::records::SubjectKind;
use provender_sdk::{DataFilter, Description, Failure, Filtered, Invocation};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which identifier takes the place of a group's name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// The type of the identifier. Groups without one keep their name.
    #[schemars(length(min = 1))]
    identifier_type: String,
}

struct GroupName;

impl DataFilter for GroupName {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("group-name", env!("CARGO_PKG_VERSION"))
        .summary("Replaces the names of groups by identifiers of a type")
        .subjects(&[SubjectKind::Person, SubjectKind::Group]);

    fn filter(mut invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        rename::groups(&mut invocation.subject, &invocation.context.configuration.identifier_type);
        Ok(Filtered::Pass(invocation.subject))
    }
}

provender_sdk::export_data_filter!(GroupName);
