//! The catalog of plugins: one for the whole platform.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, OnPlatform};
use super::page::Page;
use super::problem::{Kind, Problem};
use super::request::{NoQuery, bytes};
use crate::host::Host;
use crate::plugins::{Catalog, FindError, Manifest};

/// A plugin in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PluginPath {
    /// SHA-256 of the component, or at least its eight first digits.
    digest: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InstallQuery {
    /// Name of the file, for messages.
    file: Option<String>,
}

/// A component, as its bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
struct Component(Vec<u8>);

impl FromRequest<Arc<Host>> for Component {
    type Rejection = Problem;

    async fn from_request(request: Request, host: &Arc<Host>) -> Result<Self, Problem> {
        let limit = ("sandbox.component_bytes", host.configuration.sandbox.component_bytes);
        Ok(Self(bytes(request, &["application/wasm", "application/octet-stream"], limit).await?.into()))
    }
}

/// The installed plugins, by name, then by the time of installation.
#[utoipa::path(
    get, path = "/plugins", tag = "plugins", operation_id = "list_plugins",
    responses((status = 200, body = Page<Manifest>)),
)]
async fn list(State(host): State<Arc<Host>>, _: Caller, _: NoQuery) -> Result<Json<Page<Manifest>>, Problem> {
    Ok(Json(Page::whole(host.catalog.list().await?)))
}

/// Installs a plugin: the body is the component. Needs a platform key.
#[utoipa::path(
    post, path = "/plugins", tag = "plugins", operation_id = "install_plugin",
    request_body(content = Component, content_type = "application/wasm"),
    params(InstallQuery),
    responses(
        (status = 200, description = "was installed already", body = Manifest),
        (status = 201, description = "installed", body = Manifest),
    ),
)]
async fn install(
    State(host): State<Arc<Host>>,
    _: OnPlatform,
    Query(query): Query<InstallQuery>,
    Component(wasm): Component,
) -> Result<Response, Problem> {
    let origin = query.file.unwrap_or_else(|| "upload".to_owned());
    let known = host.store.plugin(&Catalog::digest(&wasm)).await?.is_some();
    // Compiled to the end although the caller may go away, so that the next try finds it done.
    let installing = tokio::spawn(async move { host.catalog.install(&origin, wasm).await });
    let manifest = installing.await.map_err(|error| Problem::internal(&error))??;
    let location = format!("/api/v1/plugins/{}", manifest.digest);
    Ok(match known {
        true => Json(manifest).into_response(),
        false => (StatusCode::CREATED, [(header::LOCATION, location)], Json(manifest)).into_response(),
    })
}

/// One plugin: what it is, what it imports, what it needs, and how it is configured.
#[utoipa::path(
    get, path = "/plugins/{digest}", tag = "plugins", operation_id = "get_plugin",
    params(PluginPath),
    responses((status = 200, body = Manifest)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    _: Caller,
    Path(path): Path<PluginPath>,
    _: NoQuery,
) -> Result<Json<Manifest>, Problem> {
    Ok(Json(find(&host, &path.digest).await?))
}

/// Removes a plugin that no target and no filter uses. Needs a platform key.
#[utoipa::path(
    delete, path = "/plugins/{digest}", tag = "plugins", operation_id = "delete_plugin",
    params(PluginPath),
    responses((status = 204, description = "removed")),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    _: OnPlatform,
    Path(path): Path<PluginPath>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    let manifest = find(&host, &path.digest).await?;
    host.catalog.remove(&manifest.digest).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(host: &Host, digest: &str) -> Result<Manifest, Problem> {
    match host.catalog.find(digest).await {
        // A name would do elsewhere; a path names one plugin for good.
        Ok(manifest) if manifest.digest.starts_with(digest) => Ok(manifest),
        Ok(_) | Err(FindError::NotFound { .. }) => Err(Problem::not_found("plugin", digest)),
        Err(error @ FindError::Ambiguous { .. }) => Err(Problem::new(Kind::Conflict, error.to_string())),
        Err(FindError::Store(error)) => Err(error.into()),
    }
}

/// `component_bytes` is the largest component; a little more lets its refusal say so.
pub(super) fn router(component_bytes: u64) -> OpenApiRouter<Arc<Host>> {
    let limit = usize::try_from(component_bytes).unwrap_or(usize::MAX);
    OpenApiRouter::new()
        .routes(routes!(list, install))
        .layer(DefaultBodyLimit::max(limit.saturating_add(1)))
        .routes(routes!(get, delete))
}
