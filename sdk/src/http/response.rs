//! A response, and what its status means for the call.

use serde::de::DeserializeOwned;

use super::Request;
use super::retry_after::retry_after_seconds;
use crate::Failure;

/// Most characters of a body that a message carries.
const EXCERPT_CHARACTERS: usize = 200;

/// A response with its whole body.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    request_line: String,
    request_time: Option<String>,
}

impl Response {
    pub(super) fn new(
        request: &Request<'_>,
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Self {
        Self {
            status,
            headers,
            body,
            request_line: request.line(),
            request_time: request.time().map(str::to_owned),
        }
    }

    /// The status code (RFC 9110, section 15).
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of a name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All headers of a name, whatever its case.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as a value. A body that is no such JSON is a failure `permanent`: the counterpart does not speak what
    /// the plugin expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::permanent(format!(
                "{}: the response is not what was expected: {error}{}",
                self.request_line,
                self.excerpt()
            ))
        })
    }

    /// The response, or the failure that its status means:
    ///
    /// | status | failure |
    /// |---|---|
    /// | 2xx, 304 | none |
    /// | other 3xx | `configuration`: redirects are not followed, so the base URL must be corrected |
    /// | 400, 422 | `invalid-data` |
    /// | 401, 403, 407 | `authentication` |
    /// | 408, 425, 5xx | `transient`, with the seconds of `Retry-After` |
    /// | 409, 412 | `conflict` |
    /// | 429 | `rate-limited`, with the seconds of `Retry-After` |
    /// | other 4xx | `permanent` |
    pub fn error_for_status(self) -> Result<Self, Failure> {
        match self.failure() {
            None => Ok(self),
            Some(failure) => Err(failure),
        }
    }

    /// The response, or none where the counterpart says that there is nothing (404, 410), or the failure of
    /// [`Response::error_for_status`]. For look-ups and deletes.
    pub fn found(self) -> Result<Option<Self>, Failure> {
        match self.status {
            404 | 410 => Ok(None),
            _ => self.error_for_status().map(Some),
        }
    }

    fn failure(&self) -> Option<Failure> {
        let message = format!("{}: status {}{}", self.request_line, self.status, self.excerpt());
        let failure = match self.status {
            200..=299 | 304 => return None,
            300..=399 => Failure::configuration(format!("{message}; redirects are not followed")),
            400 | 422 => Failure::invalid_data(message),
            401 | 403 | 407 => Failure::authentication(message),
            408 | 425 | 500..=599 => Failure::transient(message),
            409 | 412 => Failure::conflict(message),
            429 => Failure::rate_limited(message),
            _ => Failure::permanent(message),
        };
        Some(match retry_after_seconds(self, self.request_time.as_deref()) {
            Some(seconds) => failure.retry_after(seconds),
            None => failure,
        })
    }

    /// The beginning of the body in one line, for messages.
    fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> =
            text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
        let line = words.join(" ");
        if line.is_empty() {
            return String::new();
        }
        let mut excerpt: String = line.chars().take(EXCERPT_CHARACTERS).collect();
        if excerpt.len() < line.len() {
            excerpt.push('…');
        }
        format!(": {excerpt}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Client;
    use crate::{LocatedFailure, PassingFailure};

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let client = Client::new("https://x.example/api");
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response::new(&client.put("/users/1?secret=x"), status, headers, body.as_bytes().to_vec())
    }

    #[test]
    fn a_good_status_is_no_failure() {
        for status in [200, 201, 204, 304] {
            assert!(response(status, &[], "").error_for_status().is_ok(), "{status}");
        }
    }

    #[test]
    fn a_message_carries_method_path_status_and_the_body_but_not_the_query() {
        let failure = response(418, &[], "{\n  \"error\":\t\"short\u{7} and stout\"\n}")
            .error_for_status()
            .unwrap_err();
        assert_eq!(
            failure,
            Failure::permanent("PUT /api/users/1: status 418: { \"error\": \"short and stout\" }")
        );
    }

    #[test]
    fn the_excerpt_of_a_body_is_bounded() {
        let failure = response(400, &[], &"é".repeat(5_000)).error_for_status().unwrap_err();
        assert!(failure.message().ends_with("é…"));
        assert_eq!(failure.message().matches('é').count(), EXCERPT_CHARACTERS);
    }

    #[test]
    fn every_class_of_status_has_its_failure() {
        let failure = |status| response(status, &[], "").error_for_status().unwrap_err();
        let message = |status: u16| format!("PUT /api/users/1: status {status}");
        for status in [400, 422] {
            assert_eq!(failure(status), Failure::invalid_data(message(status)));
        }
        for status in [401, 403, 407] {
            assert_eq!(failure(status), Failure::authentication(message(status)));
        }
        for status in [409, 412] {
            assert_eq!(failure(status), Failure::conflict(message(status)));
        }
        for status in [408, 425, 500, 502, 503, 504] {
            assert_eq!(failure(status), Failure::transient(message(status)));
        }
        for status in [402, 404, 405, 410, 413, 451] {
            assert_eq!(failure(status), Failure::permanent(message(status)));
        }
        assert_eq!(failure(429), Failure::rate_limited(message(429)));
        let Failure::Configuration(LocatedFailure { message, .. }) = failure(302) else {
            panic!("configuration")
        };
        assert_eq!(message, "PUT /api/users/1: status 302; redirects are not followed");
    }

    #[test]
    fn the_seconds_of_retry_after_come_with_failures_that_pass() {
        let retry_after =
            |status, value| match response(status, &[("Retry-After", value)], "").error_for_status() {
                Err(Failure::Transient(PassingFailure { retry_after_seconds, .. })) => retry_after_seconds,
                Err(Failure::RateLimited(PassingFailure { retry_after_seconds, .. })) => retry_after_seconds,
                other => panic!("a failure that passes, not {other:?}"),
            };
        assert_eq!(retry_after(429, "120"), Some(120));
        assert_eq!(retry_after(503, "5"), Some(5));
        assert_eq!(retry_after(503, "soon"), None);
    }

    #[test]
    fn what_is_not_there_is_none_where_it_may_be_missing() {
        assert_eq!(response(404, &[], "").found(), Ok(None));
        assert_eq!(response(410, &[], "").found(), Ok(None));
        assert_eq!(response(200, &[], "x").found().unwrap().unwrap().body(), b"x");
        assert!(matches!(response(500, &[], "").found(), Err(Failure::Transient(_))));
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let response = response(200, &[("ETag", "a"), ("etag", "b")], "");
        assert_eq!(response.header("etag"), Some("a"));
        assert_eq!(response.headers("ETAG").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(response.header("link"), None);
    }

    #[test]
    fn a_body_that_is_not_what_was_expected_is_a_permanent_failure() {
        assert_eq!(response(200, &[], "[1,2]").json::<Vec<u8>>(), Ok(vec![1, 2]));
        let failure = response(200, &[], "<html>").json::<Vec<u8>>().unwrap_err();
        assert!(
            matches!(&failure, Failure::Permanent(message) if message.ends_with(": <html>")),
            "{failure:?}"
        );
    }
}
