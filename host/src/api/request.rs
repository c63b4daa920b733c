//! What requests carry: bodies, query parameters and preferences, read with errors that say where.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::{Kind, Problem};
use crate::host::Host;
use crate::registry::validate::{InvalidRecord, read_json};

/// A JSON body, not read yet.
pub(super) struct JsonBytes(pub(super) Bytes);

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

/// No query parameters: any is refused.
pub(super) struct NoQuery;

/// What the caller would like (RFC 7240).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preferences {
    /// Not to wait for provisioning.
    pub(super) respond_async: bool,
    /// To wait so long before the answer comes without.
    pub(super) wait: Option<Duration>,
}

/// Parameters of a write.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteQuery {
    /// `false` stores and records the change and provisions nothing.
    #[serde(default = "yes")]
    #[param(default = true)]
    pub(super) provision: bool,
    /// `true`: the write is the last of a pipeline. The person is provisioned for that, with all the person's groups, even
    /// if this write changes nothing.
    #[serde(default)]
    #[param(default = false)]
    pub(super) pipeline: bool,
    /// `true`: a group may be suspended although it is the provisioning group of targets, which then remove everybody.
    #[serde(default)]
    #[param(default = false)]
    pub(super) deprovision: bool,
}

impl Default for WriteQuery {
    fn default() -> Self {
        Self { provision: true, pipeline: false, deprovision: false }
    }
}

/// Headers of a write, for the description of the API; [`Preferences`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) struct PreferHeader {
    /// `respond-async` (RFC 7240): answer at once, or with `wait=<seconds>` after that time.
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}

/// As [`PreferHeader`]; read by `records`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) struct IfMatchHeader {
    /// The `ETag` that the write is based on (RFC 9110).
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

fn yes() -> bool {
    true
}

const JSON_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Reads a body of one of the media types; `limit` is told when it is too large.
pub(super) async fn bytes(
    request: Request,
    types: &[&str],
    limit: (&'static str, u64),
) -> Result<Bytes, Problem> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|expected| essence.eq_ignore_ascii_case(expected)) {
        let detail = format!("send the header Content-Type with {}", types.join(" or "));
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        let (setting, limit) = limit;
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("this host takes at most {limit} bytes; send less or raise `{setting}`");
                Problem::new(Kind::TooLarge, detail)
            }
            _ => Problem::new(Kind::InvalidRequest, rejection.body_text()),
        }
    })
}

/// Reads JSON; an error tells the place.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    Ok(read_json(bytes)?)
}

/// Fills in a field of a body that the path says too; `field` is what it is called.
pub(super) fn as_in_path(field: &str, given: &mut String, path: String) -> Result<(), InvalidRecord> {
    if given.is_empty() {
        *given = path;
    } else if *given != path {
        let message = format!("is {given:?}, but the path says {path:?}; leave it out or give the same");
        return Err(InvalidRecord::new(format!("/{field}"), message));
    }
    Ok(())
}

impl FromRequest<Arc<Host>> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, host: &Arc<Host>) -> Result<Self, Problem> {
        let limit = ("api.body_bytes", host.configuration.api.body_bytes);
        Ok(Self(bytes(request, &JSON_TYPES, limit).await?))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Host>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, host: &Arc<Host>) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, host).await?;
        json(&bytes).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = axum::response::Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let query = Query::<Nothing>::from_request_parts(parts, state).await;
        query.map(|_| Self).map_err(IntoResponse::into_response)
    }
}

impl Preferences {
    fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            // Parameters of a preference change nothing here.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => preferences.respond_async = true,
                "wait" => {
                    preferences.wait = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs)
                }
                // Others may be ignored (RFC 7240, section 2).
                _ => {}
            }
        }
        preferences
    }
}

impl<S: Sync> FromRequestParts<S> for Preferences {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn preferences(values: &[&'static str]) -> Preferences {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_static(value));
        }
        Preferences::of(&headers)
    }

    #[test]
    fn preferences_are_read_from_all_headers_and_unknown_ones_are_ignored() {
        assert_eq!(preferences(&[]), Preferences::default());
        assert!(preferences(&["respond-async"]).respond_async);
        assert!(preferences(&["return=minimal, Respond-Async; x=y"]).respond_async);
        assert!(!preferences(&["handling=strict"]).respond_async);
        let both = preferences(&["respond-async", "wait=10"]);
        assert_eq!(both, Preferences { respond_async: true, wait: Some(Duration::from_secs(10)) });
        assert_eq!(preferences(&["wait=soon"]).wait, None);
    }
}
