//! The base URL of an HTTP server: its form, and which URLs lie within it.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use url::{Host, Url};

/// An http or https URL without user-info, query, fragment and trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    authority: http::uri::Authority,
}

impl BaseUrl {
    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Says why a URL is not within this base URL, if it is not.
    ///
    /// `path` may carry a query, which is ignored. A path is taken segment by segment: "/api" covers "/api" and
    /// "/api/x", not "/apix". What two programs could read differently is refused: `..` in any spelling, a backslash,
    /// user-info, control characters.
    pub fn covers(&self, scheme: &str, authority: &str, path: &str) -> Result<(), String> {
        if !scheme.eq_ignore_ascii_case(self.url.scheme()) {
            return Err(format!("scheme {scheme} is not that of {self}"));
        }
        if authority.contains(['@', '/', '\\', '?', '#', '%'])
            || !authority.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(format!("authority {authority:?} is more than a host and a port"));
        }
        let origin = Url::parse(&format!("{}://{authority}/", self.url.scheme()))
            .map_err(|error| format!("authority {authority:?}: {error}"))?;
        if origin.host() != self.url.host()
            || origin.port_or_known_default() != self.url.port_or_known_default()
        {
            return Err(format!("{authority} is not the host and port of {self}"));
        }
        self.covers_path(path)
    }

    /// As [`covers`](Self::covers), for a path at this origin.
    pub fn covers_path(&self, path: &str) -> Result<(), String> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        check_path(path)?;
        let base = self.path();
        match path.strip_prefix(base) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(()),
            _ => Err(format!("path {path} is not below {self}")),
        }
    }

    /// The absolute URI of a path at this origin.
    pub fn uri(&self, path_and_query: PathAndQuery) -> Result<Uri, http::Error> {
        let scheme = if self.is_https() { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::builder().scheme(scheme).authority(self.authority.clone()).path_and_query(path_and_query).build()
    }

    /// The path without a trailing slash: empty for the root.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The parser would mend all of these silently.
        if text.contains('\\') || !text.bytes().all(|byte| byte > b' ' && byte != 0x7f) {
            return Err("must not hold spaces, control characters or backslashes".to_owned());
        }
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err("must start with http:// or https://".to_owned());
        }
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or password; put them into `authentication`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a query or fragment".to_owned());
        }
        if matches!(url.host(), Some(Host::Domain(name)) if name.ends_with('.')) {
            return Err("must name the host without a trailing dot".to_owned());
        }
        if url.port() == Some(0) {
            return Err("must not have port 0".to_owned());
        }
        check_path(url.path())?;
        if url.path().contains("//") {
            return Err("must not have an empty part in its path".to_owned());
        }
        let authority = url.authority().parse().map_err(|error| format!("has an unusable host: {error}"))?;
        Ok(Self { url, authority })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

/// How often a path may be encoded over itself; no honest path needs a second time.
const MAX_ENCODINGS: usize = 4;

/// Refuses a path that could lead out of a prefix for some program on the way.
///
/// Programs differ in how often they decode, whether they decode before they split, and whether they cut parameters
/// (`;x`) and blanks off a segment. An encoded slash alone is harmless, since identifiers need it: it stays below.
fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("path {path:?} does not start with a slash"));
    }
    if path.contains(['\\', '#']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("path {path:?} holds what must be percent-encoded"));
    }
    if path.split('%').skip(1).any(|rest| rest.bytes().take_while(u8::is_ascii_hexdigit).take(2).count() < 2)
    {
        return Err(format!("path {path} has an incomplete percent-encoding; write % as %25"));
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=MAX_ENCODINGS {
        if bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) {
            return Err(format!("path {path} has a segment of dots"));
        }
        if std::str::from_utf8(&bytes).map_or(true, |text| text.contains(char::is_control)) {
            return Err(format!("path {path} has an encoded control character or is not UTF-8"));
        }
        let decoded = percent_decoded(&bytes);
        if decoded.len() == bytes.len() {
            return Ok(());
        }
        bytes = decoded;
    }
    Err(format!("path {path} is percent-encoded more than {MAX_ENCODINGS} times"))
}

fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    !name.is_empty() && name.iter().all(|byte| matches!(byte, b'.' | b' '))
}

