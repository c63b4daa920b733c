//! What administrators are to know: targets that cannot be brought up to date with a subject.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::InCo;
use super::page::{Page, page_limit};
use super::problem::{Kind, Problem};
use super::records::CoPath;
use super::request::{JsonBody, NoQuery};
use crate::administration::{NotificationDelivery, NotificationSettingsInput};
use crate::host::Host;
use crate::monitoring;
use crate::provisioning::{Notification, NotificationState};
use crate::registry::record::{RecordKind, SubjectKey};
use crate::store::NotificationFilter;

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NotificationsQuery {
    /// Only those of this state.
    #[param(inline)]
    state: Option<NotificationState>,
    /// Only those of this target.
    target: Option<String>,
    /// Only those of this record: its kind. Needs `id`.
    #[param(inline)]
    kind: Option<RecordKind>,
    /// Only those of this record: its id. Needs `kind`.
    id: Option<String>,
    /// `next` of the page before.
    before: Option<Uuid>,
    /// Most notifications of the answer.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A notification in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct NotificationPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the notification.
    id: Uuid,
}

/// The notifications, newest first.
#[utoipa::path(
    get, path = "/cos/{co}/notifications", tag = "notifications", operation_id = "list_notifications",
    params(CoPath, NotificationsQuery),
    responses((status = 200, body = Page<Notification>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Query(query): Query<NotificationsQuery>,
) -> Result<Json<Page<Notification>>, Problem> {
    let limit = page_limit(query.limit)?;
    let subject = match (query.kind, query.id) {
        (Some(kind), Some(id)) => Some(SubjectKey { kind, id }),
        (None, None) => None,
        _ => {
            let detail = "`kind` and `id` name a record together; give both";
            return Err(Problem::new(Kind::InvalidRequest, detail));
        }
    };
    let filter = NotificationFilter { state: query.state, target: query.target, subject };
    let notifications = host.store.notifications(&caller.co, &filter, query.before, limit + 1).await?;
    Ok(Json(Page::of(notifications, limit, |notification| notification.id.to_string())))
}

/// One notification.
#[utoipa::path(
    get, path = "/cos/{co}/notifications/{id}", tag = "notifications", operation_id = "get_notification",
    params(NotificationPath),
    responses((status = 200, body = Notification)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<NotificationPath>,
    _: NoQuery,
) -> Result<Json<Notification>, Problem> {
    let notification = host.store.notification(&caller.co, path.id).await?;
    notification.map(Json).ok_or_else(|| Problem::not_found("notification", &path.id.to_string()))
}

/// Notes that the caller knows of a notification. While it goes on to fail it stays acknowledged, and nobody is reminded;
/// its end is told. One that is resolved stays as it is.
#[utoipa::path(
    post, path = "/cos/{co}/notifications/{id}/acknowledge", tag = "notifications",
    operation_id = "acknowledge_notification", params(NotificationPath),
    responses((status = 200, body = Notification)),
)]
async fn acknowledge(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<NotificationPath>,
    _: NoQuery,
) -> Result<Json<Notification>, Problem> {
    let by = caller.caller.described();
    let notification = monitoring::acknowledge(&host.store, &caller.co, path.id, &by).await?;
    notification.map(Json).ok_or_else(|| Problem::not_found("notification", &path.id.to_string()))
}

/// Where the notifications of the collaboration go, and how far each channel is.
#[utoipa::path(
    get, path = "/cos/{co}/notification-settings", tag = "notifications",
    operation_id = "get_notification_settings", params(CoPath),
    responses((status = 200, body = NotificationDelivery)),
)]
async fn settings(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
) -> Result<Json<NotificationDelivery>, Problem> {
    Ok(Json(host.administration.notification_delivery(&caller.co).await?))
}

/// Says where the notifications of the collaboration go. What is left out of the body is as it was at first, but the
/// secret of the webhook, which stays.
#[utoipa::path(
    put, path = "/cos/{co}/notification-settings", tag = "notifications",
    operation_id = "put_notification_settings", request_body = NotificationSettingsInput, params(CoPath),
    responses((status = 200, body = NotificationDelivery)),
)]
async fn put_settings(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
    JsonBody(input): JsonBody<NotificationSettingsInput>,
) -> Result<Json<NotificationDelivery>, Problem> {
    Ok(Json(host.administration.put_notification_settings(&caller.co, input).await?))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(acknowledge))
        .routes(routes!(settings, put_settings))
}
