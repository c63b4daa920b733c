//! Messages to a broker: the same documents as those of an endpoint, with what they are about in headers or in an envelope.

use provender_sdk::messaging::{self, Header, Publisher};
use provender_sdk::{Context, Failure, Invocation, SlotBinding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BROKER, Configuration};

/// What is around the document of a message.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Envelope {
    /// Nothing: what it is about is in headers.
    #[default]
    Plain,
    /// A CloudEvent 1.0 in structured mode.
    Cloudevents,
}

/// A broker, and the topic that people are sent to.
pub(crate) struct Broker {
    publisher: Publisher,
    topic: String,
    about: About,
    envelope: Envelope,
}

/// What each message of an invocation tells beside its document.
pub(crate) struct About {
    pub(crate) co: String,
    pub(crate) target: String,
    pub(crate) invocation: String,
    pub(crate) action: String,
    pub(crate) time: String,
}

/// What becomes of a person.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Sent,
    Removed,
}

/// An event by CloudEvents 1.0, with the extension `partitionkey`.
#[derive(Serialize)]
struct CloudEvent<'a, D> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: &'static str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    action: &'a str,
    data: D,
}

/// The topic of the configuration, if the server covers it.
pub(crate) fn topic<'a>(configuration: &'a Configuration, bound: &SlotBinding) -> Result<&'a str, Failure> {
    let missing = || Failure::configuration("a broker needs a topic to publish to").at("/topic");
    let topic = configuration.topic.as_deref().ok_or_else(missing)?;
    let covers = |reach: &String| match reach.strip_suffix('*') {
        Some(stem) => topic.starts_with(stem),
        None => topic == reach,
    };
    if !bound.reach.iter().any(covers) {
        let reach = bound.reach.join(", ");
        return Err(
            Failure::configuration(format!("the server may be published to at {reach} only")).at("/topic")
        );
    }
    Ok(topic)
}

impl Broker {
    pub(crate) fn of(invocation: &Invocation<Configuration>, bound: &SlotBinding) -> Result<Self, Failure> {
        let Context { co, target, configuration, time, .. } = &invocation.context;
        Ok(Self {
            topic: topic(configuration, bound)?.to_owned(),
            publisher: messaging::open(BROKER)?,
            about: About {
                co: co.clone(),
                target: target.clone(),
                invocation: invocation.id.clone(),
                action: invocation.action.word().to_owned(),
                time: time.clone(),
            },
            envelope: configuration.envelope,
        })
    }

    /// Publishes what became of a person. Those of one identifier arrive in their order.
    pub(crate) fn publish(
        &self,
        identifier: &str,
        event: Event,
        document: &impl Serialize,
    ) -> Result<(), Failure> {
        let (content_type, headers, body) = match self.envelope {
            Envelope::Plain => ("application/json", self.about.headers(), serde_json::to_vec(document)),
            Envelope::Cloudevents => {
                let event = self.about.cloud_event(identifier, event, document);
                ("application/cloudevents+json", Vec::new(), serde_json::to_vec(&event))
            }
        };
        let message = messaging::Message {
            topic: self.topic.clone(),
            key: Some(identifier.to_owned()),
            content_type: Some(content_type.to_owned()),
            headers,
            body: body.map_err(|error| Failure::permanent(error.to_string()))?,
        };
        Ok(self.publisher.publish(&[message])?)
    }
}

impl About {
    fn headers(&self) -> Vec<Header> {
        let told = [
            ("action", &self.action),
            ("co", &self.co),
            ("target", &self.target),
            ("invocation", &self.invocation),
        ];
        let header = |(name, value): (&str, &String)| Header {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        };
        told.into_iter().map(header).collect()
    }

    fn cloud_event<'a, D>(&'a self, identifier: &'a str, event: Event, data: D) -> CloudEvent<'a, D> {
        let (r#type, word) = match event {
            Event::Sent => ("provender.person.sent", "sent"),
            Event::Removed => ("provender.person.removed", "removed"),
        };
        CloudEvent {
            specversion: "1.0",
            // The same when the invocation is tried again; it sends and removes at most one identifier each.
            id: format!("{}-{word}", self.invocation),
            source: format!("/cos/{}/targets/{}", self.co, self.target),
            r#type,
            subject: identifier,
            time: &self.time,
            datacontenttype: "application/json",
            partitionkey: identifier,
            action: &self.action,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use provender_sdk::ServerKind;
    use serde_json::json;

    use super::*;

    fn about() -> About {
        About {
            co: "physics".to_owned(),
            target: "events".to_owned(),
            invocation: "17".to_owned(),
            action: "updated".to_owned(),
            time: "2026-03-01T08:30:00Z".to_owned(),
        }
    }

    #[test]
    fn a_cloud_event_has_what_the_specification_requires_and_the_same_id_every_time() {
        let event = about().cloud_event_value();
        assert_eq!(
            event,
            json!({
                "specversion": "1.0", "id": "17-sent", "source": "/cos/physics/targets/events",
                "type": "provender.person.sent", "subject": "anna", "time": "2026-03-01T08:30:00Z",
                "datacontenttype": "application/json", "partitionkey": "anna", "action": "updated",
                "data": {"person": {}},
            })
        );
        assert_eq!(about().cloud_event("anna", Event::Removed, ()).id, "17-removed");
    }

    impl About {
        fn cloud_event_value(&self) -> serde_json::Value {
            serde_json::to_value(self.cloud_event("anna", Event::Sent, json!({"person": {}}))).unwrap()
        }
    }

    #[test]
    fn the_topic_must_be_one_of_the_server() {
        let bound = SlotBinding {
            slot: BROKER.to_owned(),
            kind: ServerKind::Messaging,
            base_url: None,
            reach: vec!["people".to_owned(), "staff.*".to_owned()],
            dialect: Some("nats".to_owned()),
            extensions: Vec::new(),
        };
        let configuration = |topic: Option<&str>| -> Configuration {
            serde_json::from_value(json!({"identifier_type": "uid", "topic": topic})).unwrap()
        };
        for name in ["people", "staff.", "staff.physics"] {
            assert_eq!(topic(&configuration(Some(name)), &bound), Ok(name));
        }
        for name in [None, Some("peoples"), Some("staff")] {
            assert!(
                matches!(topic(&configuration(name), &bound), Err(Failure::Configuration(_))),
                "{name:?}"
            );
        }
    }
}
