//! Errors of the API by RFC 9457: one type, made from every error of the parts below.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration::{AdministrationError, InvalidField};
use crate::jobs::{BulkError, JobError};
use crate::pipeline::{ExplainError, ProvisionError, ReplayError, ShownEffect, TargetProblem, TrialError};
use crate::plugins::{InstallError, InstallProblem, RemoveError};
use crate::registry::validate::InvalidRecord;
use crate::registry::write::WriteError;
use crate::sandbox::Refused;
use crate::store::StoreError;

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/invalid-record")]
    kind: String,
    /// The same for all problems of a kind.
    #[schema(value_type = String)]
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What happened this time, and what helps.
    detail: String,
    /// Each place of the body that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<InvalidField>,
    /// What a check or a set-up that failed did at counterparts until then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    effects: Vec<ShownEffect>,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    InvalidRecord,
    InvalidConfiguration,
    PluginRefused,
    Internal,
    CheckFailed,
    Unavailable,
}

impl Kind {
    /// The last step of the type, the title, and the status.
    fn words(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidRequest => ("invalid-request", "the request cannot be understood", 400),
            Self::Unauthenticated => ("unauthenticated", "an API key is needed", 401),
            Self::Forbidden => ("forbidden", "the API key does not allow this", 403),
            Self::NotFound => ("not-found", "there is no such thing", 404),
            Self::MethodNotAllowed => ("method-not-allowed", "the resource has no such method", 405),
            Self::Conflict => ("conflict", "something is in the way", 409),
            Self::PreconditionFailed => ("precondition-failed", "the record changed meanwhile", 412),
            Self::TooLarge => ("too-large", "the body is too large", 413),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "the body is of another type than expected", 415)
            }
            Self::InvalidRecord => ("invalid-record", "the record cannot be stored", 422),
            Self::InvalidConfiguration => {
                ("invalid-configuration", "the configuration cannot be stored", 422)
            }
            Self::PluginRefused => ("plugin-refused", "the plugin is not taken", 422),
            Self::Internal => ("internal", "the host failed", 500),
            Self::CheckFailed => ("check-failed", "configuration or counterpart do not pass the check", 502),
            Self::Unavailable => ("unavailable", "the host cannot serve now", 503),
        }
    }

    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (word, title, status) = kind.words();
        let kind = format!("/problems/{word}");
        Self { kind, title, status, detail: detail.into(), errors: Vec::new(), effects: Vec::new() }
    }

    pub(super) fn with_errors(mut self, errors: Vec<InvalidField>) -> Self {
        self.errors = errors;
        self
    }

    /// A failure of the host: told in full to the log, once, and to the caller only as one.
    pub(super) fn internal(error: &(impl std::fmt::Display + ?Sized)) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(Kind::Internal, "the log of the host says more")
    }

    /// There is no such thing, or the caller must not know of it.
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} `{id}`"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"provender\""));
        }
        response
    }
}

/// Longest text of an error that is taken over.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Makes a problem of every error response that is none: those of the router, of extractors and of layers.
pub(super) async fn problems_everywhere(response: Response) -> Response {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes() == MEDIA_TYPE.as_bytes());
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_TEXT_BYTES).await.unwrap_or_default();
    let detail = match std::str::from_utf8(&text) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => detail_of(status).to_owned(),
    };
    let mut problem = Problem::new(Kind::of_status(status), detail);
    problem.status = status.as_u16();
    let (problem, body) = problem.into_response().into_parts();
    // Others, as `Allow`, stay.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(problem.headers);
    Response::from_parts(parts, Body::new(body))
}

fn detail_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing at this path; /api/v1/openapi.json lists what there is",
        StatusCode::METHOD_NOT_ALLOWED => "see the header Allow",
        StatusCode::SERVICE_UNAVAILABLE => {
            "it took longer than `api.request_timeout_ms`; what was committed stays, and provisioning goes on"
        }
        _ => "see the status",
    }
}

impl From<InvalidRecord> for Problem {
    fn from(error: InvalidRecord) -> Self {
        let detail = error.to_string();
        let field = |problem: crate::registry::validate::Problem| InvalidField {
            pointer: problem.pointer,
            detail: problem.message,
        };
        Self::new(Kind::InvalidRecord, detail).with_errors(error.problems.into_iter().map(field).collect())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Connection(_) | StoreError::Closed => {
                tracing::error!(%error, "store not reachable");
                Self::new(Kind::Unavailable, "the store is not reachable; try again later")
            }
            StoreError::Conflict(_) => {
                tracing::warn!(%error, "conflict in the store");
                Self::new(Kind::Conflict, "somebody else wrote at the same time; try again")
            }
            StoreError::Value(_) => Self::new(Kind::InvalidRequest, error.to_string()),
            error => Self::internal(&error),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::InvalidRecord(invalid) => invalid.into(),
            WriteError::Store(error) => error.into(),
            WriteError::UnknownCollaboration(_) | WriteError::NotFound { .. } => {
                Self::new(Kind::NotFound, error.to_string())
            }
            WriteError::Kept { .. }
            | WriteError::NestingCycle { .. }
            | WriteError::ProvisioningGroup { .. }
            | WriteError::InUse { .. } => Self::new(Kind::Conflict, error.to_string()),
            WriteError::Superseded { .. } => Self::new(Kind::PreconditionFailed, error.to_string()),
        }
    }
}

