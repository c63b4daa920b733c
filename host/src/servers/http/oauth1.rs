//! Signatures of requests by OAuth 1.0a (RFC 5849), with HMAC-SHA1 or HMAC-SHA256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::servers::configuration::SignatureMethod;

/// Signs requests in the name of one consumer, and of one user if there is one.
pub(super) struct Signer {
    method: SignatureMethod,
    key: hmac::Key,
    consumer_key: String,
    token: Option<String>,
    random: SystemRandom,
}

type Parameters = Vec<(String, String)>;

impl Signer {
    /// `token`: the access token and its secret.
    pub(super) fn new(
        method: SignatureMethod,
        consumer_key: &str,
        consumer_secret: &SecretString,
        token: Option<(String, &SecretString)>,
    ) -> Self {
        let algorithm = match method {
            SignatureMethod::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            SignatureMethod::HmacSha256 => hmac::HMAC_SHA256,
        };
        let token_secret = token.as_ref().map_or("", |(_, secret)| secret.expose_secret());
        let key =
            Zeroizing::new(format!("{}&{}", encoded(consumer_secret.expose_secret()), encoded(token_secret)));
        Self {
            method,
            key: hmac::Key::new(algorithm, key.as_bytes()),
            consumer_key: consumer_key.to_owned(),
            token: token.map(|(token, _)| token),
            random: SystemRandom::new(),
        }
    }

    /// The value of the header Authorization for a request that is sent at this second.
    pub(super) fn authorization(
        &self,
        (method, uri): (&Method, &Uri),
        (headers, body): (&HeaderMap, &[u8]),
        seconds: i64,
    ) -> Result<HeaderValue, String> {
        let mut nonce = [0; 16];
        self.random.fill(&mut nonce).map_err(|_| "the system has no random numbers".to_owned())?;
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut value = HeaderValue::try_from(self.signed((method, uri), (headers, body), seconds, &nonce))
            .map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn signed(
        &self,
        (method, uri): (&Method, &Uri),
        (headers, body): (&HeaderMap, &[u8]),
        seconds: i64,
        nonce: &str,
    ) -> String {
        let word = match self.method {
            SignatureMethod::HmacSha1 => "HMAC-SHA1",
            SignatureMethod::HmacSha256 => "HMAC-SHA256",
        };
        let mut protocol: Parameters = [
            ("oauth_consumer_key", self.consumer_key.clone()),
            ("oauth_nonce", nonce.to_owned()),
            ("oauth_signature_method", word.to_owned()),
            ("oauth_timestamp", seconds.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        protocol.extend(self.token.clone().map(|token| ("oauth_token".to_owned(), token)));
        let mut parameters = parameters_of(uri, headers, body);
        parameters.extend(protocol.iter().cloned());
        let base = base_string(method, uri, parameters);
        let signature = STANDARD.encode(hmac::sign(&self.key, base.as_bytes()));
        protocol.push(("oauth_signature".to_owned(), signature));
        let written: Vec<String> =
            protocol.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        format!("OAuth {}", written.join(", "))
    }
}

/// Parameters of the query, and of a body that is a form (section 3.4.1.3.1).
fn parameters_of(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Parameters {
    let pairs = |text: &[u8]| -> Parameters { url::form_urlencoded::parse(text).into_owned().collect() };
    let mut parameters = pairs(uri.query().unwrap_or_default().as_bytes());
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        parameters.extend(pairs(body));
    }
    parameters
}

/// What is signed (section 3.4.1.1).
fn base_string(method: &Method, uri: &Uri, parameters: Parameters) -> String {
    let mut parameters: Parameters =
        parameters.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    parameters.sort();
    let parameters: Vec<String> =
        parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = match (scheme.as_str(), uri.port_u16()) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let place = format!("{scheme}://{host}{port}{path}");
    let method = method.as_str().to_ascii_uppercase();
    format!("{}&{}&{}", encoded(&method), encoded(&place), encoded(&parameters.join("&")))
}

/// What is not encoded beside letters and digits (section 3.6).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> HeaderMap {
        let value = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
    }

    /// Section 3.4.1.1.
    #[test]
    fn the_base_string_is_that_of_the_rfc() {
        let uri = Uri::from_static("http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b");
        let mut parameters = parameters_of(&uri, &form(), b"c2&a3=2+q");
        for (name, value) in [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ] {
            parameters.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(
            base_string(&Method::POST, &uri, parameters),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%25\
             40%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method\
             %3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// Section 1.2, the request for the photo.
    #[test]
    fn a_request_is_signed_as_the_rfc_shows() {
        let (consumer, token) =
            (SecretString::from("kd94hf93k423kf44"), SecretString::from("pfkkdhi9sl3r4s00"));
        let token = Some(("nnch734d00sl2jdk".to_owned(), &token));
        let signer = Signer::new(SignatureMethod::HmacSha1, "dpf43f3p2l4k3l03", &consumer, token);
        let uri = Uri::from_static("http://photos.example.net/photos?file=vacation.jpg&size=original");
        assert_eq!(
            signer.signed((&Method::GET, &uri), (&HeaderMap::new(), b""), 137_131_202, "chapoH"),
            "OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_nonce=\"chapoH\", \
             oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131202\", \
             oauth_token=\"nnch734d00sl2jdk\", oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""
        );
    }

    /// As the library oauthlib 3 signs the same request for Python.
    #[test]
    fn a_request_with_a_form_and_letters_of_all_kinds_is_signed_as_others_do() {
        let (consumer, token) = (SecretString::from("s3cr3t/+ é"), SecretString::from("tøken&secret"));
        let token = Some(("tok=en".to_owned(), &token));
        let signer = Signer::new(SignatureMethod::HmacSha256, "key ü&", &consumer, token);
        let uri = Uri::from_static(
            "https://wiki.example.org:8443/w/api.php?action=query&titles=Zo%C3%AB%20%2B%20x",
        );
        let signed =
            signer.signed((&Method::POST, &uri), (&form(), b"a=1+2&b=%C3%A9&a=0"), 1_700_000_000, "n0nce");
        assert!(signed.starts_with("OAuth oauth_consumer_key=\"key%20%C3%BC%26\", "), "{signed}");
        assert!(
            signed.ends_with("oauth_signature=\"GDWl3Hno6O%2FqXLSVIteSxSnZKZPuBLcokWpCQTABou4%3D\""),
            "{signed}"
        );
        let consumer = SecretString::from("secret");
        let signer = Signer::new(SignatureMethod::HmacSha256, "key", &consumer, None);
        let uri = Uri::from_static("https://wiki.example.org/w/api.php");
        let signed = signer.signed((&Method::GET, &uri), (&HeaderMap::new(), b""), 1_700_000_000, "n0nce");
        assert!(!signed.contains("oauth_token"), "{signed}");
        assert!(
            signed.ends_with("oauth_signature=\"QQF6bsgdaM4lN0YI032CeYmVqxzzyec3mMgD7itvnlU%3D\""),
            "{signed}"
        );
    }
}
