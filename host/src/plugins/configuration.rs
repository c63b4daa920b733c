//! The configuration of a target or filter, checked against the JSON Schema that its plugin describes.

use jsonschema::{PatternOptions, ValidationError, Validator, draft202012};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::manifest::Manifest;
use super::schema_cost;

/// Most problems told at once.
const MAX_PROBLEMS: usize = 20;

/// Longest schema.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// Longest message taken over from the validator, which quotes the configuration.
const MAX_MESSAGE_CHARS: usize = 400;

/// Memory that one pattern may take, compiled and while it is matched, in bytes: there are at most
/// [`schema_cost::MAX_PATTERNS`].
const PATTERN_BYTES: usize = 256 * 1024;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One reason why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigurationProblem {
    /// JSON Pointer (RFC 6901) into the configuration.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// How deep a configuration may nest.
const MAX_NESTING: u32 = 32;

/// How deep a configuration is thought to nest when only its schema is known.
const USUAL_NESTING: u32 = 8;

/// Checks a configuration against the plugin's schema.
///
/// The schema is compiled anew: configurations are checked when they are written, not when plugins are called.
pub fn validate_configuration(
    manifest: &Manifest,
    configuration: &Value,
) -> Result<(), Vec<ConfigurationProblem>> {
    let whole = |message: String| vec![ConfigurationProblem { pointer: String::new(), message }];
    if !configuration.is_object() {
        return Err(whole("a configuration is a JSON object".to_owned()));
    }
    let (nesting, values) = extent(configuration);
    if nesting > MAX_NESTING {
        return Err(whole(format!("it nests {nesting} levels deep, of at most {MAX_NESTING}")));
    }
    let validator = schema_cost::check(&manifest.configuration_schema, nesting, values)
        .and_then(|()| compile(&manifest.configuration_schema));
    let validator =
        validator.map_err(|problem| whole(format!("the plugin's configuration schema {problem}")))?;
    let problems: Vec<_> = validator
        .iter_errors(configuration)
        .take(MAX_PROBLEMS)
        .map(|error| ConfigurationProblem {
            pointer: error.instance_path().to_string(),
            message: message(&error),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What is wrong, with the value if that is short: what comes after it says more.
fn message(error: &ValidationError<'_>) -> String {
    let quoting = error.to_string();
    let message = if quoting.len() > MAX_MESSAGE_CHARS { error.masked().to_string() } else { quoting };
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// Reads the schema of a description. The error says what is wrong with it.
pub(super) fn read_schema(text: &str) -> Result<Value, String> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(format!("has {} bytes, of at most {MAX_SCHEMA_BYTES}", text.len()));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    if let Some(dialect) = schema.get("$schema")
        && dialect.as_str().map(|dialect| dialect.trim_end_matches('#')) != Some(DIALECT)
    {
        return Err(format!("names the dialect {dialect}, not \"{DIALECT}\""));
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("is not of type object".to_owned());
    }
    schema_cost::check(&schema, USUAL_NESTING, 1)?;
    compile(&schema).map(|_| schema)
}

/// How deep a value nests, and of how many values it consists.
fn extent(value: &Value) -> (u32, u64) {
    let parts: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    };
    parts.into_iter().map(extent).fold((0, 1), |(nesting, values), (below, more)| {
        (nesting.max(below.saturating_add(1)), values.saturating_add(more))
    })
}

fn compile(schema: &Value) -> Result<Validator, String> {
    // Matching takes time in proportion to the text, whatever the pattern: so there is no looking around in it.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let options =
        draft202012::options().should_validate_formats(true).with_pattern_options(patterns).offline();
    options.build(schema).map_err(|error| {
        let at = error.instance_path().to_string();
        let message: String = error.to_string().chars().take(MAX_MESSAGE_CHARS).collect();
        format!("is not valid{}: {message}", if at.is_empty() { at } else { format!(" at {at}") })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::description::tests::manifest_of_schema;
    use super::*;

    #[test]
    fn a_configuration_is_refused_with_the_pointer_of_each_problem() {
        let manifest = manifest_of_schema(json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "retries": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            },
            "required": ["path"],
            "additionalProperties": false,
        }));
        assert_eq!(validate_configuration(&manifest, &json!({"path": "a"})), Ok(()));
        let problems =
            validate_configuration(&manifest, &json!({"path": 1, "retries": [1, 0], "more": true}))
                .unwrap_err();
        let mut pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/path", "/retries/1"]);
        let missing = validate_configuration(&manifest, &json!({})).unwrap_err();
        assert!(missing[0].message.contains("\"path\" is a required property"), "{missing:?}");
    }

    #[test]
    fn a_configuration_that_is_no_object_is_refused() {
        let manifest = manifest_of_schema(json!({"type": "object"}));
        let problems = validate_configuration(&manifest, &json!([])).unwrap_err();
        assert_eq!(problems[0].message, "a configuration is a JSON object");
    }

    #[test]
    fn a_schema_is_refused_for_what_is_wrong_with_it() {
        for (schema, complaint) in [
            ("{", "is not JSON"),
            ("true", "is not of type object"),
            (r#"{"type": "string"}"#, "is not of type object"),
            (r#"{"type": "object", "required": "path"}"#, "is not valid at /required"),
            (
                r#"{"type": "object", "properties": {"a": {"type": "text"}}}"#,
                "is not valid at /properties/a/type",
            ),
            (
                r#"{"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}"#,
                "names the dialect",
            ),
            (r#"{"type": "object", "$ref": "https://example.org/schema.json"}"#, "which is no place of it"),
            (r##"{"type": "object", "$ref": "#/$defs/missing"}"##, "which is no place of it"),
            (r#"{"type": "object", "properties": {"a": {"pattern": "("}}}"#, "is not valid"),
            (r#"{"type": "object", "properties": {"a": {"pattern": "(a+)+(?!b)"}}}"#, "is not valid"),
            (r#"{"type": "object", "properties": {"a": {"pattern": "\\w{9999}"}}}"#, "is not valid"),
        ] {
            let problem = read_schema(schema).unwrap_err();
            assert!(problem.contains(complaint), "{schema}: {problem}");
        }
    }

    #[test]
    fn a_schema_of_the_2020_12_dialect_is_taken() {
        let schema = json!({
            "$schema": DIALECT,
            "type": "object",
            "properties": {"mode": {"$ref": "#/$defs/mode"}, "count": {"type": "integer", "format": "uint32"}},
            "$defs": {"mode": {"enum": ["a", "b"]}},
        });
        assert_eq!(read_schema(&schema.to_string()), Ok(schema));
    }

    #[test]
    fn a_configuration_that_nests_too_deep_is_refused() {
        let manifest = manifest_of_schema(json!({"type": "object", "properties": {"a": {"$ref": "#"}}}));
        let nested = |levels| (0..levels).fold(json!({}), |inner, _| json!({"a": inner}));
        assert_eq!(validate_configuration(&manifest, &nested(32)), Ok(()));
        let problems = validate_configuration(&manifest, &nested(33)).unwrap_err();
        assert_eq!(problems[0].message, "it nests 33 levels deep, of at most 32");
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends_a_check_and_not_the_host() {
        for schema in [
            json!({"type": "object", "$ref": "#"}),
            json!({"type": "object", "allOf": [{"$ref": "#"}]}),
            json!({"type": "object", "anyOf": [{"$ref": "#/$defs/a"}], "$defs": {
                "a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"},
            }}),
        ] {
            let problem = read_schema(&schema.to_string()).unwrap_err();
            assert!(problem.contains("refers to itself"), "{problem}");
        }
    }
}
