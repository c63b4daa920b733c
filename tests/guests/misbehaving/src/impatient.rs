//! Depends on how fast the world is: asks for a response again and again instead of waiting for it.

use crate::bindings::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::http::types::{Fields, OutgoingRequest, Scheme};

/// How often it asked until the response was there.
pub(crate) fn ask(authority: &str) -> u64 {
    let request = OutgoingRequest::new(Fields::new());
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some("/")));
    let (Ok(()), Ok(future)) = (set, handle(request, None)) else { return 0 };
    let response = future.subscribe();
    let mut asked = 1;
    while !response.ready() {
        asked += 1;
    }
    asked
}
