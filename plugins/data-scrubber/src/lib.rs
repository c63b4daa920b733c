//! Data filter `data-scrubber`: takes attributes of people out, and keeps people back who lack others.

mod configuration;
mod scrub;

use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{Context, DataFilter, Description, Failure, Filtered, Invocation};

use configuration::Configuration;

struct DataScrubber;

impl DataFilter for DataScrubber {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("data-scrubber", env!("CARGO_PKG_VERSION"))
        .summary("Takes attributes of people out, and keeps people back who lack others")
        .subjects(&[SubjectKind::Person]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        context.configuration.check()?;
        Ok(Vec::new())
    }

    fn filter(mut invocation: Invocation<Configuration>) -> Result<Filtered, Failure> {
        let configuration = &invocation.context.configuration;
        configuration.check()?;
        if let Subject::Person(person) = &mut invocation.subject
            && let Err(missing) = scrub::person(person, &configuration.rules)
        {
            return Ok(Filtered::Drop(missing));
        }
        Ok(Filtered::Pass(invocation.subject))
    }
}

provender_sdk::export_data_filter!(DataScrubber);
