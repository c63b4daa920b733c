//! The REST API under `/api/v1`: one file per resource, flat handlers, problems by RFC 9457.
//!
//! Without any API key, and only where it listens on a loopback address, requests from this machine need none: so a new
//! host can be tried at once. From the first key on, every request needs one.

mod auth;
mod changes;
mod cos;
mod enrollment;
mod entries;
mod filters;
mod health;
mod history;
mod ingest;
mod invocations;
mod jobs;
pub mod keys;
mod members;
mod merge_patch;
mod nestings;
mod notifications;
mod openapi;
mod page;
mod plugins;
mod problem;
mod provisioned_services;
mod record_routes;
mod records;
mod request;
mod servers;
mod targets;
mod write;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;

use crate::host::Host;
use crate::store::StoreError;
use problem::Problem;

pub use auth::Exposure;

#[cfg(test)]
mod tests;

/// Why the API does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Everybody in the network could do everything.
    #[error(
        "cannot listen on {0} without an API key: others could do everything; make one with `provender key create`, or \
         listen on a loopback address"
    )]
    KeyNeeded(SocketAddr),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the API cannot listen: {0}")]
    Io(#[from] std::io::Error),
}

/// Serves the API until `shutdown` is ready and requests under way are answered.
pub async fn serve(
    host: Arc<Host>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    let exposure = match address.ip().to_canonical().is_loopback() {
        true => Exposure::Loopback,
        false if host.store.api_keys().await?.is_empty() => return Err(ServeError::KeyNeeded(address)),
        false => Exposure::Network,
    };
    tracing::info!(%address, "API ready");
    axum::serve(listener, router(host, exposure)).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

/// All routes with their layers.
pub fn router(host: Arc<Host>, exposure: Exposure) -> Router {
    let body_bytes = usize::try_from(host.configuration.api.body_bytes).unwrap_or(usize::MAX);
    let timeout = Duration::from_millis(host.configuration.api.request_timeout_ms);
    let authenticated = resources(host.configuration.sandbox.component_bytes)
        .layer(DefaultBodyLimit::max(body_bytes))
        .route_layer(from_fn_with_state((Arc::clone(&host), exposure), auth::authenticate));
    let (router, description) = assemble(authenticated).split_for_parts();
    let description = openapi::complete(description);
    router
        .route("/api/v1/openapi.json", get(async move || axum::Json(description)))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(host)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, timeout))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(problem::problems_everywhere))
        .layer(
            // The path names what is asked for; query and headers may hold more than belongs into a log.
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request| {
                    tracing::info_span!("request", method = %request.method(), path = request.uri().path())
                })
                .on_response(|response: &Response, latency: Duration, _: &Span| {
                    let duration_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                    tracing::debug!(status = response.status().as_u16(), duration_us, "request answered");
                })
                // Whoever makes an error of the host says so.
                .on_failure(())
                .on_request(())
                .on_eos(()),
        )
}

/// The description of the API by OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(assemble(resources(u64::MAX)).into_openapi())
}

fn resources(component_bytes: u64) -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new()
        .merge(cos::router())
        .merge(entries::router())
        .merge(record_routes::router())
        .merge(enrollment::router())
        .merge(ingest::router())
        .merge(members::router())
        .merge(nestings::router())
        .merge(changes::router())
        .merge(plugins::router(component_bytes))
        .merge(servers::router())
        .merge(filters::router())
        .merge(targets::router())
        .merge(invocations::router())
        .merge(notifications::router())
        .merge(jobs::router())
}

fn assemble(resources: OpenApiRouter<Arc<Host>>) -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::with_openapi(openapi::base()).nest("/api/v1", resources).merge(health::router())
}

/// A panic ends one request, not the host.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of unknown kind");
    Problem::internal(&format!("panic: {message}")).into_response()
}
