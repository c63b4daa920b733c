//! Attributes that are kept at the server: what differs, and how it is changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::service::Resource;

pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One attribute that is not as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// As PATCH writes it.
    path: String,
    /// Null where it is to go.
    value: Value,
    before: Value,
}

impl Change {
    pub(crate) fn operation(&self) -> Value {
        match &self.value {
            Value::Null => json!({ "op": "remove", "path": self.path }),
            value => json!({ "op": "replace", "path": self.path, "value": value }),
        }
    }

    pub(crate) fn attribute(&self) -> &str {
        &self.path
    }

    pub(crate) fn told(&self) -> String {
        format!("{} is {}, should be {}", self.path, self.before, self.value)
    }
}

/// What of a resource is not as it is wanted. Attributes that are wanted to be null are wanted to be absent; others that
/// are not wanted are nobody's business here.
pub(crate) fn changes(found: &Resource, wanted: &Resource) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, value) in wanted.iter().filter(|(name, _)| *name != "schemas") {
        let before = found.get(name).unwrap_or(&Value::Null);
        if let (ENTERPRISE, Value::Object(attributes)) = (name.as_str(), value) {
            for (attribute, value) in attributes {
                let before = before.get(attribute).unwrap_or(&Value::Null);
                add(&mut changes, format!("{ENTERPRISE}:{attribute}"), value, before);
            }
        } else {
            add(&mut changes, name.clone(), value, before);
        }
    }
    changes
}

fn add(changes: &mut Vec<Change>, path: String, value: &Value, before: &Value) {
    if !holds(before, value) {
        changes.push(Change { path, value: value.clone(), before: before.clone() });
    }
}

/// Whether a value is as wanted: a server may add to objects, and give lists in any order.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && {
                // Groups are large: each element meets those of the same `value` alone.
                let mut by_value: BTreeMap<Option<&str>, Vec<&Value>> = BTreeMap::new();
                found.iter().for_each(|found| by_value.entry(value_of(found)).or_default().push(found));
                wanted.iter().all(|wanted| {
                    by_value.get(&value_of(wanted)).into_iter().flatten().any(|found| holds(found, wanted))
                })
            }
        }
        (Value::Array(found), Value::Null) => found.is_empty(),
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| holds(found.get(name).unwrap_or(&Value::Null), wanted))
        }
        // A flag that is not there is not set.
        (Value::Null, Value::Bool(false)) => true,
        (found, wanted) => found == wanted,
    }
}

/// What names an element of a list (RFC 7643, section 2.4).
fn value_of(element: &Value) -> Option<&str> {
    element.get("value")?.as_str()
}

/// The whole resource for PUT: as it was read, with what is wanted in its place.
pub(crate) fn merged(found: &Resource, wanted: &Resource) -> Resource {
    let mut merged = found.clone();
    for read_only in ["meta", "groups"] {
        merged.remove(read_only);
    }
    for (name, value) in wanted {
        match (name.as_str(), value) {
            ("schemas", Value::Array(wanted)) => {
                let schemas = merged.entry(name.clone()).or_insert_with(|| json!([]));
                if let Value::Array(schemas) = schemas {
                    let missing: Vec<Value> =
                        wanted.iter().filter(|schema| !schemas.contains(schema)).cloned().collect();
                    schemas.extend(missing);
                }
            }
            (ENTERPRISE, Value::Object(attributes)) => {
                let extension = merged.entry(name.clone()).or_insert_with(|| json!({}));
                if let Value::Object(extension) = extension {
                    for (attribute, value) in attributes {
                        set(extension, attribute, value);
                    }
                    if extension.is_empty() {
                        merged.remove(name);
                    }
                }
            }
            _ => set(&mut merged, name, value),
        }
    }
    merged
}

/// Values of an attribute that has several; one without any is to be absent.
pub(crate) fn list(values: impl IntoIterator<Item = Value>) -> Value {
    let values: Vec<Value> = values.into_iter().collect();
    if values.is_empty() { Value::Null } else { values.into() }
}

