//! A request over `wasi:http`.

use crate::Failure;
use crate::bindings::wasi::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, Scheme, http_error_code,
};
use crate::bindings::wasi::wasi::io::streams::{OutputStream, StreamError};

use super::reference::split;
use super::{Request, Response};

/// Most bytes that one read asks for.
const CHUNK_BYTES: u64 = 64 * 1024;

pub(super) fn send(request: &Request<'_>) -> Result<Response, Failure> {
    let failed = |code: ErrorCode| transport_failure(request, &code);
    let outgoing = outgoing_request(request)?;
    // A request without content has no body at all, so that none is announced to the server.
    let body = match request.content() {
        [] => None,
        content => Some(Body::begin(&outgoing, content).map_err(failed)?),
    };
    let future = handle(outgoing, None).map_err(failed)?;
    let written = body.map_or(Ok(()), Body::end);
    // A server may answer before it has read the whole body, so an error of writing decides nothing by itself.
    let response = match (await_response(&future), written) {
        (Ok(response), _) => response,
        (Err(ErrorCode::HttpProtocolError | ErrorCode::InternalError(_)), Err(code)) | (Err(code), _) => {
            return Err(failed(code));
        }
    };
    let headers = response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = read_body(request, &response)?;
    Ok(Response::new(request, response.status(), headers, body))
}

fn outgoing_request(request: &Request<'_>) -> Result<OutgoingRequest, Failure> {
    let url = request.url();
    let (scheme, authority, path_with_query) = split(&url).ok_or_else(|| {
        Failure::configuration(format!("{}: the server has no usable base URL", request.line()))
    })?;
    let length = Some(request.content().len()).filter(|length| *length > 0);
    let length = length.map(|length| ("content-length".to_owned(), length.to_string()));
    let headers = Fields::new();
    for (name, value) in request.headers().iter().chain(&length) {
        headers.append(name, value.as_bytes()).map_err(|error| {
            let reason = match error {
                HeaderError::Forbidden => "is the host's to set",
                HeaderError::InvalidSyntax | HeaderError::Immutable => "is not valid",
            };
            Failure::permanent(format!("{}: the header {name:?} {reason}", request.line()))
        })?;
    }
    let outgoing = OutgoingRequest::new(headers);
    // A request has a path, whatever the URL has.
    let path_with_query = match path_with_query {
        path if path.starts_with('/') => path.to_owned(),
        query => format!("/{query}"),
    };
    outgoing
        .set_method(&method(request.method()))
        .and_then(|()| outgoing.set_scheme(Some(&self::scheme(scheme))))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path_with_query)))
        .map_err(|()| Failure::permanent(format!("{}: not a valid method or URL", request.line())))?;
    Ok(outgoing)
}

fn method(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn scheme(scheme: &str) -> Scheme {
    match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

/// The body of a request on its way.
enum Body<'a> {
    /// All of it was taken before the request was handed over, so that nobody waits for anybody.
    Whole,
    /// The host takes it as the request is sent. The stream is dropped before the body that it is of.
    Streamed(OutputStream, OutgoingBody, &'a [u8]),
}

impl<'a> Body<'a> {
    fn begin(request: &OutgoingRequest, content: &'a [u8]) -> Result<Self, ErrorCode> {
        let internal = |()| ErrorCode::InternalError(None);
        let body = request.body().map_err(internal)?;
        let stream = body.write().map_err(internal)?;
        if stream.check_write().map_err(error_code)? < content.len() as u64 {
            return Ok(Self::Streamed(stream, body, content));
        }
        stream.write(content).map_err(error_code)?;
        drop(stream);
        OutgoingBody::finish(body, None)?;
        Ok(Self::Whole)
    }

    fn end(self) -> Result<(), ErrorCode> {
        let Self::Streamed(stream, body, mut rest) = self else { return Ok(()) };
        while !rest.is_empty() {
            stream.subscribe().block();
            let permitted = stream.check_write().map_err(error_code)?;
            let permitted = usize::try_from(permitted).unwrap_or(usize::MAX).min(rest.len());
            let (chunk, after) = rest.split_at_checked(permitted).unwrap_or((rest, &[]));
            stream.write(chunk).map_err(error_code)?;
            rest = after;
        }
        stream.blocking_flush().map_err(error_code)?;
        drop(stream);
        OutgoingBody::finish(body, None)
    }
}

fn await_response(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        match future.get() {
            Some(Ok(response)) => return response,
            Some(Err(())) => {
                return Err(ErrorCode::InternalError(Some("the response was taken already".to_owned())));
            }
            None => future.subscribe().block(),
        }
    }
}

fn read_body(request: &Request<'_>, response: &IncomingResponse) -> Result<Vec<u8>, Failure> {
    let broken = |()| transport_failure(request, &ErrorCode::HttpResponseIncomplete);
    let incoming: IncomingBody = response.consume().map_err(broken)?;
    let stream = incoming.stream().map_err(broken)?;
    let limit = request.response_limit_bytes();
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES) {
            Ok(chunk) if chunk.len() > limit - body.len() => {
                return Err(Failure::permanent(format!(
                    "{}: the response is larger than {limit} bytes",
                    request.line()
                )));
            }
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(error) => return Err(transport_failure(request, &error_code(error))),
        }
    }
}

