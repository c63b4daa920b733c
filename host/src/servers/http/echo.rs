//! Credentials that a counterpart sends back are blanked: a debugging endpoint that repeats the headers of a request
//! must not hand them to a plugin or into a transcript.
//!
//! This covers what honest programs do to a text they repeat. A counterpart that means to tell a plugin its credential
//! can always write it in a way of its own.

use std::ops::Range;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;
use memchr::{memchr, memchr3};
use secrecy::{ExposeSecret, SecretString};

/// Stands where a credential was.
const BLANK: &[u8] = b"***";

/// A shorter secret would blank text that has nothing to do with it.
const SHORTEST_BYTES: usize = 6;

/// The texts that must not come back. Has no Debug output, and must not.
pub(in crate::servers) struct Blanks(Vec<Secret>);

struct Secret {
    text: SecretString,
    plain: Finder<'static>,
    /// As names of headers have it: in lower case.
    lowered: Finder<'static>,
    base64: Vec<Finder<'static>>,
}

impl Blanks {
    pub(in crate::servers) fn of(texts: impl IntoIterator<Item = SecretString>) -> Self {
        let texts = texts.into_iter().filter(|text| text.expose_secret().len() >= SHORTEST_BYTES);
        Self(texts.map(Secret::new).collect())
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
        let telling = |name: &[u8]| self.0.iter().any(|secret| secret.lowered.find(name).is_some());
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
    pub(in crate::servers) fn blanked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut found: Vec<Range<usize>> = self.0.iter().flat_map(|secret| secret.places(text)).collect();
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|place| place.start);
        let (mut kept, mut from) = (Vec::with_capacity(text.len()), 0);
        for place in found {
            // One within another, or overlapping the one before, is blanked with that.
            if place.start >= from {
                kept.extend_from_slice(text.get(from..place.start)?);
                kept.extend_from_slice(BLANK);
            }
            from = from.max(place.end);
        }
        kept.extend_from_slice(text.get(from..)?);
        Some(kept)
    }
}

impl Secret {
    fn new(text: SecretString) -> Self {
        let secret = text.expose_secret();
        let finder = |text: &str| Finder::new(text).into_owned();
        let mut base64: Vec<String> = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
            .into_iter()
            .flat_map(|alphabet| (0..3).map(|before| within_base64(secret, before, alphabet)))
            .collect();
        base64.sort();
        base64.dedup();
        Self {
            plain: finder(secret),
            lowered: finder(&secret.to_ascii_lowercase()),
            base64: base64.iter().map(|text| finder(text)).collect(),
            text,
        }
    }

    /// Where in a text it is.
    fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let of = |finder: &Finder<'_>| -> Vec<Range<usize>> {
            finder.find_iter(text).map(|at| at..at + finder.needle().len()).collect()
        };
        let mut places = of(&self.plain);
        places.extend(self.base64.iter().flat_map(of));
        // Every encoding but base64 has one of these.
        if memchr3(b'%', b'\\', b'&', text).or_else(|| memchr(b'+', text)).is_some() {
            let encoded =
                |at: usize| Some(at..at + encoded_length(text.get(at..)?, self.text.expose_secret())?);
            places.extend((0..text.len()).filter_map(encoded));
        }
        places
    }
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

/// How many bytes at the beginning of a text stand for the secret, each byte of it by itself or encoded as in URLs, forms,
/// JSON, XML or HTML.
fn encoded_length(text: &[u8], secret: &str) -> Option<usize> {
    let mut length = 0;
    for byte in secret.bytes() {
        length += encoded_byte_length(text.get(length..)?, byte)?;
    }
    Some(length)
}

fn encoded_byte_length(text: &[u8], byte: u8) -> Option<usize> {
    let is = |high: &u8, low: &u8| {
        let digits = [*high, *low];
        std::str::from_utf8(&digits).is_ok_and(|digits| u8::from_str_radix(digits, 16) == Ok(byte))
    };
    match text {
        [b'%', high, low, ..] if is(high, low) => Some(3),
        [b'+', ..] if byte == b' ' => Some(1),
        [b'\\', b'u', b'0', b'0', high, low, ..] if is(high, low) => Some(6),
        [b'\\', escaped, ..] if *escaped == byte && byte.is_ascii_punctuation() => Some(2),
        [b'&', rest @ ..] => match entity_length(rest, byte) {
            Some(length) => Some(length + 1),
            None => (byte == b'&').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

/// The length of an entity of XML or HTML behind its "&".
fn entity_length(text: &[u8], byte: u8) -> Option<usize> {
    let end = text.iter().take(8).position(|byte| *byte == b';')?;
    let entity = std::str::from_utf8(text.get(..end)?).ok()?;
    let character = match entity {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        _ => match entity.strip_prefix(['#'])? {
            hexadecimal if hexadecimal.starts_with(['x', 'X']) => {
                u8::from_str_radix(hexadecimal.get(1..)?, 16).ok()?
            }
            decimal => decimal.parse().ok()?,
        },
    };
    (character == byte).then_some(end + 1)
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
            "%70/%73s w%22r%64&;+".to_owned(),
            "p/ss w&quot;rd&amp;;+".to_owned(),
            "p&#47;ss w&#x22;rd&;&#43;".to_owned(),
            "p/ss w\\u0022rd\\u0026;+".to_owned(),
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
