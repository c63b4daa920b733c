//! Operations on a directory: changes as LDIF (RFC 2849), which `ldapmodify` takes; what reads in words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) fn request(operation: &str, request: &Value) -> Option<String> {
    let member = |name: &str| request.get(name).and_then(Value::as_str);
    let change = |kind: &str, dn: &str| format!("{}\nchangetype: {kind}", line("dn", &Value::from(dn)));
    Some(match operation {
        "add" => {
            let attributes = request.get("attributes")?.as_object()?;
            let lines = attributes.iter().map(|(name, values)| format!("\n{}", lines(name, values)));
            change("add", member("dn")?) + &lines.collect::<String>()
        }
        "modify" => {
            let modifications = request.get("modifications")?.as_array()?;
            let shown = modifications.iter().filter_map(modification);
            change("modify", member("dn")?) + &shown.collect::<String>()
        }
        "modify-dn" => {
            let delete = u8::from(request.get("delete_old_rdn")?.as_bool()?);
            let mut text = change("modrdn", member("dn")?);
            text.push_str(&format!("\n{}\ndeleteoldrdn: {delete}", line("newrdn", request.get("new_rdn")?)));
            if let Some(superior) = request.get("new_superior") {
                text.push_str(&format!("\n{}", line("newsuperior", superior)));
            }
            text
        }
        "delete" => change("delete", member("dn")?),
        "search" => {
            let (base, scope, filter) = (member("base")?, member("scope")?, member("filter")?);
            format!("search {filter} at {base:?}, {scope}")
        }
        "compare" => {
            format!("compare {} of {:?}", line(member("attribute")?, request.get("value")?), member("dn")?)
        }
        _ => return None,
    })
}

/// How many entries a page of a search has.
pub(super) fn answer(result: &Value) -> Option<String> {
    Some(format!("entries: {}", result.get("entries")?.as_array()?.len()))
}

/// `{"replace": {"mail": ["..."]}}`.
fn modification(modification: &Value) -> Option<String> {
    let (kind, attributes) = modification.as_object()?.iter().next()?;
    let of = |(name, values): (&String, &Value)| {
        let lines = lines(name, values);
        let separator = if lines.is_empty() { "" } else { "\n" };
        format!("\n{kind}: {name}{separator}{lines}\n-")
    };
    Some(attributes.as_object()?.iter().map(of).collect())
}

fn lines(name: &str, values: &Value) -> String {
    let values = values.as_array().map_or(&[][..], Vec::as_slice);
    values.iter().map(|value| line(name, value)).collect::<Vec<_>>().join("\n")
}

/// A name with a value. What LDIF cannot hold as it is stands in base64, and before it as people read it, in a comment.
fn line(name: &str, value: &Value) -> String {
    let Some(text) = value.as_str() else {
        let encoded = value.get("base64").and_then(Value::as_str).unwrap_or_default();
        return format!("{name}:: {encoded}");
    };
    let safe = text.is_ascii()
        && !text.starts_with([' ', ':', '<'])
        && !text.ends_with(' ')
        && !text.contains(['\0', '\r', '\n']);
    match safe {
        true => format!("{name}: {text}"),
        false => {
            let readable = text.replace(char::is_control, " ");
            format!("# {name}: {readable}\n{name}:: {}", STANDARD.encode(text))
        }
    }
}
