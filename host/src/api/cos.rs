//! Collaborations: the tenants.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{AtCo, Caller, InCo, OnPlatform};
use super::page::Page;
use super::problem::{Kind, Problem};
use super::records::CoPath;
use super::request::{JsonBody, JsonBytes, NoQuery, json};
use crate::host::Host;
use crate::registry::record::Collaboration;
use crate::registry::validate::InvalidRecord;

/// The collaborations that the key opens.
#[utoipa::path(
    get, path = "/cos", tag = "collaborations", operation_id = "list_cos",
    responses((status = 200, body = Page<Collaboration>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Page<Collaboration>>, Problem> {
    let mut collaborations = host.store.collaborations().await?;
    collaborations.retain(|collaboration| caller.sees(&collaboration.id));
    Ok(Json(Page::whole(collaborations)))
}

/// Creates a collaboration. Needs a platform key.
#[utoipa::path(
    post, path = "/cos", tag = "collaborations", operation_id = "create_co", request_body = Collaboration,
    responses((status = 201, body = Collaboration)),
)]
async fn create(
    State(host): State<Arc<Host>>,
    _: OnPlatform,
    _: NoQuery,
    JsonBody(collaboration): JsonBody<Collaboration>,
) -> Result<Response, Problem> {
    if host.store.collaboration(&collaboration.id).await?.is_some() {
        let id = &collaboration.id;
        let detail = format!("there is a collaboration `{id}`; change it with PUT /api/v1/cos/{id}");
        return Err(Problem::new(Kind::Conflict, detail));
    }
    store(&host, collaboration).await
}

/// One collaboration.
#[utoipa::path(
    get, path = "/cos/{co}", tag = "collaborations", operation_id = "get_co",
    params(CoPath),
    responses((status = 200, body = Collaboration)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
) -> Result<Json<Collaboration>, Problem> {
    let collaboration = host.store.collaboration(&caller.co).await?;
    collaboration.map(Json).ok_or_else(|| Problem::not_found("collaboration", &caller.co))
}

/// Replaces a collaboration; with a platform key, creates it too. `id` of the body may be left out.
#[utoipa::path(
    put, path = "/cos/{co}", tag = "collaborations", operation_id = "put_co", request_body = Collaboration,
    params(CoPath),
    responses(
        (status = 200, description = "replaced", body = Collaboration),
        (status = 201, description = "created", body = Collaboration),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    AtCo { co, .. }: AtCo,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let mut document: Value = json(&body)?;
    if let Some(members) = document.as_object_mut() {
        members.entry("id").or_insert_with(|| co.clone().into());
    }
    let collaboration: Collaboration = json(document.to_string().as_bytes())?;
    if collaboration.id != co {
        let message =
            format!("is {:?}, but the path says {co:?}; leave it out or give the same", collaboration.id);
        return Err(InvalidRecord::new("/id", message).into());
    }
    store(&host, collaboration).await
}

async fn store(host: &Host, collaboration: Collaboration) -> Result<Response, Problem> {
    let (collaboration, created) = host.registry.put_collaboration(collaboration).await?;
    let location = format!("/api/v1/cos/{}", collaboration.id);
    Ok(match created {
        true => (StatusCode::CREATED, [(header::LOCATION, location)], Json(collaboration)).into_response(),
        false => Json(collaboration).into_response(),
    })
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, put))
}
