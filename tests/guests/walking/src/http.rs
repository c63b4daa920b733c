//! HTTP: messages that go nowhere by themselves, and the one function that sends one.
#![allow(unsafe_code, reason = "forges handles, as a plugin in another language may")]

use std::mem::ManuallyDrop;

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingRequest,
    IncomingResponse, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions,
    ResponseOutparam, Scheme, http_error_code,
};
use crate::bindings::wasi::io::error::Error;

fn fields() -> Fields {
    let fields = Fields::new();
    let _ = fields.append("x-note", b"hello");
    fields
}

fn request() -> OutgoingRequest {
    OutgoingRequest::new(fields())
}

/// Sends a request, and waits for what comes of it.
fn handle(authority: &str) -> Result<u16, ErrorCode> {
    let request = request();
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    let future = outgoing_handler::handle(request, None)?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(response)) => response.map(|response| response.status()),
        _ => Err(ErrorCode::InternalError(None)),
    }
}

fn is_there<T>(value: T) {
    drop(value);
}

crate::list! { (authority: &str)
    "wasi:http/outgoing-handler#handle" => handle(authority),
    "wasi:http/types#http-error-code" => http_error_code(&crate::forged!(Error)),
    "wasi:http/types#[constructor]fields" => is_there(Fields::new()),
    "wasi:http/types#[static]fields.from-list" =>
        Fields::from_list(&[("x-note".to_owned(), b"hello".to_vec())]).map(|fields| fields.entries().len()),
    "wasi:http/types#[method]fields.get" => fields().get("x-note"),
    "wasi:http/types#[method]fields.has" => fields().has("x-note"),
    "wasi:http/types#[method]fields.set" => fields().set("authorization", &[b"Bearer mine".to_vec()]),
    "wasi:http/types#[method]fields.delete" => fields().delete("x-note"),
    "wasi:http/types#[method]fields.append" => fields().append("authorization", b"Bearer mine"),
    "wasi:http/types#[method]fields.entries" => fields().entries(),
    "wasi:http/types#[method]fields.clone" => fields().clone().entries().len(),
    "wasi:http/types#[method]incoming-request.method" => crate::forged!(IncomingRequest).method(),
    "wasi:http/types#[method]incoming-request.path-with-query" => crate::forged!(IncomingRequest).path_with_query(),
    "wasi:http/types#[method]incoming-request.scheme" => crate::forged!(IncomingRequest).scheme(),
    "wasi:http/types#[method]incoming-request.authority" => crate::forged!(IncomingRequest).authority(),
    "wasi:http/types#[method]incoming-request.headers" => is_there(crate::forged!(IncomingRequest).headers()),
    "wasi:http/types#[method]incoming-request.consume" => crate::forged!(IncomingRequest).consume().is_ok(),
    "wasi:http/types#[constructor]outgoing-request" => is_there(request()),
    "wasi:http/types#[method]outgoing-request.body" => request().body().is_ok(),
    "wasi:http/types#[method]outgoing-request.method" => request().method(),
    "wasi:http/types#[method]outgoing-request.set-method" => request().set_method(&Method::Put),
    "wasi:http/types#[method]outgoing-request.path-with-query" => request().path_with_query(),
    "wasi:http/types#[method]outgoing-request.set-path-with-query" => request().set_path_with_query(Some("/x")),
    "wasi:http/types#[method]outgoing-request.scheme" => request().scheme(),
    "wasi:http/types#[method]outgoing-request.set-scheme" => request().set_scheme(Some(&Scheme::Https)),
    "wasi:http/types#[method]outgoing-request.authority" => request().authority(),
    "wasi:http/types#[method]outgoing-request.set-authority" => request().set_authority(Some("example.org")),
    "wasi:http/types#[method]outgoing-request.headers" => request().headers().entries().len(),
    "wasi:http/types#[constructor]request-options" => is_there(RequestOptions::new()),
    "wasi:http/types#[method]request-options.connect-timeout" => RequestOptions::new().connect_timeout(),
    "wasi:http/types#[method]request-options.set-connect-timeout" => RequestOptions::new().set_connect_timeout(Some(1)),
    "wasi:http/types#[method]request-options.first-byte-timeout" => RequestOptions::new().first_byte_timeout(),
    "wasi:http/types#[method]request-options.set-first-byte-timeout" =>
        RequestOptions::new().set_first_byte_timeout(Some(1)),
    "wasi:http/types#[method]request-options.between-bytes-timeout" => RequestOptions::new().between_bytes_timeout(),
    "wasi:http/types#[method]request-options.set-between-bytes-timeout" =>
        RequestOptions::new().set_between_bytes_timeout(Some(1)),
    "wasi:http/types#[static]response-outparam.set" => ResponseOutparam::set(
        ManuallyDrop::into_inner(crate::forged!(ResponseOutparam)),
        Err(ErrorCode::InternalError(None)),
    ),
    "wasi:http/types#[method]incoming-response.status" => crate::forged!(IncomingResponse).status(),
    "wasi:http/types#[method]incoming-response.headers" => is_there(crate::forged!(IncomingResponse).headers()),
    "wasi:http/types#[method]incoming-response.consume" => crate::forged!(IncomingResponse).consume().is_ok(),
    "wasi:http/types#[method]incoming-body.stream" => crate::forged!(IncomingBody).stream().is_ok(),
    "wasi:http/types#[static]incoming-body.finish" =>
        is_there(IncomingBody::finish(ManuallyDrop::into_inner(crate::forged!(IncomingBody)))),
    "wasi:http/types#[method]future-trailers.subscribe" => is_there(crate::forged!(FutureTrailers).subscribe()),
    "wasi:http/types#[method]future-trailers.get" => crate::forged!(FutureTrailers).get().is_some(),
    "wasi:http/types#[constructor]outgoing-response" => is_there(OutgoingResponse::new(fields())),
    "wasi:http/types#[method]outgoing-response.status-code" => OutgoingResponse::new(fields()).status_code(),
    "wasi:http/types#[method]outgoing-response.set-status-code" =>
        OutgoingResponse::new(fields()).set_status_code(404),
    "wasi:http/types#[method]outgoing-response.headers" =>
        OutgoingResponse::new(fields()).headers().entries().len(),
    "wasi:http/types#[method]outgoing-response.body" => OutgoingResponse::new(fields()).body().is_ok(),
    "wasi:http/types#[method]outgoing-body.write" => {
        let request = request();
        request.body().and_then(|body| body.write().map(drop))
    },
    "wasi:http/types#[static]outgoing-body.finish" => {
        let request = request();
        request.body().map(|body| OutgoingBody::finish(body, None).is_ok())
    },
    "wasi:http/types#[method]future-incoming-response.subscribe" =>
        is_there(crate::forged!(FutureIncomingResponse).subscribe()),
    "wasi:http/types#[method]future-incoming-response.get" => crate::forged!(FutureIncomingResponse).get().is_some(),
}
