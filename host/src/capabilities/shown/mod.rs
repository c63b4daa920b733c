//! Effects as people read them, from the record of the gate. One file per capability; one that has none is shown as JSON.

mod files;
mod http;
mod ldap;
mod messaging;
mod sql;

use serde_json::Value;

use crate::sandbox::Entry;

/// What an effect asks for, in the form of its field. May have several lines.
pub fn request(effect: &Entry) -> String {
    let request = effect.request.value();
    let shown = match &*effect.capability {
        "http" => http::request(&effect.operation, &request),
        "files" => files::request(&effect.operation, &request),
        "ldap" => ldap::request(&effect.operation, &request),
        "sql" => sql::request(&effect.operation, &request),
        "messaging" => messaging::request(&effect.operation, &request),
        _ => None,
    };
    shown.unwrap_or_else(|| format!("{} {request}", effect.operation))
}

/// What came back, or is expected to; none where nothing is known.
pub fn answer(effect: &Entry) -> Option<String> {
    if let Some(error) = &effect.error {
        return Some(format!("failed: {}", message(&error.value())));
    }
    let result = effect.result.as_ref()?.value();
    let shown = match &*effect.capability {
        "http" => http::answer(&result),
        "ldap" => ldap::answer(&result),
        _ => None,
    };
    Some(shown.unwrap_or_else(|| match &result {
        Value::Null => "done".to_owned(),
        Value::String(text) => format!("{} bytes", text.len()),
        other => other.to_string(),
    }))
}

/// The text of an error: errors of the contract are cases with a text.
fn message(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            members.get("message").or_else(|| members.values().next()).map_or_else(String::new, message)
        }
        other => other.to_string(),
    }
}

/// Bytes as [`Readable`](super::readable::Readable) writes them.
fn content(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(members) => Some(format!("base64 {}", members.get("base64")?.as_str()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::{Access, Json};

    fn effect(capability: &'static str, operation: &'static str, request: Value) -> Entry {
        Entry {
            sequence: 1,
            capability: capability.into(),
            operation: operation.into(),
            access: Access::Write,
            request: Json::of(&request),
            result: None,
            error: None,
            refused: None,
            foreseen: true,
            shortened: false,
            bytes_out: 0,
            bytes_in: 0,
            duration_us: 0,
        }
    }

    #[test]
    fn each_capability_is_shown_in_the_form_of_its_field() {
        let http = json!({
            "url": "https://example.org/people/42", "headers": {"content-type": "text/plain", "x": ["1", "2"]},
            "body": "Zoë",
        });
        let binary = json!({"slot": "log", "path": "a", "content": {"base64": "/w=="}});
        for (effect, shown) in [
            (
                effect("http", "PUT", http),
                "PUT https://example.org/people/42\ncontent-type: text/plain\nx: 1\nx: 2\n\nZoë",
            ),
            (
                effect("http", "DELETE", json!({"url": "https://x/", "headers": {}, "body": ""})),
                "DELETE https://x/",
            ),
            (
                effect("files", "append", json!({"slot": "log", "path": "a/b", "lines": ["1", "2"]})),
                "append to a/b of slot `log`:\n1\n2",
            ),
            (effect("files", "write", binary), "write a of slot `log`:\nbase64 /w=="),
            (effect("files", "list", json!({"slot": "log", "path": "."})), "list . of slot `log`"),
            (
                effect("files", "rename", json!({"slot": "homes", "path": "a", "to": "b", "mode": "0700"})),
                "rename a of slot `homes`, mode: 0700, to: b",
            ),
            (
                effect(
                    "ldap",
                    "add",
                    json!({"slot": "d", "dn": "uid=zoë", "attributes": {"cn": ["Zoë"], "uid": ["1", "2"]}}),
                ),
                "# dn: uid=zoë\ndn:: dWlkPXpvw6s=\nchangetype: add\n# cn: Zoë\ncn:: Wm/Dqw==\nuid: 1\nuid: 2",
            ),
            (
                effect(
                    "ldap",
                    "modify",
                    json!({"dn": "uid=a", "modifications": [
                        {"replace": {"mail": ["x@y"]}}, {"delete": {"sn": []}},
                    ]}),
                ),
                "dn: uid=a\nchangetype: modify\nreplace: mail\nmail: x@y\n-\ndelete: sn\n-",
            ),
            (
                effect(
                    "ldap",
                    "modify-dn",
                    json!({"dn": "uid=a", "new_rdn": "uid=b", "delete_old_rdn": true, "new_superior": "o=x"}),
                ),
                "dn: uid=a\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 1\nnewsuperior: o=x",
            ),
            (
                effect(
                    "sql",
                    "write",
                    json!({"statement": "DELETE FROM t WHERE a = $1", "parameters": ["x"]}),
                ),
                "DELETE FROM t WHERE a = $1\n1: \"x\"",
            ),
            (
                effect(
                    "messaging",
                    "publish",
                    json!({"messages": [{"topic": "t", "key": "k", "headers": [["h", "1"]], "body": "{}"}]}),
                ),
                "to t\nkey: k\nh: 1\n\n{}",
            ),
            (effect("new", "do", json!({"x": 1})), "do {\"x\":1}"),
        ] {
            assert_eq!(request(&effect), shown);
        }
    }

    #[test]
    fn an_answer_is_told_in_a_line_and_an_error_by_its_text() {
        let mut http = effect("http", "GET", json!({}));
        http.result = Some(Json::of(&json!({"status": 200, "headers": {}, "body": "four"})));
        assert_eq!(answer(&http).unwrap(), "status 200, 4 bytes");
        http.error = Some(Json::of(&json!({"message": "no connection", "reason": "tls"})));
        assert_eq!(answer(&http).unwrap(), "failed: no connection");
        let mut ldap = effect("ldap", "search", json!({}));
        ldap.result = Some(Json::of(&json!({"entries": [{"dn": "dc=x", "attributes": {}}], "more": false})));
        assert_eq!(answer(&ldap).unwrap(), "entries: 1");
        let mut files = effect("files", "write", json!({}));
        files.result = Some(Json::of(&json!(null)));
        assert_eq!(answer(&files).unwrap(), "done");
        files.error = Some(Json::of(&json!({"NotFound": "a: not there"})));
        assert_eq!(answer(&files).unwrap(), "failed: a: not there");
    }
}
