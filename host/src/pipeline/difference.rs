//! What a filter changed of a subject, so that people can read it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::sandbox::Json;

/// One place where a subject is not what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Fields of the contract from the subject down; parts of a list by their `id`: `memberships[7].group.name`.
    pub path: String,
    /// None where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// None where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Differences that are kept of one step.
const DIFFERENCES: usize = 100;
/// Bytes of a value that is kept as a whole; of a longer one only how long it is.
const VALUE_BYTES: usize = 400;

/// The first differences between two subjects.
pub(super) fn differences(before: &Json, after: &Json) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), &without_case(before.value()), &without_case(after.value()), &mut found);
    found
}

/// A subject without the name of its case, which never changes: `{"Person": {..}}`.
fn without_case(subject: Value) -> Value {
    match subject {
        Value::Object(members) if members.len() == 1 => members.into_values().next().unwrap_or_default(),
        other => other,
    }
}

fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare_member(path, old.get(name), new.get(name), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_lists(&path, old, new, found),
        _ => add(path, Some(before), Some(after), found),
    }
}

fn compare_member(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, found),
        _ => add(path, before, after, found),
    }
}

/// Parts are the same by their `id`; what has none is the same by its place.
fn compare_lists(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let names = |list: &[Value]| -> Vec<String> {
        list.iter()
            .enumerate()
            .map(|(place, part)| id_of(part).unwrap_or_else(|| place.to_string()))
            .collect()
    };
    let (old_names, new_names) = (names(old), names(new));
    for (name, part) in old_names.iter().zip(old) {
        let same = new_names.iter().position(|other| other == name).and_then(|place| new.get(place));
        compare_member(format!("{path}[{name}]"), Some(part), same, found);
    }
    for (name, part) in new_names.iter().zip(new) {
        if !old_names.contains(name) {
            add(format!("{path}[{name}]"), None, Some(part), found);
        }
    }
    let stays = |name: &&String| old_names.contains(name) && new_names.contains(name);
    if !old_names.iter().filter(stays).eq(new_names.iter().filter(stays)) {
        add(path.to_owned(), Some(&old_names.into()), Some(&new_names.into()), found);
    }
}

fn id_of(part: &Value) -> Option<String> {
    part.get("metadata")?.get("id")?.as_str().map(str::to_owned)
}

fn add(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if found.len() < DIFFERENCES {
        found.push(Difference { path, before: before.map(shown), after: after.map(shown) });
    }
}

fn shown(value: &Value) -> Value {
    let length = value.to_string().len();
    if length <= VALUE_BYTES { value.clone() } else { Value::from(format!("({length} bytes)")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: &Value, after: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let subject = |person: &Value| Json::of(&json!({ "Person": person }));
        differences(&subject(before), &subject(after))
            .into_iter()
            .map(|difference| (difference.path, difference.before, difference.after))
            .collect()
    }

    fn part(id: &str, mail: &str) -> Value {
        json!({"metadata": {"id": id}, "mail": mail})
    }

    #[test]
    fn parts_are_compared_by_their_id() {
        let before = json!({"status": "Active", "email_addresses": [part("1", "a"), part("2", "b")]});
        let after = json!({"status": "Active", "email_addresses": [part("2", "c"), part("3", "d")]});
        assert_eq!(
            lines(&before, &after),
            [
                ("email_addresses[1]".to_owned(), Some(part("1", "a")), None),
                ("email_addresses[2].mail".to_owned(), Some(json!("b")), Some(json!("c"))),
                ("email_addresses[3]".to_owned(), None, Some(part("3", "d"))),
            ]
        );
        assert_eq!(lines(&before, &before), []);
    }

    #[test]
    fn another_order_and_another_value_are_told() {
        let before = json!({"names": [part("1", "a"), part("2", "b")], "title": null});
        let after = json!({"names": [part("2", "b"), part("1", "a")], "title": "x"});
        assert_eq!(
            lines(&before, &after),
            [
                ("names".to_owned(), Some(json!(["1", "2"])), Some(json!(["2", "1"]))),
                ("title".to_owned(), Some(Value::Null), Some(json!("x"))),
            ]
        );
    }

    #[test]
    fn differences_are_bounded_in_number_and_length() {
        let many: Vec<Value> = (0..200).map(|id| part(&id.to_string(), "x")).collect();
        assert_eq!(lines(&json!({ "names": many }), &json!({"names": []})).len(), DIFFERENCES);
        let found = lines(&json!({"name": ""}), &json!({"name": "x".repeat(1_000)}));
        assert_eq!(found[0].2, Some(json!("(1002 bytes)")));
    }
}
