//! Ids of records, parts, collaborations and whatever else has a place in a path of the REST API.

/// Longest id.
pub const MAX_ID_BYTES: usize = 128;

/// Checks an id: what a segment of a URL's path may hold without percent-encoding (RFC 3986, section 3.3), apart from
/// "&". The error says what is wrong and what helps.
pub fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("an id is needed".to_owned());
    }
    if id.len() > MAX_ID_BYTES {
        return Err(format!("an id has at most {MAX_ID_BYTES} bytes, this one has {}", id.len()));
    }
    if matches!(id, "." | "..") {
        return Err(format!("\"{id}\" cannot be an id, since it means a folder in a path"));
    }
    match id.chars().find(|character| !is_allowed(*character)) {
        Some(character) => Err(format!(
            "{character:?} cannot be in an id: use letters a-z and A-Z, digits, and -._~@:+=,;!$'()*"
        )),
        None => Ok(()),
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~@:+=,;!$'()*".contains(character)
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn ids_of_other_registries_are_accepted() {
        for id in [
            "80",
            "CO:members:active",
            "anna@example.org",
            "0198c5a2-7f3e-7c2b-9a4f-2f6d1c0b9e77",
            "a~b",
            &"x".repeat(128),
        ] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
    }

    #[test]
    fn an_id_that_would_not_survive_a_path_is_refused() {
        for (id, complaint) in [
            ("", "an id is needed"),
            (".", "means a folder"),
            ("..", "means a folder"),
            ("a/b", "'/' cannot be in an id"),
            ("a b", "' ' cannot be in an id"),
            ("a%2fb", "'%' cannot be in an id"),
            ("a\nb", "'\\n' cannot be in an id"),
            ("zoë", "'ë' cannot be in an id"),
            (&"x".repeat(129), "at most 128 bytes, this one has 129"),
        ] {
            let error = check_id(id).unwrap_err();
            assert!(error.contains(complaint), "{id:?}: {error}");
        }
    }
}
