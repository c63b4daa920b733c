//! Units, org identity sources, terms and conditions: the entries of a collaboration that its records refer to, one by one.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::{CoPath, RecordPath};
use super::request::{JsonBytes, NoQuery, json};
use crate::host::Host;
use crate::registry::record::{Collaboration, Cou, Entry, OrgIdentitySource, TermsAndConditions};
use crate::registry::validate::InvalidRecord;

/// A request to the entries of one kind.
struct Entries {
    host: Arc<Host>,
    co: String,
}

impl Entries {
    fn new(host: Arc<Host>, caller: InCo) -> Self {
        Self { host, co: caller.co }
    }

    async fn collaboration(&self) -> Result<Collaboration, Problem> {
        let collaboration = self.host.store.collaboration(&self.co).await?;
        collaboration.ok_or_else(|| Problem::not_found("collaboration", &self.co))
    }

    async fn list<E: Entry>(self) -> Result<Json<Page<E>>, Problem> {
        let mut entries = E::entries(&self.collaboration().await?).to_vec();
        entries.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(Json(Page::whole(entries)))
    }

    async fn get<E: Entry>(self, id: &str) -> Result<Json<E>, Problem> {
        let collaboration = self.collaboration().await?;
        let entry = E::entries(&collaboration).iter().find(|entry| entry.id() == id);
        entry.cloned().map(Json).ok_or_else(|| Problem::not_found(E::REFERENCE.word(), id))
    }

    async fn put<E: Entry + DeserializeOwned>(
        self,
        id: &str,
        collection: &str,
        body: &Bytes,
    ) -> Result<Response, Problem> {
        let entry: E = with_id(id, body)?;
        let answer = Json(entry.clone());
        let created = self.host.registry.put_entry(&self.co, entry).await?;
        let location = format!("/api/v1/cos/{}/{collection}/{id}", self.co);
        Ok(match created {
            true => (StatusCode::CREATED, [(header::LOCATION, location)], answer).into_response(),
            false => answer.into_response(),
        })
    }

    async fn delete<E: Entry>(self, id: &str) -> Result<StatusCode, Problem> {
        self.host.registry.delete_entry::<E>(&self.co, id).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

/// Reads an entry, whose `id` the body may leave out.
fn with_id<E: Entry + DeserializeOwned + Serialize>(id: &str, body: &Bytes) -> Result<E, Problem> {
    let mut document: Value = json(body)?;
    if let Some(members) = document.as_object_mut() {
        members.entry("id").or_insert_with(|| id.into());
    }
    let entry: E = json(document.to_string().as_bytes())?;
    if entry.id() != id {
        let message = format!("is {:?}, but the path says {id:?}; leave it out or give the same", entry.id());
        return Err(InvalidRecord::new("/id", message).into());
    }
    Ok(entry)
}

/// One module of thin handlers per kind of entry.
macro_rules! entry_routes {
    ($module:ident, $entry:ident, $collection:literal, $path:literal, $one:literal) => {
        mod $module {
            use super::*;

            /// The entries in ascending order of `id`.
            #[utoipa::path(
                get, path = $path, tag = $collection, operation_id = concat!("list_", stringify!($module)),
                params(CoPath),
                responses((status = 200, body = Page<$entry>)),
            )]
            pub(super) async fn list(
                State(host): State<Arc<Host>>,
                caller: InCo,
                _: NoQuery,
            ) -> Result<Json<Page<$entry>>, Problem> {
                Entries::new(host, caller).list().await
            }

            /// One entry.
            #[utoipa::path(
                get, path = $one, tag = $collection, operation_id = concat!("get_", stringify!($module)),
                params(RecordPath),
                responses((status = 200, body = $entry)),
            )]
            pub(super) async fn get(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                _: NoQuery,
            ) -> Result<Json<$entry>, Problem> {
                Entries::new(host, caller).get(&path.id).await
            }

            /// Creates or replaces an entry. `id` of the body may be left out. Nothing is provisioned by it.
            #[utoipa::path(
                put, path = $one, tag = $collection, operation_id = concat!("put_", stringify!($module)),
                request_body = $entry,
                params(RecordPath),
                responses(
                    (status = 200, description = "replaced", body = $entry),
                    (status = 201, description = "created", body = $entry),
                ),
            )]
            pub(super) async fn put(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                _: NoQuery,
                JsonBytes(body): JsonBytes,
            ) -> Result<Response, Problem> {
                Entries::new(host, caller).put::<$entry>(&path.id, $collection, &body).await
            }

            /// Removes an entry that no record refers to.
            #[utoipa::path(
                delete, path = $one, tag = $collection, operation_id = concat!("delete_", stringify!($module)),
                params(RecordPath),
                responses((status = 204, description = "removed")),
            )]
            pub(super) async fn delete(
                State(host): State<Arc<Host>>,
                caller: InCo,
                Path(path): Path<RecordPath>,
                _: NoQuery,
            ) -> Result<StatusCode, Problem> {
                Entries::new(host, caller).delete::<$entry>(&path.id).await
            }

            pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
                OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
            }
        }
    };
}

entry_routes!(cous, Cou, "cous", "/cos/{co}/cous", "/cos/{co}/cous/{id}");
entry_routes!(
    org_identity_sources,
    OrgIdentitySource,
    "org-identity-sources",
    "/cos/{co}/org-identity-sources",
    "/cos/{co}/org-identity-sources/{id}"
);
entry_routes!(
    terms_and_conditions,
    TermsAndConditions,
    "terms-and-conditions",
    "/cos/{co}/terms-and-conditions",
    "/cos/{co}/terms-and-conditions/{id}"
);

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    cous::router().merge(org_identity_sources::router()).merge(terms_and_conditions::router())
}
