//! Takes what the API provisioner of a COmanage Registry sends, so that a Registry can feed this host as one of its targets.
//!
//! The provisioner's mode POST sends everything to the collection, mode PUT to a place of the person's own, in fact with
//! POST. It waits for the answer inside its own transaction, so the answer does not wait for the targets here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::problem::Problem;
use super::records::CoPath;
use super::request::{JsonBytes, NoQuery};
use crate::host::Host;
use crate::registry::history::Operation;
use crate::registry::ingest::{Delivery, parse_delivery};
use crate::registry::validate::{InvalidRecord, check_id};
use crate::registry::write::{Ingested, WriteError, WriteOptions};

/// A person of the Registry in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DeliveryPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// The identifier that the Registry chose.
    identifier: String,
}

/// What became of a document.
#[derive(Debug, Serialize, ToSchema)]
struct IngestAnswer {
    /// `id` of the person.
    person: String,
    result: IngestResult,
    /// Number in the change history; null when nothing changed.
    #[schema(required = true)]
    change: Option<i64>,
    /// The row of the Registry that shows an older document as such, by kind and id.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum IngestResult {
    Created,
    Updated,
    Deleted,
    Unchanged,
    /// Older than what came before: left out.
    Stale,
}

/// Stores a person as a COmanage Registry sends it, or removes it if the document says so. Targets are told in the
/// background. The API key may come as the password of HTTP Basic authentication.
#[utoipa::path(
    post, path = "/cos/{co}/ingest/comanage-registry/", tag = "ingest", operation_id = "ingest_person",
    request_body(content = Object, description = "a document of the API provisioner, version 1.0.0"),
    params(CoPath),
    responses((status = 200, body = IngestAnswer)),
)]
async fn send(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    take(&host, caller, parse_delivery(&body)?).await
}

/// As the request to the collection. `identifier` is that of the document.
#[utoipa::path(
    post, path = "/cos/{co}/ingest/comanage-registry/{identifier}", tag = "ingest",
    operation_id = "ingest_person_by_post",
    request_body(content = Object, description = "a document of the API provisioner, version 1.0.0"),
    params(DeliveryPath),
    responses((status = 200, body = IngestAnswer)),
)]
async fn send_one(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<DeliveryPath>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let delivery = parse_delivery(&body)?;
    if delivery.id != path.identifier {
        let message = format!("is {:?}, but the path says {:?}", delivery.id, path.identifier);
        return Err(InvalidRecord::new("/person/meta/id", message).into());
    }
    take(&host, caller, delivery).await
}

/// As with POST.
#[utoipa::path(
    put, path = "/cos/{co}/ingest/comanage-registry/{identifier}", tag = "ingest",
    operation_id = "ingest_person_by_put",
    request_body(content = Object, description = "a document of the API provisioner, version 1.0.0"),
    params(DeliveryPath),
    responses((status = 200, body = IngestAnswer)),
)]
async fn put_one(
    host: State<Arc<Host>>,
    caller: InCo,
    path: Path<DeliveryPath>,
    query: NoQuery,
    body: JsonBytes,
) -> Result<Response, Problem> {
    send_one(host, caller, path, query, body).await
}

/// Removes a person. One who is not there counts as removed.
#[utoipa::path(
    delete, path = "/cos/{co}/ingest/comanage-registry/{identifier}", tag = "ingest",
    operation_id = "ingest_removal",
    params(DeliveryPath),
    responses((status = 200, body = IngestAnswer)),
)]
async fn delete_one(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<DeliveryPath>,
    _: NoQuery,
) -> Result<Response, Problem> {
    check_id(&path.identifier).map_err(|message| InvalidRecord::new("", message))?;
    take(&host, caller, Delivery { id: path.identifier, content: None }).await
}

async fn take(host: &Arc<Host>, caller: InCo, delivery: Delivery) -> Result<Response, Problem> {
    let (host, co, person) = (Arc::clone(host), caller.co, delivery.id.clone());
    let options = WriteOptions::by(caller.caller.actor);
    // A Registry that goes away must not keep what is committed from being provisioned, so this runs on its own.
    let ingested = tokio::spawn(async move {
        let ingested = host.registry.ingest(&co, delivery, &options).await?;
        if let Ingested::Stored { planned, .. } = &ingested {
            host.pipeline.submit(&co, planned);
        }
        Ok::<_, WriteError>(ingested)
    });
    let ingested = ingested.await.map_err(|error| Problem::internal(&error))??;
    Ok(Json(answer(person, ingested)).into_response())
}

fn answer(person: String, ingested: Ingested) -> IngestAnswer {
    match ingested {
        Ingested::Stale { row } => {
            IngestAnswer { person, result: IngestResult::Stale, change: None, older: Some(row) }
        }
        Ingested::Stored { operation, change, .. } => {
            let result = match operation {
                Some(Operation::Created) => IngestResult::Created,
                Some(Operation::Updated) => IngestResult::Updated,
                Some(Operation::Deleted) => IngestResult::Deleted,
                None => IngestResult::Unchanged,
            };
            IngestAnswer { person, result, change, older: None }
        }
    }
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new()
        .routes(routes!(send))
        .routes(routes!(send_one, put_one, delete_one))
        // The provisioner adds the slash; who enters the URL by hand may not.
        .route("/cos/{co}/ingest/comanage-registry", axum::routing::post(send))
}
