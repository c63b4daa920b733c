//! Bounds the work that a configuration schema can make of a check.
//!
//! References make a short schema a long one: twenty definitions that each refer twice to the next are a million checks.
//! A schema comes from a plugin, and no plugin may keep the host busy outside the sandbox.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Checks of a schema against a value that one configuration may need; 10 million take less than a second.
const MAX_CHECKS: u64 = 10_000_000;

/// Schemas within schemas, references followed.
const MAX_DEPTH: u32 = 128;

/// Most patterns of a schema; each takes memory out of proportion to its length.
pub(super) const MAX_PATTERNS: usize = 256;

/// How often the schemas beside such a keyword are applied in all, with those within them: it asks again which of them
/// hold.
const TIMES_UNEVALUATED: u64 = 3;

/// Keywords whose schemas apply one level deeper in the configuration.
const DEEPER: [&str; 7] = [
    "additionalProperties",
    "items",
    "prefixItems",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Keywords that would make a reference mean something else than a place in this document.
const SCOPES: [&str; 6] =
    ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];

/// Refuses a schema that could need too many checks for a configuration of `values` values that nests `nesting` levels
/// deep. The error says what is wrong with it.
pub(super) fn check(schema: &Value, nesting: u32, values: u64) -> Result<(), String> {
    let patterns = patterns(schema);
    if patterns > MAX_PATTERNS {
        return Err(format!("has {patterns} patterns, of at most {MAX_PATTERNS}"));
    }
    let mut unfolding = Unfolding { root: schema, known: HashMap::new(), open: HashSet::new() };
    let cost = unfolding.cost(schema, nesting, 0)?;
    if cost.checks.saturating_mul(values) > MAX_CHECKS {
        return Err(format!("unfolds to more than {MAX_CHECKS} checks; refer to fewer definitions"));
    }
    Ok(())
}

/// What a schema costs for a value without breadth.
#[derive(Clone, Copy)]
struct Cost {
    checks: u64,
    depth: u32,
}

/// A schema by its place in memory, with the levels that the configuration has left.
type Place = (*const Value, u32);

struct Unfolding<'s> {
    root: &'s Value,
    known: HashMap<Place, Cost>,
    /// On the way to the one looked at.
    open: HashSet<Place>,
}

impl<'s> Unfolding<'s> {
    fn cost(&mut self, schema: &'s Value, nesting: u32, depth: u32) -> Result<Cost, String> {
        let place: Place = (schema, nesting);
        if let Some(known) = self.known.get(&place) {
            return within(known.depth.saturating_add(depth)).map(|()| *known);
        }
        within(depth)?;
        if !self.open.insert(place) {
            return Err("refers to itself without going deeper into the configuration".to_owned());
        }
        let mut cost = Cost { checks: 1, depth: 0 };
        for (part, nesting) in self.parts(schema, nesting)? {
            let part = self.cost(part, nesting, depth + 1)?;
            cost.checks = cost.checks.saturating_add(part.checks);
            cost.depth = cost.depth.max(part.depth + 1);
        }
        if schema.get("unevaluatedProperties").or_else(|| schema.get("unevaluatedItems")).is_some() {
            cost.checks = cost.checks.saturating_mul(TIMES_UNEVALUATED);
        }
        self.open.remove(&place);
        self.known.insert(place, cost);
        Ok(cost)
    }

    /// The schemas that a schema applies, each with the levels that are left for it. What is no schema, as the values of
    /// `enum`, counts as one.
    fn parts(&self, schema: &'s Value, nesting: u32) -> Result<Vec<(&'s Value, u32)>, String> {
        let mut parts = Vec::new();
        match schema {
            Value::Array(items) => parts.extend(items.iter().map(|item| (item, nesting))),
            Value::Object(members) => {
                for (keyword, value) in members {
                    let keyword = keyword.as_str();
                    match (keyword, value) {
                        ("$ref", reference) => parts.push((self.referred(reference)?, nesting)),
                        // Only by reference.
                        ("$defs" | "definitions", _) => {}
                        ("properties" | "patternProperties", Value::Object(schemas)) => {
                            let below = nesting.checked_sub(1);
                            parts.extend(schemas.values().filter_map(|schema| Some((schema, below?))));
                        }
                        ("dependentSchemas", Value::Object(schemas)) => {
                            parts.extend(schemas.values().map(|schema| (schema, nesting)));
                        }
                        _ if DEEPER.contains(&keyword) => {
                            parts.extend(nesting.checked_sub(1).map(|below| (value, below)));
                        }
                        _ if SCOPES.contains(&keyword)
                            && !(keyword == "$id" && std::ptr::eq(schema, self.root)) =>
                        {
                            return Err(format!("uses `{keyword}`; refer to definitions by `#/$defs/...`"));
                        }
                        _ => parts.push((value, nesting)),
                    }
                }
            }
            _ => {}
        }
        Ok(parts)
    }

