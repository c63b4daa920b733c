//! Requests as they go over the wire, without the credential, which is added behind the gate.

use serde_json::Value;

use super::content;

pub(super) fn request(method: &str, request: &Value) -> Option<String> {
    let mut text = format!("{method} {}", request.get("url")?.as_str()?);
    for (name, values) in request.get("headers")?.as_object()? {
        let values = values.as_array().map_or_else(|| std::slice::from_ref(values), Vec::as_slice);
        for value in values {
            text.push_str(&format!("\n{name}: {}", content(value)?));
        }
    }
    match content(request.get("body")?)? {
        body if body.is_empty() => {}
        body => text.push_str(&format!("\n\n{body}")),
    }
    Some(text)
}

pub(super) fn answer(response: &Value) -> Option<String> {
    let body = content(response.get("body")?)?;
    Some(format!("status {}, {} bytes", response.get("status")?, body.len()))
}
