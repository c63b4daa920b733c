//! The routes of each kind of record, and of what the targets hold of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::history::{HistoryQuery, history as history_of};
use super::page::{Page, PageQuery};
use super::problem::Problem;
use super::provisioned_services::provisioned_services;
use super::records::{CoPath, RecordPath, Records};
use super::request::{IfMatchHeader, JsonBytes, NoQuery, PreferHeader, Preferences, WriteQuery};
use super::write::WriteAnswer;
use crate::host::Host;
use crate::provisioning::{HistoryEntry, ServiceView};
use crate::registry::record::{Department, EmailList, Group, Person, Service};

/// One module of thin handlers per kind; what they do is in `records`.
macro_rules! record_routes {
    ($module:ident, $document:ident, $collection:literal, $path:literal, $one:literal, $services:literal,
     $history:literal) => {
        mod $module {
            use super::*;

            /// The records in ascending order of `id`.
            #[utoipa::path(
                get, path = $path, tag = $collection, operation_id = concat!("list_", stringify!($module)),
                params(CoPath, PageQuery),
                responses((status = 200, body = Page<$document>)),
            )]
            pub(super) async fn list(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Query(query): Query<PageQuery>,
            ) -> Result<Json<Page<$document>>, Problem> {
                Records { host, caller }.list(query).await
            }

            /// One record; its `ETag` is its revision.
            #[utoipa::path(
                get, path = $one, tag = $collection, operation_id = concat!("get_", stringify!($module)),
                params(RecordPath),
                responses((status = 200, body = $document, headers(("ETag" = String, description = "its revision")))),
            )]
            pub(super) async fn get(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                _: NoQuery,
            ) -> Result<Response, Problem> {
                Records { host, caller }.get::<$document>(&path.id).await
            }

            /// Creates or replaces a record as a whole, and provisions it.
            ///
            /// Answers when all targets have ended; with `Prefer: respond-async` at once. With `If-Match` only if the
            /// record is as expected.
            #[utoipa::path(
                put, path = $one, tag = $collection, operation_id = concat!("put_", stringify!($module)),
                request_body = $document,
                params(RecordPath, WriteQuery, PreferHeader, IfMatchHeader),
                responses(
                    (status = 200, description = "replaced", body = WriteAnswer<$document>),
                    (status = 201, description = "created", body = WriteAnswer<$document>),
                    (status = 202, description = "stored; provisioning goes on", body = WriteAnswer<$document>),
                ),
            )]
            pub(super) async fn put(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                Query(query): Query<WriteQuery>,
                preferences: Preferences,
                headers: HeaderMap,
                body: JsonBytes,
            ) -> Result<Response, Problem> {
                Records { host, caller }.put::<$document>(&path.id, &query, (preferences, headers), body).await
            }

            /// Changes a record by a JSON Merge Patch (RFC 7396), and provisions it. Lists are replaced as a whole.
            #[utoipa::path(
                patch, path = $one, tag = $collection, operation_id = concat!("patch_", stringify!($module)),
                request_body(content = Object, content_type = "application/merge-patch+json"),
                params(RecordPath, WriteQuery, PreferHeader, IfMatchHeader),
                responses(
                    (status = 200, description = "changed", body = WriteAnswer<$document>),
                    (status = 202, description = "stored; provisioning goes on", body = WriteAnswer<$document>),
                ),
            )]
            pub(super) async fn patch(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                Query(query): Query<WriteQuery>,
                preferences: Preferences,
                headers: HeaderMap,
                body: JsonBytes,
            ) -> Result<Response, Problem> {
                Records { host, caller }.patch::<$document>(&path.id, &query, (preferences, headers), body).await
            }

            /// Removes a record with its memberships, and has it removed from the targets.
            #[utoipa::path(
                delete, path = $one, tag = $collection, operation_id = concat!("delete_", stringify!($module)),
                params(RecordPath, WriteQuery, PreferHeader, IfMatchHeader),
                responses(
                    (status = 200, description = "removed", body = WriteAnswer<$document>),
                    (status = 202, description = "removed; provisioning goes on", body = WriteAnswer<$document>),
                ),
            )]
            pub(super) async fn delete(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                Query(query): Query<WriteQuery>,
                preferences: Preferences,
                headers: HeaderMap,
            ) -> Result<Response, Problem> {
                Records { host, caller }.delete::<$document>(&path.id, &query, (preferences, headers)).await
            }

            /// Where the record stands at each target that is not disabled, in the order the targets are called.
            #[utoipa::path(
                get, path = $services, tag = $collection,
                operation_id = concat!("list_provisioned_services_of_", stringify!($module)),
                params(RecordPath),
                responses((status = 200, body = Page<ServiceView>)),
            )]
            pub(super) async fn services(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                _: NoQuery,
            ) -> Result<Json<Page<ServiceView>>, Problem> {
                provisioned_services::<$document>(&host, &caller, path.id).await
            }

            /// What happened to the record, newest first: its changes, and what became of them at the targets.
            #[utoipa::path(
                get, path = $history, tag = $collection, operation_id = concat!("list_history_of_", stringify!($module)),
                params(RecordPath, HistoryQuery),
                responses((status = 200, body = Page<HistoryEntry>)),
            )]
            pub(super) async fn history(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                Query(query): Query<HistoryQuery>,
            ) -> Result<Json<Page<HistoryEntry>>, Problem> {
                history_of::<$document>(&host, &caller, path.id, query).await
            }

            pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
                OpenApiRouter::new()
                    .routes(routes!(list))
                    .routes(routes!(get, put, patch, delete))
                    .routes(routes!(services))
                    .routes(routes!(history))
            }
        }
    };
}

record_routes!(
    people,
    Person,
    "people",
    "/cos/{co}/people",
    "/cos/{co}/people/{id}",
    "/cos/{co}/people/{id}/provisioned-services",
    "/cos/{co}/people/{id}/history"
);
record_routes!(
    groups,
    Group,
    "groups",
    "/cos/{co}/groups",
    "/cos/{co}/groups/{id}",
    "/cos/{co}/groups/{id}/provisioned-services",
    "/cos/{co}/groups/{id}/history"
);
record_routes!(
    email_lists,
    EmailList,
    "email-lists",
    "/cos/{co}/email-lists",
    "/cos/{co}/email-lists/{id}",
    "/cos/{co}/email-lists/{id}/provisioned-services",
    "/cos/{co}/email-lists/{id}/history"
);
record_routes!(
    services,
    Service,
    "services",
    "/cos/{co}/services",
    "/cos/{co}/services/{id}",
    "/cos/{co}/services/{id}/provisioned-services",
    "/cos/{co}/services/{id}/history"
);
record_routes!(
    departments,
    Department,
    "departments",
    "/cos/{co}/departments",
    "/cos/{co}/departments/{id}",
    "/cos/{co}/departments/{id}/provisioned-services",
    "/cos/{co}/departments/{id}/history"
);

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    people::router()
        .merge(groups::router())
        .merge(email_lists::router())
        .merge(services::router())
        .merge(departments::router())
}