/// Why a stream ended.
fn error_code(error: StreamError) -> ErrorCode {
    match error {
        StreamError::Closed => ErrorCode::ConnectionTerminated,
        StreamError::LastOperationFailed(error) => {
            http_error_code(&error).unwrap_or_else(|| ErrorCode::InternalError(Some(error.to_debug_string())))
        }
    }
}

/// What an error below HTTP means for the call: most of them pass.
fn transport_failure(request: &Request<'_>, code: &ErrorCode) -> Failure {
    let message = |reason: &str| format!("{}: {reason}", request.line());
    match code {
        ErrorCode::HttpRequestDenied => Failure::configuration(message(
            "the host refused the request: no server bound to a slot covers it",
        )),
        ErrorCode::DestinationIpProhibited => {
            Failure::configuration(message("the host refused the address of the server"))
        }
        ErrorCode::ConfigurationError => {
            Failure::authentication(message("the host could not authenticate itself to the server"))
        }
        ErrorCode::TlsCertificateError => {
            Failure::configuration(message("the certificate of the server is not trusted"))
        }
        ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestBodySize(_) => Failure::permanent(message(&reason(code))),
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_) => Failure::permanent(message(&reason(code))),
        _ => Failure::transient(message(&reason(code))),
    }
}

/// An error in plain words.
fn reason(code: &ErrorCode) -> String {
    let reason = match code {
        ErrorCode::DnsTimeout => "the name of the server was not resolved in time",
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "the name of the server was not resolved",
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            "the server cannot be reached"
        }
        ErrorCode::ConnectionRefused => "connection refused",
        ErrorCode::ConnectionTerminated => "the connection broke",
        ErrorCode::ConnectionTimeout => "no connection within the time limit",
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            "no response within the time limit"
        }
        ErrorCode::ConnectionWriteTimeout => "the request was not taken within the time limit",
        ErrorCode::ConnectionLimitReached => "too many connections",
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "the TLS handshake failed",
        ErrorCode::HttpRequestBodySize(_) => "the body of the request is too large",
        ErrorCode::HttpProtocolError => "the server does not answer as HTTP asks",
        ErrorCode::HttpResponseIncomplete => "the response is incomplete",
        ErrorCode::HttpResponseBodySize(_) => "the body of the response is too large",
        ErrorCode::HttpResponseHeaderSectionSize(_) | ErrorCode::HttpResponseHeaderSize(_) => {
            "the headers of the response are too large"
        }
        ErrorCode::InternalError(Some(reason)) => reason,
        other => return format!("{other:?}"),
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Client;

    fn failure(code: ErrorCode) -> Failure {
        transport_failure(&Client::new("https://x.example/api").put("/users/1"), &code)
    }

    #[test]
    fn what_the_host_refuses_is_a_matter_of_configuration() {
        assert!(matches!(failure(ErrorCode::HttpRequestDenied), Failure::Configuration(_)));
        assert!(matches!(failure(ErrorCode::DestinationIpProhibited), Failure::Configuration(_)));
        assert!(matches!(failure(ErrorCode::TlsCertificateError), Failure::Configuration(_)));
    }

    #[test]
    fn what_ails_the_connection_passes() {
        assert_eq!(
            failure(ErrorCode::ConnectionRefused),
            Failure::transient("PUT /api/users/1: connection refused")
        );
        for code in [
            ErrorCode::DnsTimeout,
            ErrorCode::ConnectionTerminated,
            ErrorCode::ConnectionReadTimeout,
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::LoopDetected,
            ErrorCode::InternalError(None),
        ] {
            assert!(matches!(failure(code.clone()), Failure::Transient(_)), "{code:?}");
        }
    }

    #[test]
    fn what_is_too_large_does_not_pass() {
        assert_eq!(
            failure(ErrorCode::HttpResponseBodySize(Some(9))),
            Failure::permanent("PUT /api/users/1: the body of the response is too large")
        );
        assert!(matches!(failure(ErrorCode::HttpRequestBodySize(None)), Failure::Permanent(_)));
    }
}
