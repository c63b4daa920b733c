//! Parts of URLs (RFC 3986): encoding, and references relative to a URL.

/// A value as one segment of a path: everything but letters, digits, "-", ".", "_" and "~" percent-encoded. None for
/// what no encoding makes a segment: nothing, and "." and "..", which name other places.
///
/// ```
/// use provender_sdk::http::path_segment;
///
/// assert_eq!(path_segment("anna/k?").as_deref(), Some("anna%2Fk%3F"));
/// assert_eq!(path_segment("Ő").as_deref(), Some("%C5%90"));
/// assert_eq!(path_segment(".."), None);
/// ```
pub fn path_segment(value: &str) -> Option<String> {
    match value {
        "" | "." | ".." => None,
        value => Some(percent_encode(value)),
    }
}

/// Encodes all but the unreserved characters of RFC 3986, section 2.3.
pub(super) fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A reference as a URL, relative to the URL it was found at (RFC 3986, section 5.2). Segments "." and ".." stay as they
/// are: the host refuses what leaves the base URL.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let Some((scheme, after_scheme)) = base.split_once("://") else {
        return reference.to_owned();
    };
    let base = base.split(['?', '#']).next().unwrap_or_default();
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();

    if reference.split(['/', '?']).next().is_some_and(|start| start.contains(':')) {
        reference.to_owned()
    } else if let Some(network_path) = reference.strip_prefix("//") {
        format!("{scheme}://{network_path}")
    } else if reference.starts_with('/') {
        format!("{scheme}://{authority}{reference}")
    } else if reference.is_empty() || reference.starts_with('?') {
        format!("{base}{reference}")
    } else {
        let parent = match base.rsplit_once('/') {
            Some((parent, _)) if parent.len() > scheme.len() + "://".len() => parent,
            _ => base,
        };
        format!("{parent}/{reference}")
    }
}

/// The parts of a URL that a request is made of: scheme, authority, and path with query.
pub(super) fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path_with_query) = rest.split_at_checked(end)?;
    let path_with_query = path_with_query.split('#').next().unwrap_or_default();
    (!scheme.is_empty() && !authority.is_empty()).then_some((scheme, authority, path_with_query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_stay_and_all_others_are_encoded() {
        assert_eq!(path_segment("Az09-._~").as_deref(), Some("Az09-._~"));
        assert_eq!(path_segment("a b/c?d#e%f").as_deref(), Some("a%20b%2Fc%3Fd%23e%25f"));
        assert_eq!(path_segment("anna@example.org").as_deref(), Some("anna%40example.org"));
        assert_eq!(path_segment("...").as_deref(), Some("..."));
    }

    #[test]
    fn what_names_another_place_is_no_segment() {
        assert_eq!(path_segment(""), None);
        assert_eq!(path_segment("."), None);
        assert_eq!(path_segment(".."), None);
    }

    #[test]
    fn references_of_every_form_are_resolved() {
        let base = "https://x.example/api/users?page=1";
        for (reference, url) in [
            ("https://y.example/z?a=b", "https://y.example/z?a=b"),
            ("//y.example/z", "https://y.example/z"),
            ("/other?page=2", "https://x.example/other?page=2"),
            ("?page=2", "https://x.example/api/users?page=2"),
            ("people?page=2", "https://x.example/api/people?page=2"),
            ("people?at=10:30", "https://x.example/api/people?at=10:30"),
            ("", "https://x.example/api/users"),
            ("/other#part", "https://x.example/other"),
        ] {
            assert_eq!(resolve(base, reference), url, "{reference}");
        }
        assert_eq!(resolve("https://x.example", "users"), "https://x.example/users");
    }

    #[test]
    fn a_url_is_split_into_the_parts_of_a_request() {
        assert_eq!(split("https://x.example:8443/a?b#c"), Some(("https", "x.example:8443", "/a?b")));
        assert_eq!(split("http://x.example"), Some(("http", "x.example", "")));
        assert_eq!(split("http://x.example?a=b"), Some(("http", "x.example", "?a=b")));
        assert_eq!(split("x.example/a"), None);
        assert_eq!(split("http:///a"), None);
    }
}
