//! Credentials that a counterpart sends back are blanked: a debugging endpoint that repeats the headers of a request
//! must not hand them to a plugin or into a transcript.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

/// Stands where a credential was.
const BLANK: &[u8] = b"***";

/// A shorter secret would blank text that has nothing to do with it.
const SHORTEST_BYTES: usize = 6;

/// The texts that must not come back.
pub(super) struct Blanks(Vec<SecretString>);

impl Blanks {
    pub(super) fn of(texts: impl IntoIterator<Item = SecretString>) -> Self {
        Self(texts.into_iter().filter(|text| text.expose_secret().len() >= SHORTEST_BYTES).collect())
    }

    /// The body without credentials.
    pub(super) fn body(&self, body: Bytes) -> Bytes {
        match self.blanked(&body) {
            Some(blanked) => blanked.into(),
            None => body,
        }
    }

    /// Blanks credentials in the values of headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let blanked = self.blanked(value.as_bytes()).map(|blanked| HeaderValue::from_bytes(&blanked));
            if let Some(Ok(blanked)) = blanked {
                *value = blanked;
            }
        }
    }

    /// `None` where nothing is to be blanked.
    fn blanked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut blanked: Option<Vec<u8>> = None;
        for secret in &self.0 {
            let finder = memmem::Finder::new(secret.expose_secret());
            let current = blanked.as_deref().unwrap_or(text);
            let mut kept = Vec::new();
            let mut from = 0;
            for at in finder.find_iter(current) {
                kept.extend_from_slice(current.get(from..at)?);
                kept.extend_from_slice(BLANK);
                from = at + secret.expose_secret().len();
            }
            if from > 0 {
                kept.extend_from_slice(current.get(from..)?);
                blanked = Some(kept);
            }
        }
        blanked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanks() -> Blanks {
        Blanks::of(["dXNlcjpzZWNyZXQ=", "secret-token", "abc"].map(SecretString::from))
    }

    #[test]
    fn every_occurrence_of_a_credential_is_blanked() {
        let body = Bytes::from_static(b"secret-token Basic dXNlcjpzZWNyZXQ= and secret-token!");
        assert_eq!(blanks().body(body), &b"*** Basic *** and ***!"[..]);
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("Bearer secret-token"));
        blanks().headers(&mut headers);
        assert_eq!(headers["x-echo"], "Bearer ***");
    }

    #[test]
    fn what_holds_no_credential_is_left_as_it_is_without_a_copy() {
        let body = Bytes::from_static(b"abc is too short a secret");
        let start = body.as_ptr();
        assert_eq!(blanks().body(body).as_ptr(), start);
    }
}
