//! Messages with topic, key, headers and body.

use serde_json::Value;

use super::content;

pub(super) fn request(_: &str, request: &Value) -> Option<String> {
    let messages = request.get("messages")?.as_array()?;
    Some(messages.iter().filter_map(message).collect::<Vec<_>>().join("\n\n"))
}

fn message(message: &Value) -> Option<String> {
    let member = |name: &str| message.get(name).and_then(Value::as_str);
    let mut text = format!("to {}", member("topic")?);
    for (word, name) in [("key", "key"), ("content-type", "content_type")] {
        if let Some(value) = member(name) {
            text.push_str(&format!("\n{word}: {value}"));
        }
    }
    for header in message.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = (header.get(0)?.as_str()?, header.get(1)?);
        text.push_str(&format!("\n{name}: {}", content(value)?));
    }
    Some(format!("{text}\n\n{}", content(message.get("body")?)?))
}