/// A resource to be created: without what is to be absent.
pub(crate) fn created(wanted: &Resource) -> Resource {
    merged(&Resource::new(), wanted)
}

fn set(resource: &mut Resource, name: &str, value: &Value) {
    match without_nulls(value) {
        Value::Null => drop(resource.remove(name)),
        value => drop(resource.insert(name.to_owned(), value)),
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: Resource = members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect();
            if members.is_empty() { Value::Null } else { Value::Object(members) }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(value: Value) -> Resource {
        match value {
            Value::Object(resource) => resource,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn only_what_differs_is_changed_and_what_a_server_adds_is_no_difference() {
        let found = resource(json!({
            "id": "1", "userName": "anna", "title": "Dr", "nickName": "A", "name": {"givenName": "Anna", "formatted": "A"},
            "emails": [{"value": "b@x", "type": "home"}, {"value": "a@x", "primary": true, "type": "work"}],
        }));
        let wanted = resource(json!({
            "schemas": ["s"], "userName": "anna", "title": null, "displayName": "Anna", "active": true,
            "name": {"givenName": "Anna", "familyName": null},
            "emails": [{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "home", "primary": false}],
        }));
        let mut operations: Vec<Value> = changes(&found, &wanted).iter().map(Change::operation).collect();
        operations.sort_by_key(Value::to_string);
        assert_eq!(
            Value::from(operations),
            json!([
                {"op": "remove", "path": "title"},
                {"op": "replace", "path": "active", "value": true},
                {"op": "replace", "path": "displayName", "value": "Anna"},
            ])
        );
    }

    #[test]
    fn a_put_keeps_what_is_not_kept_here_and_sends_nothing_that_is_only_read() {
        let found = resource(json!({
            "schemas": ["a"], "id": "1", "nickName": "A", "title": "Dr", "meta": {}, "groups": [],
            ENTERPRISE: {"costCenter": "7", "department": "Old"},
        }));
        let wanted = resource(json!({
            "schemas": ["a", ENTERPRISE], "title": null, ENTERPRISE: {"department": "New", "organization": null},
        }));
        let expected = json!({
            "schemas": ["a", ENTERPRISE], "id": "1", "nickName": "A",
            ENTERPRISE: {"costCenter": "7", "department": "New"},
        });
        assert_eq!(Value::Object(merged(&found, &wanted)), expected);
    }

    #[test]
    fn an_extension_that_has_nothing_left_is_not_sent() {
        let nothing = resource(json!({ENTERPRISE: {"department": null, "organization": null}}));
        let found = resource(json!({"userName": "a", ENTERPRISE: {"department": "Old"}}));
        assert_eq!(Value::Object(merged(&found, &nothing)), json!({"userName": "a"}));
        assert_eq!(created(&nothing), Resource::new());
    }

    #[test]
    fn a_list_is_the_same_in_any_order_and_another_one_by_any_element() {
        let list =
            |values: &[&str]| json!(values.iter().map(|value| json!({"value": value})).collect::<Vec<_>>());
        assert!(holds(&list(&["b", "a"]), &list(&["a", "b"])));
        assert!(!holds(&list(&["b", "c"]), &list(&["a", "b"])));
        assert!(!holds(&list(&["a", "b", "c"]), &list(&["a", "b"])));
        let typed = |kind: &str| json!([{"value": "a", "type": kind}]);
        assert!(holds(&typed("work"), &list(&["a"])) && !holds(&typed("work"), &typed("home")));
        assert!(holds(&json!(["x", "y"]), &json!(["y", "x"])) && !holds(&json!(["x"]), &json!(["y"])));
    }

    #[test]
    fn attributes_of_the_extension_are_changed_by_their_whole_name() {
        let wanted = resource(json!({ENTERPRISE: {"department": "D", "organization": null}}));
        let changed = changes(&Resource::new(), &wanted);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].operation()["path"], json!(format!("{ENTERPRISE}:department")));
    }
}
