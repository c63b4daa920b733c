//! Statements with their parameters, one below the other.

use serde_json::Value;

pub(super) fn request(operation: &str, request: &Value) -> Option<String> {
    let Some(statement) = request.get("statement").and_then(Value::as_str) else {
        return Some(operation.to_owned());
    };
    let parameters = request.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let shown = (1..).zip(parameters).map(|(number, value)| format!("\n{number}: {value}"));
    Some(statement.to_owned() + &shown.collect::<String>())
}