impl From<AdministrationError> for Problem {
    fn from(error: AdministrationError) -> Self {
        let detail = error.to_string();
        match error {
            AdministrationError::Store(error) => error.into(),
            AdministrationError::UnknownCollaboration(_) | AdministrationError::Unknown { .. } => {
                Self::new(Kind::NotFound, detail)
            }
            AdministrationError::Invalid { problems, .. } => {
                Self::new(Kind::InvalidConfiguration, detail).with_errors(problems)
            }
            AdministrationError::InUse { .. } | AdministrationError::InUseByWebhook { .. } => {
                Self::new(Kind::Conflict, detail)
            }
            AdministrationError::Unusable { .. }
            | AdministrationError::UnusableTarget { .. }
            | AdministrationError::Unreachable { .. } => Self::new(Kind::CheckFailed, detail),
        }
    }
}

impl From<InstallError> for Problem {
    fn from(error: InstallError) -> Self {
        match error.problem {
            InstallProblem::Store(error) => error.into(),
            InstallProblem::Refused(Refused::CompilerFailed { .. }) => Self::internal(&error),
            _ => Self::new(Kind::PluginRefused, error.to_string()),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Store(error) => error.into(),
            RemoveError::NotFound { .. } => Self::new(Kind::NotFound, error.to_string()),
            RemoveError::InUse { .. } => Self::new(Kind::Conflict, error.to_string()),
        }
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Store(error) => error.into(),
            ProvisionError::UnknownTarget(_) | ProvisionError::UnknownSubject { .. } => {
                Self::new(Kind::NotFound, error.to_string())
            }
            ProvisionError::Disabled(_) => Self::new(Kind::Conflict, error.to_string()),
        }
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let detail = error.to_string();
        match error {
            JobError::Store(error) => error.into(),
            JobError::Unknown(_) => Self::new(Kind::NotFound, detail),
            JobError::Ended { .. } | JobError::NotFailed { .. } | JobError::ForAllSubjects(_) => {
                Self::new(Kind::Conflict, detail)
            }
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        let detail = error.to_string();
        match error {
            BulkError::Store(error) => error.into(),
            BulkError::UnknownTarget(_) => Self::new(Kind::NotFound, detail),
            BulkError::Disabled(_) | BulkError::UnderWay(_) => Self::new(Kind::Conflict, detail),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        let detail = error.to_string();
        match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::Unknown(_) => Self::new(Kind::NotFound, detail),
            ReplayError::Unfinished(_)
            | ReplayError::NothingCalled(_)
            | ReplayError::Incomplete { .. }
            | ReplayError::Unreadable { .. }
            | ReplayError::Plugin(_) => Self::new(Kind::Conflict, detail),
        }
    }
}

impl From<TargetProblem> for Problem {
    fn from(error: TargetProblem) -> Self {
        TrialError::Target(error).into()
    }
}

impl From<ExplainError> for Problem {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Target(error) => error.into(),
            ExplainError::Subject(error) => error.into(),
            ExplainError::Store(error) => error.into(),
        }
    }
}

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Self {
        let detail = error.to_string();
        match error {
            TrialError::Target(TargetProblem::Store(error)) => error.into(),
            TrialError::Target(TargetProblem::Unknown(_)) => Self::new(Kind::NotFound, detail),
            TrialError::Target(TargetProblem::Unusable { .. }) => Self::new(Kind::CheckFailed, detail),
            TrialError::Failed { message, location, effects, .. } => {
                let field =
                    |at: String| InvalidField { pointer: format!("/configuration{at}"), detail: message };
                let errors = location.filter(|at| at.starts_with('/')).map(field);
                let problem = Self::new(Kind::CheckFailed, detail);
                Self { effects, ..problem.with_errors(errors.into_iter().collect()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn body(response: Response) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body(), 65_536).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_carries_its_type_and_the_places_that_are_wrong() {
        let problem = Problem::from(InvalidRecord::new("/names/0/type", "must not be empty"));
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body(response).await,
            json!({
                "type": "/problems/invalid-record",
                "title": "the record cannot be stored",
                "status": 422,
                "detail": "/names/0/type: must not be empty",
                "errors": [{"pointer": "/names/0/type", "detail": "must not be empty"}],
            })
        );
    }

    #[tokio::test]
    async fn every_bare_error_response_becomes_a_problem_and_keeps_its_headers() {
        let mut bare = StatusCode::METHOD_NOT_ALLOWED.into_response();
        bare.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        let response = problems_everywhere(bare).await;
        assert_eq!(response.headers()[header::ALLOW], "GET");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(body(response).await["type"], "/problems/method-not-allowed");

        let text = (StatusCode::BAD_REQUEST, "unknown field `x`").into_response();
        let text = body(problems_everywhere(text).await).await;
        assert_eq!((&text["status"], &text["detail"]), (&json!(400), &json!("unknown field `x`")));
    }

    #[tokio::test]
    async fn what_is_no_error_stays_as_it_is() {
        let response = problems_everywhere((StatusCode::OK, "fine").into_response()).await;
        assert_eq!(to_bytes(response.into_body(), 10).await.unwrap(), "fine");
    }

    #[test]
    fn a_failure_of_the_store_shows_nothing_of_the_store() {
        let error =
            StoreError::CorruptDocument { table: "records", key: "x".to_owned(), reason: "y".to_owned() };
        let problem = Problem::from(error);
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("records"), "{}", problem.detail);
    }
}
