//! JSON Schemas that plugins give, and configurations checked by them. Input: a schema and a configuration, separated.

use provender::capabilities::contract::records::SubjectKind;
use provender::capabilities::contract::types::Description;
use provender::plugins::{manifest, validate_configuration};
use provender::sandbox::{Inspection, World};

use crate::SEPARATOR;

/// A schema is taken or refused in bounded time, and so is a configuration, with a bounded text that leads into it.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (schema, configuration) = text.split_once(SEPARATOR).unwrap_or((&text, "{}"));
    let description = Description {
        name: "accounts".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "Keeps accounts".to_owned(),
        subject_kinds: vec![SubjectKind::Person],
        configuration_schema: schema.to_owned(),
        slots: Vec::new(),
        safe_requests: Vec::new(),
        expected_answers: Vec::new(),
        extensions: Vec::new(),
    };
    let inspection =
        Inspection { world: World::Provisioner, contract: "0.1.0".to_owned(), imports: Vec::new() };
    let manifest = match manifest(description, inspection, "0".repeat(64), 8) {
        Ok(manifest) => manifest,
        Err(problem) => {
            let length = problem.to_string().len();
            assert!(length < 16_384, "a text of {length} bytes");
            return;
        }
    };
    let Ok(configuration) = serde_json::from_str(configuration) else { return };
    let Err(problems) = validate_configuration(&manifest, &configuration) else { return };
    assert!((1..=20).contains(&problems.len()));
    for problem in problems {
        assert!(problem.message.chars().count() <= 1_000, "{}", problem.message);
        assert!(configuration.pointer(&problem.pointer).is_some(), "{problem:?} leads nowhere");
    }
}
