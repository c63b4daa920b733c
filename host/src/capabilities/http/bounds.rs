//! Bounds of what a plugin can make the host keep for requests that it makes and does not send. With the limit on
//! resources they bound it in bytes.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

use crate::capabilities::CallState;

/// Headers or trailers of one request.
pub(super) const MAX_FIELDS_BYTES: usize = 64 << 10;

/// What a body takes at once.
pub(super) const MAX_CHUNK_BYTES: usize = 16 << 10;

/// Chunks that the bodies of a call keep back together, before they are sent: 32 MiB.
pub(super) const BUFFERED_CHUNKS: usize = 2048;

/// A method; those of all RFCs are far shorter.
const MAX_METHOD_BYTES: usize = 64;

/// Host and port; a name of the DNS has 253 bytes (RFC 1035, section 2.3.4).
const MAX_AUTHORITY_BYTES: usize = 512;

const TYPES: &str = "wasi:http/types@0.2.12";

type Request = Resource<HostOutgoingRequest>;

/// Puts functions that look at the length first in the place of those that keep a text of any length.
pub(in crate::capabilities) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, CallState>, (request, method): (Request, Method)| {
            let long = matches!(&method, Method::Other(word) if word.len() > MAX_METHOD_BYTES);
            let set = if long { Err(()) } else { store.data_mut().http().set_method(request, method)? };
            Ok((set,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, CallState>, (request, authority): (Request, Option<String>)| {
            let long = authority.as_ref().is_some_and(|authority| authority.len() > MAX_AUTHORITY_BYTES);
            let set =
                if long { Err(()) } else { store.data_mut().http().set_authority(request, authority)? };
            Ok((set,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
