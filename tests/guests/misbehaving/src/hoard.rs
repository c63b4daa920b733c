//! Takes things of the host and keeps them.

use provender_sdk::bindings::host::provender::plugin::files;

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::http::types::{
    Fields, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, Scheme,
};
use crate::bindings::wasi::io::streams::OutputStream;

/// Takes as many of these, and gives how many it held in the end.
pub(crate) fn hoard(what: &str, times: usize) -> String {
    match what {
        "pollables" => held((0..times).map(|_| monotonic_clock::subscribe_duration(u64::MAX))),
        "instances of networks" => {
            held((0..times).map(|_| crate::bindings::wasi::sockets::instance_network::instance_network()))
        }
        "roots" => held((0..times).map(|_| files::open("folder"))),
        "fields" => held((0..times).map(|_| full_fields())),
        "one large field" => {
            let fields = Fields::new();
            format!("{:?}", fields.append("x", &vec![b'x'; 8 << 20]))
        }
        "many fields in one" => {
            let fields = Fields::new();
            let kept =
                (0..times).take_while(|number| fields.append(&format!("x{number}"), b"").is_ok()).count();
            format!("{kept} kept")
        }
        "copies of fields" => {
            let fields = full_fields();
            held((0..times).map(|_| {
                let copy = fields.clone();
                let _ = copy.append("x", b"y");
                copy
            }))
        }
        "options" => held((0..times).map(|_| RequestOptions::new())),
        "requests" => held((0..times).map(|_| long_request())),
        "responses" => held((0..times).map(|_| OutgoingResponse::new(full_fields()))),
        "one long method" => long_method(8 << 20),
        "bodies" => held((0..times).map(|_| full_body())),
        "requests under way" => held((0..times).map(|_| under_way())),
        other => panic!("nothing to hoard: {other}"),
    }
}

fn held<T>(things: impl Iterator<Item = T>) -> String {
    let held: Vec<T> = things.collect();
    format!("{} held", held.len())
}

/// Nearly as many bytes as it takes: more of them would end the call.
fn full_fields() -> Fields {
    let fields = Fields::new();
    for number in 0..15 {
        let _ = fields.append(&format!("x-{number}"), &[b'x'; 4000]);
    }
    fields
}

fn long_request() -> OutgoingRequest {
    let request = OutgoingRequest::new(full_fields());
    let _ = request.set_path_with_query(Some(&format!("/{}", "x".repeat(60_000))));
    let _ = request.set_authority(Some(&"x".repeat(60_000)));
    let _ = request.set_method(&Method::Other("X".repeat(1 << 20)));
    request
}

fn long_method(bytes: usize) -> String {
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_method(&Method::Other("X".repeat(bytes)));
    format!("{set:?}, {}", if matches!(request.method(), Method::Get) { "still GET" } else { "kept" })
}

/// A body with all that it takes without being sent.
fn full_body() -> (OutputStream, OutgoingBody, OutgoingRequest) {
    let request = OutgoingRequest::new(Fields::new());
    let Ok(body) = request.body() else { panic!("no body") };
    let Ok(stream) = body.write() else { panic!("no stream") };
    while let Ok(room @ 1..) = stream.check_write() {
        let written = stream.write(&vec![b'x'; usize::try_from(room).unwrap_or(1)]);
        if written.is_err() {
            break;
        }
    }
    (stream, body, request)
}

/// A request that was handed over and whose body never ends.
fn under_way() -> impl Sized {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some("127.0.0.1"));
    let _ = request.set_path_with_query(Some("/"));
    let _ = request.set_method(&Method::Put);
    let Ok(body) = request.body() else { panic!("no body") };
    let Ok(stream) = body.write() else { panic!("no stream") };
    let response = handle(request, None).unwrap_or_else(|error| panic!("not handed over: {error:?}"));
    for _ in 0..8 {
        for _ in 0..256 {
            if stream.blocking_write_and_flush(&[b'x'; 4096]).is_err() {
                break;
            }
        }
    }
    (stream, body, response)
}
