//! Depends on how fast the world is: asks for a response again and again instead of waiting for it.

mod wasi {
    #[allow(unsafe_code, reason = "generated")]
    mod generated {
        wit_bindgen::generate!({
            world: "provender:sdk/wasi",
            path: ["../../../wit", "../../../sdk/wit"],
            generate_all,
        });
    }
    pub(super) use generated::wasi::http::outgoing_handler::handle;
    pub(super) use generated::wasi::http::types::{Fields, OutgoingRequest, Scheme};
}

/// How often it asked until the response was there.
pub(crate) fn ask(authority: &str) -> u64 {
    let request = wasi::OutgoingRequest::new(wasi::Fields::new());
    let set = request
        .set_scheme(Some(&wasi::Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some("/")));
    let (Ok(()), Ok(future)) = (set, wasi::handle(request, None)) else { return 0 };
    let response = future.subscribe();
    let mut asked = 1;
    while !response.ready() {
        asked += 1;
    }
    asked
}