    fn referred(&self, reference: &Value) -> Result<&'s Value, String> {
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        let pointer = pointer
            .filter(|pointer| !pointer.contains('%') && (pointer.is_empty() || pointer.starts_with('/')));
        pointer.and_then(|pointer| self.root.pointer(pointer)).ok_or_else(|| {
            format!("refers to {reference}, which is no place of it; refer to definitions by `#/$defs/...`")
        })
    }
}

fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => {
            let own = |(keyword, value): (&String, &Value)| match (keyword.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(schemas)) => schemas.len(),
                _ => 0,
            };
            members.iter().map(own).chain(members.values().map(patterns)).sum()
        }
        _ => 0,
    }
}

fn within(depth: u32) -> Result<(), String> {
    if depth > MAX_DEPTH {
        Err(format!("nests more than {MAX_DEPTH} levels deep, references followed"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    /// Definitions that each apply the next one so often.
    fn chain(length: u32, times: usize) -> Value {
        let reference = |number: u32| json!({"$ref": format!("#/$defs/a{number}")});
        let mut definitions: Map<String, Value> = (0..length)
            .map(|number| (format!("a{number}"), json!({"allOf": vec![reference(number + 1); times]})))
            .collect();
        definitions.insert(format!("a{length}"), json!({"type": "object"}));
        json!({"type": "object", "allOf": [reference(0)], "$defs": definitions})
    }

    #[test]
    fn a_schema_that_unfolds_beyond_measure_is_refused() {
        assert_eq!(check(&chain(10, 2), 4, 10), Ok(()));
        for schema in [chain(24, 2), chain(8, 10)] {
            let refusal = check(&schema, 4, 1).unwrap_err();
            assert!(refusal.contains("unfolds to more than 10000000 checks"), "{refusal}");
        }
        let refusal = check(&chain(10, 2), 4, 100_000).unwrap_err();
        assert!(refusal.contains("unfolds"), "{refusal}");
    }

    #[test]
    fn a_schema_that_nests_beyond_measure_is_refused_however_it_is_reached() {
        let mut schema = chain(100, 1);
        let refusal = check(&schema, 4, 1).unwrap_err();
        assert!(refusal.contains("nests more than 128 levels"), "{refusal}");
        // The far end is known before the way to it is gone.
        schema["allOf"] =
            json!((0..=100).rev().map(|n| json!({"$ref": format!("#/$defs/a{n}")})).collect::<Vec<_>>());
        assert!(check(&schema, 4, 1).unwrap_err().contains("nests more than 128 levels"));
    }

    #[test]
    fn a_schema_may_refer_to_itself_one_level_deeper() {
        let tree = json!({
            "type": "object",
            "properties": {"all": {"type": "array", "items": {"$ref": "#"}}, "not": {"$ref": "#"}},
        });
        assert_eq!(check(&tree, 8, 20), Ok(()));
        let bush =
            json!({"type": "object", "additionalProperties": {"allOf": vec![json!({"$ref": "#"}); 10]}});
        assert_eq!(check(&bush, 2, 20), Ok(()));
        assert!(check(&bush, 12, 1).unwrap_err().contains("unfolds"));
    }

    #[test]
    fn unevaluated_members_within_each_other_are_counted_as_often_as_they_are_looked_at() {
        let nested = |levels| {
            (0..levels).fold(json!({}), |inner, _| json!({"unevaluatedProperties": false, "anyOf": [inner]}))
        };
        assert_eq!(check(&nested(8), 4, 1), Ok(()));
        assert!(check(&nested(20), 4, 1).unwrap_err().contains("unfolds"));
    }

    #[test]
    fn a_schema_has_a_bounded_number_of_patterns() {
        let schema = |count| {
            let patterns = |number| (format!("^{number}"), json!({"pattern": "x"}));
            json!({"patternProperties": (0..count).map(patterns).collect::<Map<String, Value>>()})
        };
        assert_eq!(check(&schema(128), 4, 1), Ok(()));
        assert_eq!(check(&schema(129), 4, 1).unwrap_err(), "has 258 patterns, of at most 256");
        assert_eq!(check(&json!({"properties": {"pattern": {"type": "string"}}}), 4, 1), Ok(()));
    }

    #[test]
    fn references_lead_to_places_of_the_schema_and_to_nothing_else() {
        for reference in ["other.json", "https://example.org/x", "#name", "#/$defs/missing", "#/$defs/a%2Fb"]
        {
            let refusal = check(&json!({"$ref": reference, "$defs": {}}), 4, 1).unwrap_err();
            assert!(refusal.contains(reference), "{refusal}");
        }
        for keyword in ["$anchor", "$dynamicRef", "$dynamicAnchor"] {
            let refusal = check(&json!({"allOf": [{keyword: "#x"}]}), 4, 1).unwrap_err();
            assert!(refusal.contains(keyword), "{refusal}");
        }
        let named = json!({"$id": "https://example.org/schema", "properties": {"$id": {}, "$ref": {"type": "string"}}});
        assert_eq!(check(&named, 4, 1), Ok(()));
        assert!(check(&json!({"allOf": [{"$id": "inner"}]}), 4, 1).unwrap_err().contains("$id"));
    }
}
