//! Credentials that a counterpart sends back are blanked: a debugging endpoint that repeats the headers of a request
//! must not hand them to a plugin or into a transcript.
//!
//! This covers what honest programs do to a text they repeat. A counterpart that means to tell a plugin its credential
//! can always write it in a way of its own.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;
use secrecy::{ExposeSecret, SecretString};

/// Stands where a credential was.
const BLANK: &[u8] = b"***";

/// A shorter secret would blank text that has nothing to do with it.
const SHORTEST_BYTES: usize = 6;

/// The texts that must not come back, in every spelling. Has no Debug output, and must not.
pub(super) struct Blanks {
    spellings: Vec<Finder<'static>>,
    /// As names of headers have them: in lower case.
    lowered: Vec<Finder<'static>>,
}

impl Blanks {
    pub(super) fn of(texts: impl IntoIterator<Item = SecretString>) -> Self {
        let mut spellings: Vec<String> = Vec::new();
        for text in texts.into_iter().filter(|text| text.expose_secret().len() >= SHORTEST_BYTES) {
            for spelling in spellings_of(text.expose_secret()) {
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        let finder = |text: &str| Finder::new(text).into_owned();
        Self {
            lowered: spellings.iter().map(|text| finder(&text.to_ascii_lowercase())).collect(),
            spellings: spellings.iter().map(|text| finder(text)).collect(),
        }
    }

    /// The body without credentials.
    pub(super) fn body(&self, body: Bytes) -> Bytes {
        match self.blanked(&body) {
            Some(blanked) => blanked.into(),
            None => body,
        }
    }

    /// Blanks credentials in the values of headers, and takes out headers with one in their name.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        let telling = |name: &[u8]| self.lowered.iter().any(|finder| finder.find(name).is_some());
        let names: Vec<_> = headers.keys().filter(|name| telling(name.as_ref())).cloned().collect();
        for name in names {
            headers.remove(name);
        }
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
        for finder in &self.spellings {
            let current = blanked.as_deref().unwrap_or(text);
            let mut kept = Vec::new();
            let mut from = 0;
            for at in finder.find_iter(current) {
                kept.extend_from_slice(current.get(from..at)?);
                kept.extend_from_slice(BLANK);
                from = at + finder.needle().len();
            }
            if from > 0 {
                kept.extend_from_slice(current.get(from..)?);
                blanked = Some(kept);
            }
        }
        blanked
    }
}

/// A text as programs repeat it: as it is, within JSON, within a URL, and within whatever they write in base64.
fn spellings_of(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let json = json.trim_matches('"');
    let mut spellings = vec![text.to_owned(), json.to_owned(), json.replace('/', "\\/")];
    let unreserved: [&[u8]; 3] = [b"-._~", b"-._~/:", b"*-._"];
    for encoded in unreserved.iter().flat_map(|unreserved| percent_encoded(text, unreserved)) {
        spellings.extend([encoded.replace("%20", "+"), encoded]);
    }
    for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        spellings.extend((0..3).map(|before| within_base64(text, before, alphabet)));
    }
    spellings
}

/// What stands for `text` in the base64 of anything that has it behind a number of bytes that leaves the rest `before`
/// when divided by three.
fn within_base64(text: &str, before: usize, alphabet: &GeneralPurpose) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    // A character of six bits belongs to the text alone when all of its bits do.
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    alphabet.encode(bytes).get(first..end).unwrap_or_default().to_owned()
}

/// With digits in upper case, and in lower case.
fn percent_encoded(text: &str, unreserved: &[u8]) -> [String; 2] {
    let encoded = |encode: fn(u8) -> String| -> String {
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || unreserved.contains(&byte);
        let parts =
            text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { encode(byte) });
        parts.collect()
    };
    [encoded(|byte| format!("%{byte:02X}")), encoded(|byte| format!("%{byte:02x}"))]
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
    fn a_credential_is_blanked_in_the_encodings_of_others() {
        let secret = "p/ss w\"rd&;+";
        let blanks = Blanks::of([SecretString::from(secret)]);
        let encoded =
            |alphabet: &GeneralPurpose, around: &str| alphabet.encode(format!("{around}{secret}{around}"));
        for text in [
            "p/ss w\\\"rd&;+".to_owned(),
            "p\\/ss w\\\"rd&;+".to_owned(),
            "p%2Fss%20w%22rd%26%3B%2B".to_owned(),
            "p%2fss+w%22rd%26%3b%2b".to_owned(),
            encoded(&STANDARD_NO_PAD, ""),
            encoded(&STANDARD_NO_PAD, "x"),
            encoded(&STANDARD_NO_PAD, "xx"),
            encoded(&URL_SAFE_NO_PAD, "user:"),
        ] {
            let blanked = blanks.body(Bytes::from(format!("<{text}>")));
            let blanked = std::str::from_utf8(&blanked).unwrap();
            // What is left of base64 stands for what was around.
            assert!(blanked.contains("***") && blanked.len() < 24, "{text}: {blanked}");
        }
    }

    #[test]
    fn a_header_with_a_credential_in_its_name_is_taken_out() {
        let blanks = Blanks::of([SecretString::from("Secret-Token")]);
        let mut headers = HeaderMap::new();
        headers.insert("x-secret-token-y", HeaderValue::from_static("1"));
        headers.insert("x-kept", HeaderValue::from_static("2"));
        blanks.headers(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn what_holds_no_credential_is_left_as_it_is_without_a_copy() {
        let body = Bytes::from_static(b"abc is too short a secret");
        let start = body.as_ptr();
        assert_eq!(blanks().body(body).as_ptr(), start);
    }
}
