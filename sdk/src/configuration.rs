//! The configuration of a plugin: its JSON Schema from the Rust type, and the Rust value from its JSON text.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::Failure;

/// The JSON Schema (2020-12) of a configuration, as JSON text.
pub(crate) fn schema<C: JsonSchema>() -> String {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<C>().as_value().to_string()
}

/// The configuration of a text. The host validates a text before it calls, so a failure here means that schema and
/// type disagree.
pub(crate) fn parse<C: DeserializeOwned>(text: &str) -> Result<C, Failure> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| Failure::configuration(error.inner().to_string()).at(json_pointer(error.path())))
}

/// A path as a JSON Pointer (RFC 6901).
fn json_pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // A variant is written as the member it is in, which the path names by itself.
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    /// What a plugin wants to know.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Configuration {
        /// The type of identifier to send.
        identifier_type: String,
        #[serde(default)]
        retries: u8,
        #[serde(default)]
        labels: BTreeMap<String, u8>,
    }

    #[test]
    fn the_schema_is_of_2020_12_and_refuses_unknown_members() {
        let schema: Value = serde_json::from_str(&schema::<Configuration>()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["description"], "What a plugin wants to know.");
        assert_eq!(schema["required"], json!(["identifier_type"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["identifier_type"]["description"], "The type of identifier to send.");
    }

    fn location(text: &str) -> (String, Option<String>) {
        match parse::<Configuration>(text) {
            Err(Failure::Configuration(failure)) => (failure.message, failure.location),
            other => panic!("a failure of the configuration, not {other:?}"),
        }
    }

    #[test]
    fn a_configuration_that_does_not_parse_fails_with_a_json_pointer() {
        let (message, pointer) = location(r#"{"identifier_type": "uid", "labels": {"a/b~c": "x"}}"#);
        assert_eq!(pointer.as_deref(), Some("/labels/a~1b~0c"));
        assert!(message.contains("expected u8"), "{message}");

        let (message, pointer) = location(r#"{"identifier_type": "uid", "retries": 300}"#);
        assert_eq!(pointer.as_deref(), Some("/retries"));
        assert!(message.contains("300"), "{message}");
    }

    #[test]
    fn a_missing_member_is_named_and_located_in_the_whole() {
        let (message, pointer) = location("{}");
        assert!(message.contains("identifier_type"), "{message}");
        assert_eq!(pointer.as_deref(), Some(""));
    }

    #[test]
    fn what_is_not_json_fails_too() {
        assert_eq!(location("no").1.as_deref(), Some(""));
    }
}
