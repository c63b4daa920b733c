//! Data filter `group-filter`: groups go to a target, or do not, by their names.

mod rules;

use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{Context, DataFilter, Description, Failure, Filtered, Invocation};
use schemars::JsonSchema;
use serde::Deserialize;

use rules::{Rule, Rules};

/// Which groups go to the target.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// Looked at in their order for each group.
    #[schemars(length(min = 1))]
    rules: Vec<Rule>,
}

struct GroupFilter;

impl DataFilter for GroupFilter {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("group-filter", env!("CARGO_PKG_VERSION"))
        .summary("Leaves out groups, and memberships in them, by patterns of their names")
        .subjects(&[SubjectKind::Person, SubjectKind::Group]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        Rules::compile(&context.configuration.rules)?;
        Ok(rules::advice(&context.configuration.rules))
    }

    fn filter(mut invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        let rules = Rules::compile(&invocation.context.configuration.rules)?;
        match &mut invocation.subject {
            Subject::Group(group) => {
                if let Err(why) = rules.keep(&group.name) {
                    return Ok(Filtered::Drop(why));
                }
            }
            Subject::Person(person) => {
                person.memberships.retain(|membership| rules.keep(&membership.group.name).is_ok());
            }
            Subject::EmailList(_) | Subject::Service(_) | Subject::Other(_) => {}
        }
        Ok(Filtered::Pass(invocation.subject))
    }
}

provender_sdk::export_data_filter!(GroupFilter);
