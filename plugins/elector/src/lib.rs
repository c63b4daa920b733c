//! Data filter `elector`: elects one of the entries of an attribute and gives it a type of its own.

mod configuration;
mod elect;

use provender_sdk::records::SubjectKind;
use provender_sdk::{DataFilter, Description, Failure, Filtered, Invocation};

use configuration::Configuration;

struct Elector;

impl DataFilter for Elector {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("elector", env!("CARGO_PKG_VERSION"))
        .summary("Elects one name, address, identifier, ... by type, source and age, and gives it a type of its own")
        .subjects(&[SubjectKind::Person, SubjectKind::Group, SubjectKind::EmailList]);

    fn filter(mut invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        elect::subject(&mut invocation.subject, &invocation.context.configuration);
        Ok(Filtered::Pass(invocation.subject))
    }
}

provender_sdk::export_data_filter!(Elector);
