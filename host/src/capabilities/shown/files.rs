//! Operations on files, with what they write.

use serde_json::Value;

use super::content;

/// Members of a request that have a place of their own in what is shown.
const OWN_PLACE: [&str; 4] = ["slot", "path", "lines", "content"];

pub(super) fn request(operation: &str, request: &Value) -> Option<String> {
    let member = |name: &str| request.get(name)?.as_str();
    let (path, slot) = (member("path")?, member("slot")?);
    let to = if operation == "append" { "to " } else { "" };
    let mut text = format!("{operation} {to}{path} of slot `{slot}`");
    let others = request.as_object()?.iter();
    for (name, value) in others.filter(|(name, _)| !OWN_PLACE.contains(&name.as_str())) {
        text.push_str(&format!(
            ", {name}: {}",
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        ));
    }
    let lines = request.get("lines").and_then(Value::as_array).into_iter().flatten();
    let written: Vec<String> = lines.chain(request.get("content")).filter_map(content).collect();
    if !written.is_empty() {
        text.push_str(&format!(":\n{}", written.join("\n")));
    }
    Some(text)
}