fn percent_decoded(mut bytes: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        match rest {
            [high, low, rest @ ..] if *first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    bytes = rest;
                }
                _ => decoded.push(*first),
            },
            _ => decoded.push(*first),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BaseUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_base_url_is_normalised() {
        for (text, normalised) in [
            ("https://example.org", "https://example.org"),
            ("https://example.org/", "https://example.org"),
            ("HTTPS://Example.ORG:443/Api/", "https://example.org/Api"),
            ("http://example.org:8080/a/b/", "http://example.org:8080/a/b"),
            ("http://example.org:80", "http://example.org"),
            ("http://[::0:1]:8080/", "http://[::1]:8080"),
            ("http://0x7f.1/", "http://127.0.0.1"),
            ("http://2130706433", "http://127.0.0.1"),
            ("http://0177.0.0.1", "http://127.0.0.1"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://example.org/a/../b", "https://example.org/b"),
        ] {
            assert_eq!(base(text).to_string(), normalised, "{text}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "must start with"),
            ("example.org", "must start with"),
            ("ftp://example.org", "must start with"),
            ("https:example.org", "must start with"),
            ("https://", "is not a URL"),
            ("https://example.org:99999", "is not a URL"),
            ("https://example.org:0", "port 0"),
            ("https://user@example.org", "authentication"),
            ("https://user:hunter2@example.org", "authentication"),
            ("https://example.org?x=1", "query or fragment"),
            ("https://example.org/#x", "query or fragment"),
            ("https://example.org./", "trailing dot"),
            ("https:\\\\example.org", "backslashes"),
            (" https://example.org", "spaces"),
            ("https://exam\tple.org", "control characters"),
            ("https://example.org//api", "empty part"),
            ("https://example.org/a%2f..%2fb", "segment of dots"),
            ("https://example.org/%zz", "incomplete percent-encoding"),
        ] {
            let error = text.parse::<BaseUrl>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn only_urls_of_the_origin_and_below_the_path_are_covered() {
        let api = "https://example.org/api";
        let root = "https://example.org";
        let table: &[(&str, &str, &str, &str, bool)] = &[
            (api, "https", "example.org", "/api", true),
            (api, "https", "example.org", "/api/", true),
            (api, "https", "example.org", "/api/x?next=/../..", true),
            (api, "https", "example.org", "/api?x=1", true),
            (api, "HTTPS", "EXAMPLE.org", "/api/x", true),
            (api, "https", "example.org:443", "/api/x", true),
            (api, "https", "example.org", "/api//x", true),
            (api, "https", "example.org", "/api/https%3A%2F%2Forcid.org%2F0000", true),
            (api, "https", "example.org", "/api/a.b..c/.well-known/x%2e", true),
            (api, "https", "example.org", "/api/%C3%A9/100%25", true),
            (root, "https", "example.org", "/", true),
            (root, "https", "example.org", "/anything", true),
            (api, "http", "example.org", "/api", false),
            (api, "ftp", "example.org", "/api", false),
            (api, "https", "example.org:8443", "/api", false),
            (api, "https", "example.org:80", "/api", false),
            (api, "https", "example.org.", "/api", false),
            (api, "https", "example.com", "/api", false),
            (api, "https", "a.example.org", "/api", false),
            (api, "https", "example.org.evil.example", "/api", false),
            (api, "https", "user@example.org", "/api", false),
            (api, "https", "example.org@evil.example", "/api", false),
            (api, "https", "example.org\\@evil.example", "/api", false),
            (api, "https", "evil.example#example.org", "/api", false),
            (api, "https", "example.org/api", "/api", false),
            (api, "https", "example%2eorg", "/api", false),
            (api, "https", " example.org", "/api", false),
            (api, "https", "", "/api", false),
            (api, "https", "example.org", "/", false),
            (api, "https", "example.org", "", false),
            (api, "https", "example.org", "api", false),
            (api, "https", "example.org", "*", false),
            (api, "https", "example.org", "?/api", false),
            (api, "https", "example.org", "/apix", false),
            (api, "https", "example.org", "/API", false),
            (api, "https", "example.org", "//api", false),
            (api, "https", "example.org", "/x/api", false),
            (api, "https", "example.org", "/api%2Fx", false),
            (api, "https", "example.org", "/%61pi/x", false),
            (api, "https", "example.org", "/api;x/y", false),
            (api, "https", "example.org", "/api/../admin", false),
            (api, "https", "example.org", "/api/..", false),
            (api, "https", "example.org", "/api/./x", false),
            (api, "https", "example.org", "/api/%2e%2e/admin", false),
            (api, "https", "example.org", "/api/.%2E/admin", false),
            (api, "https", "example.org", "/api/..%2Fadmin", false),
            (api, "https", "example.org", "/api/x%2F..%2F..%2Fadmin", false),
            (api, "https", "example.org", "/api/x%5c..%5c..%5cadmin", false),
            (api, "https", "example.org", "/api/%252e%252e/admin", false),
            (api, "https", "example.org", "/api/%25252e%25252e/admin", false),
            (api, "https", "example.org", "/api/%2525252525252e/x", false),
            (api, "https", "example.org", "/api/..;/admin", false),
            (api, "https", "example.org", "/api/..%3Bx/admin", false),
            (api, "https", "example.org", "/api/..%20/admin", false),
            (api, "https", "example.org", "/api/..%00/admin", false),
            (api, "https", "example.org", "/api/.%09./admin", false),
            (api, "https", "example.org", "/api/%c0%ae%c0%ae/admin", false),
            (api, "https", "example.org", "/api\\..\\admin", false),
            (api, "https", "example.org", "/api/a b", false),
            (api, "https", "example.org", "/api/x#y", false),
            (api, "https", "example.org", "/api/%", false),
            (api, "https", "example.org", "/api/%2", false),
            (api, "https", "example.org", "/api/é", false),
            ("http://127.0.0.1:8080", "http", "127.0.0.1:8080", "/", true),
            ("http://127.0.0.1:8080", "http", "2130706433:8080", "/", true),
            ("http://127.0.0.1:8080", "http", "localhost:8080", "/", false),
            ("http://[::1]:8080", "http", "[0:0::1]:8080", "/", true),
            ("http://[::1]:8080", "http", "[::2]:8080", "/", false),
        ];
        for (url, scheme, authority, path, covered) in table {
            let answer = base(url).covers(scheme, authority, path);
            assert_eq!(answer.is_ok(), *covered, "{url} {scheme} {authority} {path}: {answer:?}");
        }
    }

    #[test]
    fn a_request_goes_to_the_origin_with_its_own_path() {
        let uri = base("https://Example.org:443/api/").uri(PathAndQuery::from_static("/api/x?y=1")).unwrap();
        assert_eq!(uri.to_string(), "https://example.org/api/x?y=1");
        let uri = base("http://[::1]:8080").uri(PathAndQuery::from_static("/")).unwrap();
        assert_eq!(uri.to_string(), "http://[::1]:8080/");
    }
}
