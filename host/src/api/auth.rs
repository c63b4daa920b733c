//! Who calls, and what they may do: a platform key everything, a key of one collaboration what is below it, a
//! read-only key only `GET`.
//!
//! What another collaboration has is not forbidden but not there: a key learns nothing of it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys;
use super::problem::{Kind, Problem};
use crate::host::Host;
use crate::store::ApiKeyRow;

/// Where the API can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Only from this machine. As long as there is no key, none is needed.
    Loopback,
    /// From elsewhere: every request needs a key.
    Network,
}

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// As it stands in the change history.
    pub(super) actor: String,
    /// Who has the key, or what for.
    description: String,
    /// The one collaboration it may reach; none stands for the platform.
    pub(super) co: Option<String>,
    full_access: bool,
}

/// A caller who may use the collaboration of the path with the method of the request, if there is one.
pub(super) struct AtCo {
    pub(super) co: String,
    pub(super) caller: Caller,
}

/// As [`AtCo`], and the collaboration is there.
pub(super) struct InCo {
    pub(super) co: String,
    pub(super) caller: Caller,
}

/// A caller who may use the whole platform with the method of the request.
pub(super) struct OnPlatform;

/// Finds out who calls, and refuses everybody else.
pub(super) async fn authenticate(
    State((host, exposure)): State<(Arc<Host>, Exposure)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = match presented(request.headers(), takes_passwords(&request))? {
        Some(key) => match keys::verify(&host.store, &key).await? {
            Some(row) => Caller::of(row),
            None => return Err(unauthenticated("the API key is not valid (any more)")),
        },
        None => keyless(&host, exposure, request.headers()).await?,
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        format!(
            "{detail}; make one with `provender key create` and send it as `Authorization: Bearer <key>`"
        ),
    )
}

/// Whether the key may come as a password (RFC 7617), as some other registries can send nothing else. Only there: a
/// browser would send a password by itself.
fn takes_passwords(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str().contains("/ingest/"))
}

/// The key that a request presents.
fn presented(headers: &HeaderMap, passwords: bool) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(key.trim().to_owned())),
        Some((scheme, credentials)) if passwords && scheme.eq_ignore_ascii_case("basic") => {
            let password = password_of(credentials.trim());
            password.map(Some).ok_or_else(|| unauthenticated("the header Authorization holds no password"))
        }
        _ => Err(unauthenticated("the header Authorization holds no bearer token")),
    }
}

/// The user may be anything.
fn password_of(credentials: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// Somebody at this very machine, before the first key exists.
async fn keyless(host: &Host, exposure: Exposure, headers: &HeaderMap) -> Result<Caller, Problem> {
    // A page in a browser on this machine is not its user, even under a name of its own for the loopback address.
    if exposure == Exposure::Network || headers.contains_key(header::ORIGIN) || !names_loopback(headers) {
        return Err(unauthenticated("this needs an API key"));
    }
    if !host.store.api_keys().await?.is_empty() {
        return Err(unauthenticated("this needs an API key, since there is one"));
    }
    Ok(Caller { actor: "local".to_owned(), description: String::new(), co: None, full_access: true })
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(authority) = host.to_str().unwrap_or_default().parse::<axum::http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Caller {
    fn of(row: ApiKeyRow) -> Self {
        let actor = format!("key {}", row.id);
        Self { actor, description: row.description, co: row.co, full_access: row.full_access }
    }

    /// As people know the caller: the key with its description.
    pub(super) fn described(&self) -> String {
        match self.description.as_str() {
            "" => self.actor.clone(),
            description => format!("{} ({description})", self.actor),
        }
    }

    /// Refuses a read-only key for anything but reading.
    fn may(&self, method: &Method) -> Result<(), Problem> {
        if self.full_access || matches!(*method, Method::GET | Method::HEAD) {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden, "the API key is read-only; this needs one with full access"))
        }
    }

    /// Whether the caller may know of a collaboration.
    pub(super) fn sees(&self, co: &str) -> bool {
        self.co.as_deref().is_none_or(|own| own == co)
    }

    /// Refuses a key of one collaboration.
    pub(super) fn on_platform(&self, what: &str) -> Result<(), Problem> {
        match &self.co {
            None => Ok(()),
            Some(co) => Err(Problem::new(
                Kind::Forbidden,
                format!("the API key is for collaboration `{co}` only; {what} needs one for the platform"),
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        // Every route of the API is behind `authenticate`; one that is not is closed.
        let caller = caller.ok_or_else(|| unauthenticated("this needs an API key"))?;
        caller.may(&parts.method)?;
        Ok(caller)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AtCo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()))?;
        let co = path.iter().find(|(name, _)| *name == "co").map(|(_, co)| co.to_owned()).unwrap_or_default();
        if parts.extensions.get::<Caller>().is_some_and(|caller| !caller.sees(&co)) {
            return Err(Problem::not_found("collaboration", &co));
        }
        Ok(Self { co, caller: Caller::from_request_parts(parts, state).await? })
    }
}

impl FromRequestParts<Arc<Host>> for InCo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Problem> {
        let AtCo { co, caller } = AtCo::from_request_parts(parts, host).await?;
        match host.store.collaboration(&co).await? {
            Some(_) => Ok(Self { co, caller }),
            None => Err(Problem::not_found("collaboration", &co)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for OnPlatform {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.on_platform("this")?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in ["Bearer pvk_a_b", "bearer pvk_a_b", "BEARER  pvk_a_b"] {
            let key = presented(&headers(header::AUTHORIZATION, value), false).unwrap();
            assert_eq!(key.as_deref(), Some("pvk_a_b"));
        }
        assert_eq!(presented(&HeaderMap::new(), true).unwrap(), None);
        for value in ["pvk_a_b", "Basic cHZrOng="] {
            assert!(presented(&headers(header::AUTHORIZATION, value), false).is_err(), "{value}");
        }
    }

    #[test]
    fn a_key_comes_as_a_password_only_where_that_is_taken() {
        // "registry:pvk_a_b"
        let basic = headers(header::AUTHORIZATION, "basic cmVnaXN0cnk6cHZrX2FfYg==");
        assert_eq!(presented(&basic, true).unwrap().as_deref(), Some("pvk_a_b"));
        assert!(presented(&basic, false).is_err());
        for value in ["Basic", "Basic !", "Basic cmVnaXN0cnk=", "Digest cmVnaXN0cnk6cHZrX2FfYg=="] {
            assert!(presented(&headers(header::AUTHORIZATION, value), true).is_err(), "{value}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:8470", "127.0.0.1:8470", "[::1]:8470", "127.1.2.3"] {
            assert!(names_loopback(&headers(header::HOST, host)), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "10.0.0.1", "0.0.0.0:8470", ""] {
            assert!(!names_loopback(&headers(header::HOST, host)), "{host}");
        }
    }

    #[test]
    fn a_read_only_key_may_only_read() {
        let caller =
            Caller { actor: "key a".to_owned(), description: String::new(), co: None, full_access: false };
        assert!(caller.may(&Method::GET).is_ok());
        for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            assert!(caller.may(&method).is_err(), "{method}");
        }
    }
}
