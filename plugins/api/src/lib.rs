//! Provisioner `api`: sends people as JSON messages to a REST endpoint.

mod message;
mod plan;

use provender_sdk::http::{Client, path_segment};
use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{
    Context, Description, ExpectedAnswer, Failure, Invocation, Outcome, Provisioner, Slot, state,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::plan::Plan;

/// How people are sent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// By which requests.
    #[serde(default)]
    mode: Mode,
    /// The type of the identifier by which the endpoint knows people.
    #[schemars(length(min = 1))]
    identifier_type: String,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Each person has a URL, named by the identifier: PUT sends, DELETE removes.
    #[default]
    Put,
    /// Everything is a POST to the base URL with a final "/", removals too.
    Post,
}

/// Key of the subject's state: the identifier that the endpoint knows the person by.
const SENT_IDENTIFIER: &str = "identifier";

struct Api;

impl Provisioner for Api {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("api", env!("CARGO_PKG_VERSION"))
        .summary("Sends people as JSON messages to a REST endpoint")
        .subjects(&[SubjectKind::Person])
        .slots(&[Slot::http("endpoint")
            .summary("writes and removes people")
            .operations(&["PUT", "POST", "DELETE"])])
        .expected_answers(&[
            ExpectedAnswer::new("endpoint", "PUT", "/*", 200),
            ExpectedAnswer::new("endpoint", "POST", "/", 200),
            ExpectedAnswer::new("endpoint", "DELETE", "/*", 204),
        ]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        Endpoint::of(context)?;
        Ok(vec![
            "the endpoint is asked nothing by a check: its interface has no request that only reads"
                .to_owned(),
        ])
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let Subject::Person(person) = &invocation.subject else {
            return Ok(Outcome::skipped("only people are sent"));
        };
        let state = state::of_subject();
        let sent = state.get_json::<String>(SENT_IDENTIFIER)?;
        let identifier_type = &invocation.context.configuration.identifier_type;
        let endpoint = Endpoint::of(&invocation.context)?;

        match plan::plan(person, &invocation.action, identifier_type, sent.as_deref())? {
            Plan::Skip(reason) => Ok(Outcome::skipped(reason)),
            Plan::Send { identifier, obsolete } => {
                endpoint.send(identifier, &message::of_person(person, identifier))?;
                if let Some(obsolete) = obsolete {
                    endpoint.remove(obsolete)?;
                }
                if sent.as_deref() != Some(identifier) {
                    state.set_json(SENT_IDENTIFIER, identifier)?;
                }
                Ok(Outcome::applied())
            }
            Plan::Remove { identifier } => {
                let was_there = endpoint.remove(identifier)?;
                state.delete(SENT_IDENTIFIER)?;
                Ok(if was_there { Outcome::applied() } else { Outcome::Unchanged })
            }
        }
    }
}

/// The endpoint, spoken to in the mode of the configuration.
struct Endpoint {
    client: Client,
    mode: Mode,
}

impl Endpoint {
    fn of(context: &Context<Configuration>) -> Result<Self, Failure> {
        Ok(Self { client: Client::for_slot(context, "endpoint")?, mode: context.configuration.mode })
    }

    fn send(&self, identifier: &str, message: &impl Serialize) -> Result<(), Failure> {
        let request = match self.mode {
            Mode::Put => self.client.put(&person_path(identifier)?),
            Mode::Post => self.client.post("/"),
        };
        request.json(message)?.send()?.error_for_status()?;
        Ok(())
    }

    /// Whether there was something to remove; by POST nobody can tell.
    fn remove(&self, identifier: &str) -> Result<bool, Failure> {
        match self.mode {
            Mode::Put => Ok(self.client.delete(&person_path(identifier)?).send()?.found()?.is_some()),
            Mode::Post => {
                let message = message::of_removal(identifier);
                self.client.post("/").json(&message)?.send()?.error_for_status()?;
                Ok(true)
            }
        }
    }
}

fn person_path(identifier: &str) -> Result<String, Failure> {
    let segment = path_segment(identifier).ok_or_else(|| {
        Failure::invalid_data(format!("the identifier {identifier:?} cannot be part of a path"))
            .at("identifiers")
    })?;
    Ok(format!("/{segment}"))
}

provender_sdk::export_provisioner!(Api);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_one_segment_of_the_path_whatever_it_holds() {
        assert_eq!(person_path("anna@example.org"), Ok("/anna%40example.org".to_owned()));
        assert_eq!(person_path("a/../b"), Ok("/a%2F..%2Fb".to_owned()));
        assert!(matches!(person_path(".."), Err(Failure::InvalidData(_))));
    }

    #[test]
    fn put_is_the_mode_unless_another_is_chosen() {
        let configuration: Configuration = serde_json::from_str(r#"{"identifier_type": "uid"}"#).unwrap();
        assert!(matches!(configuration.mode, Mode::Put));
        let configuration: Configuration =
            serde_json::from_str(r#"{"identifier_type": "uid", "mode": "post"}"#).unwrap();
        assert!(matches!(configuration.mode, Mode::Post));
    }
}
