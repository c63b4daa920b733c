//! Requests made by hand over `wasi:http`, past everything that the SDK does for an author.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::bindings::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use crate::bindings::wasi::io::poll::poll;
use crate::bindings::wasi::io::streams::StreamError;

/// A request, part by part.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawRequest {
    #[serde(default = "get")]
    method: String,
    #[serde(default = "http")]
    scheme: String,
    authority: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Written in one piece after another, of at most this many bytes each.
    #[serde(default)]
    body_bytes: usize,
    #[serde(default)]
    trailers: Vec<(String, String)>,
    /// For the connection, and for the first byte.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// The same request many times, all begun before the first is waited for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Crowd {
    request: RawRequest,
    count: usize,
    then: Then,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Then {
    /// Waits for all and reads the bodies.
    Read,
    /// Waits for all and reads no body.
    Hold,
    /// Drops all of them at once.
    Drop,
    /// Waits for none of them, and lets none go.
    Leave,
    /// Waits for one and drops the others.
    DropRest,
    /// Never sends them: keeps the requests with what was written of their bodies.
    Keep,
}

fn get() -> String {
    "GET".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

impl RawRequest {
    pub(crate) fn make(&self, notes: &mut Vec<String>) {
        notes.push(self.exchange().unwrap_or_else(|failure| format!("failed: {failure}")));
    }

    fn exchange(&self) -> Result<String, String> {
        let (request, body) = self.prepare()?;
        let options = RequestOptions::new();
        if let Some(milliseconds) = self.timeout_ms {
            let nanoseconds = Some(milliseconds * 1_000_000);
            let set = options
                .set_connect_timeout(nanoseconds)
                .and_then(|()| options.set_first_byte_timeout(nanoseconds));
            set.map_err(|()| "timeout".to_owned())?;
        }
        let future = handle(request, Some(options)).map_err(|code| format!("handle: {code:?}"))?;
        if let Some(body) = body {
            self.write(&body)?;
            let trailers = match &self.trailers[..] {
                [] => None,
                trailers => Some(fields(trailers)?),
            };
            OutgoingBody::finish(body, trailers).map_err(|code| format!("finish: {code:?}"))?;
        }
        read(&response(&future)?)
    }

    fn prepare(&self) -> Result<(OutgoingRequest, Option<OutgoingBody>), String> {
        let method = match self.method.as_str() {
            "GET" => Method::Get,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            other => Method::Other(other.to_owned()),
        };
        let scheme = match self.scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        let request = OutgoingRequest::new(fields(&self.headers)?);
        request.set_method(&method).map_err(|()| "not a method")?;
        request.set_scheme(Some(&scheme)).map_err(|()| "not a scheme")?;
        request.set_authority(Some(&self.authority)).map_err(|()| "not an authority")?;
        request.set_path_with_query(self.path.as_deref()).map_err(|()| "not a path")?;
        let body = match self.body_bytes {
            0 => None,
            _ => Some(request.body().map_err(|()| "no body")?),
        };
        Ok((request, body))
    }

    fn write(&self, body: &OutgoingBody) -> Result<(), String> {
        let stream = body.write().map_err(|()| "no stream")?;
        let mut left = self.body_bytes;
        while left > 0 {
            let chunk = left.min(4096);
            stream
                .blocking_write_and_flush(&vec![b'x'; chunk])
                .map_err(|error| format!("write: {error:?}"))?;
            left -= chunk;
        }
        Ok(())
    }

    /// Writes as much as is taken before the request is sent.
    fn write_what_is_taken(&self, body: &OutgoingBody) -> Result<(), String> {
        let stream = body.write().map_err(|()| "no stream")?;
        let mut left = self.body_bytes;
        while let Ok(room @ 1..) = stream.check_write() {
            let chunk = left.min(usize::try_from(room).unwrap_or(usize::MAX));
            if chunk == 0 || stream.write(&vec![b'x'; chunk]).is_err() {
                break;
            }
            left -= chunk;
        }
        Ok(())
    }
}

impl Crowd {
    pub(crate) fn make(&self, notes: &mut Vec<String>) {
        notes.push(self.all().unwrap_or_else(|failure| format!("failed: {failure}")));
    }

    fn all(&self) -> Result<String, String> {
        let mut prepared = Vec::new();
        for _ in 0..self.count {
            let (request, body) = self.request.prepare()?;
            if let (Some(body), Then::Keep) = (&body, self.then) {
                self.request.write_what_is_taken(body)?;
            }
            // Without a body that is kept open, the request is whole.
            prepared.push(request);
        }
        if let Then::Keep = self.then {
            return Ok(format!("{} kept", prepared.len()));
        }
        let futures = prepared.into_iter().map(|request| handle(request, None));
        let futures = futures.collect::<Result<Vec<_>, _>>().map_err(|code| format!("handle: {code:?}"))?;
        match self.then {
            Then::Keep | Then::Drop => Ok(format!("{} dropped", futures.len())),
            Then::Leave => {
                let left = futures.len();
                std::mem::forget(futures);
                Ok(format!("{left} left"))
            }
            Then::DropRest => {
                let pollables: Vec<_> = futures.iter().map(FutureIncomingResponse::subscribe).collect();
                let ready = poll(&pollables.iter().collect::<Vec<_>>());
                Ok(format!("some ready: {}", !ready.is_empty()))
            }
            Then::Read => {
                let answers = futures.iter().map(|future| read(&response(future)?));
                Ok(tally(answers.map(|answer| answer.unwrap_or_else(|failure| format!("failed: {failure}")))))
            }
            Then::Hold => {
                let responses: Vec<_> = futures.iter().map(response).collect();
                Ok(tally(responses.iter().map(|response| match response {
                    Ok(response) => response.status().to_string(),
                    Err(failure) => format!("failed: {failure}"),
                })))
            }
        }
    }
}

/// Equal texts, counted.
fn tally(texts: impl Iterator<Item = String>) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let counts: Vec<String> = counts.into_iter().map(|(text, count)| format!("{count} x {text}")).collect();
    counts.join(", ")
}

fn fields(headers: &[(String, String)]) -> Result<Fields, String> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|error| format!("header {name:?}: {error:?}"))?;
    }
    Ok(fields)
}

fn response(future: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    loop {
        match future.get() {
            Some(Ok(response)) => return response.map_err(|code| format!("{code:?}")),
            Some(Err(())) => return Err("taken already".to_owned()),
            None => future.subscribe().block(),
        }
    }
}

/// All that a guest can see of a response.
fn read(response: &IncomingResponse) -> Result<String, String> {
    let headers = response.headers().entries().into_iter();
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value))).collect();
    let body: IncomingBody = response.consume().map_err(|()| "consumed already")?;
    let mut content = Vec::new();
    {
        let stream = body.stream().map_err(|()| "no stream")?;
        loop {
            match stream.blocking_read(65_536) {
                Ok(chunk) => content.extend_from_slice(&chunk),
                Err(StreamError::Closed) => break,
                Err(error) => return Err(format!("read: {error:?}")),
            }
        }
    }
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    let trailers = match trailers.get() {
        Some(Ok(Ok(Some(trailers)))) => format!(" trailers {:?}", trailers.entries()),
        _ => String::new(),
    };
    let content = match content.len() {
        0..=500 => String::from_utf8_lossy(&content).into_owned(),
        length => format!("({length} bytes)"),
    };
    Ok(format!("{} [{}] {content}{trailers}", response.status(), headers.join(", ")))
}
