//! Provisioner `api`: sends people as JSON messages to a REST endpoint or a message broker.

mod broker;
mod message;
mod plan;

use provender_sdk::http::{Client, path_segment};
use provender_sdk::records::{Subject, SubjectKind};
use provender_sdk::{
    Context, Description, ExpectedAnswer, Failure, Invocation, Outcome, Provisioner, Slot, SlotBinding,
    messaging, state,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::broker::{Broker, Envelope, Event};
use self::plan::Plan;

/// How people are sent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// By which requests, where an endpoint is bound.
    #[serde(default)]
    mode: Mode,
    /// The topic to publish to, where a broker is bound.
    #[serde(default)]
    #[schemars(length(min = 1))]
    topic: Option<String>,
    /// What is around each document, where a broker is bound.
    #[serde(default)]
    envelope: Envelope,
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

const ENDPOINT: &str = "endpoint";
const BROKER: &str = "broker";

struct Api;

impl Provisioner for Api {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("api", env!("CARGO_PKG_VERSION"))
        .summary("Sends people as JSON messages to a REST endpoint or a message broker")
        .subjects(&[SubjectKind::Person])
        .slots(&[
            Slot::http(ENDPOINT)
                .summary("writes and removes people; bind this or `broker`")
                .operations(&["PUT", "POST", "DELETE"])
                .optional(),
            Slot::messaging(BROKER)
                .summary("tells of people; bind this or `endpoint`")
                .operations(&["publish"])
                .optional(),
        ])
        .expected_answers(&[
            ExpectedAnswer::new(ENDPOINT, "PUT", "/*", 200),
            ExpectedAnswer::new(ENDPOINT, "POST", "/", 200),
            ExpectedAnswer::new(ENDPOINT, "DELETE", "/*", 204),
        ]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        Ok(vec![match bound(context)? {
            Bound::Endpoint => {
                Client::for_slot(context, ENDPOINT)?;
                "the endpoint is asked nothing by a check: its interface has no request that only reads"
                    .to_owned()
            }
            Bound::Broker(binding) => {
                let topic = broker::topic(&context.configuration, binding)?;
                messaging::open(BROKER)?;
                let dialect = binding.dialect.as_deref().unwrap_or("a broker");
                format!("people are published to {topic} by {dialect}; a check publishes nothing")
            }
        }])
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let Subject::Person(person) = &invocation.subject else {
            return Ok(Outcome::skipped("only people are sent"));
        };
        let state = state::of_subject();
        let sent = state.get_json::<String>(SENT_IDENTIFIER)?;
        let identifier_type = &invocation.context.configuration.identifier_type;
        let endpoint = Endpoint::of(invocation)?;

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

/// Which of the slots has a server: it decides how people are sent.
enum Bound<'a> {
    Endpoint,
    Broker(&'a SlotBinding),
}

fn bound(context: &Context<Configuration>) -> Result<Bound<'_>, Failure> {
    match (context.slot(ENDPOINT), context.slot(BROKER)) {
        (Some(_), None) => Ok(Bound::Endpoint),
        (None, Some(binding)) => Ok(Bound::Broker(binding)),
        _ => Err(Failure::configuration(format!(
            "bind a server to one of the slots `{ENDPOINT}` and `{BROKER}`"
        ))),
    }
}

/// Who is told of people.
enum Endpoint {
    Http { client: Client, mode: Mode },
    Broker(Broker),
}

impl Endpoint {
    fn of(invocation: &Invocation<Configuration>) -> Result<Self, Failure> {
        let context = &invocation.context;
        Ok(match bound(context)? {
            Bound::Endpoint => {
                let mode = context.configuration.mode;
                Self::Http { client: Client::for_slot(context, ENDPOINT)?, mode }
            }
            Bound::Broker(binding) => Self::Broker(Broker::of(invocation, binding)?),
        })
    }

    fn send(&self, identifier: &str, message: &impl Serialize) -> Result<(), Failure> {
        let request = match self {
            Self::Broker(broker) => return broker.publish(identifier, Event::Sent, message),
            Self::Http { client, mode: Mode::Put } => client.put(&person_path(identifier)?),
            Self::Http { client, mode: Mode::Post } => client.post("/"),
        };
        request.json(message)?.send()?.error_for_status()?;
        Ok(())
    }

    /// Whether there was something to remove; by POST and by a broker nobody can tell.
    fn remove(&self, identifier: &str) -> Result<bool, Failure> {
        let message = message::of_removal(identifier);
        match self {
            Self::Broker(broker) => broker.publish(identifier, Event::Removed, &message)?,
            Self::Http { client, mode: Mode::Put } => {
                return Ok(client.delete(&person_path(identifier)?).send()?.found()?.is_some());
            }
            Self::Http { client, mode: Mode::Post } => {
                client.post("/").json(&message)?.send()?.error_for_status()?;
            }
        }
        Ok(true)
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
