//! A small HTTP client for servers that the operator bound to slots of kind `http`.
//!
//! The host resolves, connects, checks the address and adds the credential; it follows no redirect. What goes wrong is a
//! [`Failure`] of the right kind, so `?` is all that most calls need:
//!
//! ```no_run
//! use provender_sdk::http::{Client, path_segment};
//! use provender_sdk::{Context, Failure, Outcome};
//! use serde_json::json;
//!
//! fn write_account<C>(context: &Context<C>, uid: &str) -> Result<Outcome, Failure> {
//!     let client = Client::for_slot(context, "directory")?;
//!     let segment = path_segment(uid)
//!         .ok_or_else(|| Failure::invalid_data("the uid cannot be part of a path").at("identifiers"))?;
//!
//!     client.put(&format!("/users/{segment}")).json(&json!({ "uid": uid }))?.send()?.error_for_status()?;
//!     Ok(Outcome::applied())
//! }
//!
//! fn remove_account(client: &Client, segment: &str) -> Result<Outcome, Failure> {
//!     // Not there is fine: that is what was wanted.
//!     match client.delete(&format!("/users/{segment}")).send()?.found()? {
//!         Some(_) => Ok(Outcome::applied()),
//!         None => Ok(Outcome::Unchanged),
//!     }
//! }
//! ```

mod paging;
mod reference;
mod request;
mod response;
mod retry_after;
mod transport;

pub use self::reference::path_segment;
pub use self::request::Request;
pub use self::response::Response;

use crate::{Context, Failure};

/// Most bytes of a body that are read unless [`Client::response_limit`] says otherwise.
const DEFAULT_RESPONSE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Makes requests to one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    base_url: String,
    headers: Vec<(String, String)>,
    response_limit_bytes: usize,
    time: Option<String>,
}

impl Client {
    /// A client for the server that is bound to a slot of kind `http`.
    pub fn for_slot<C>(context: &Context<C>, slot: &str) -> Result<Self, Failure> {
        let binding = context
            .slot(slot)
            .ok_or_else(|| Failure::configuration(format!("no server is bound to the slot {slot:?}")))?;
        let base_url = binding.base_url.as_deref().ok_or_else(|| {
            Failure::configuration(format!("the server bound to the slot {slot:?} is not one for HTTP"))
        })?;
        Ok(Self { time: Some(context.time.clone()), ..Self::new(base_url) })
    }

    /// A client for a base URL, which must be at or below that of a bound server.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            response_limit_bytes: DEFAULT_RESPONSE_LIMIT_BYTES,
            time: None,
        }
    }

    /// Sends a header with every request, in place of one of the same name. `accept: application/json` is there from
    /// the start. `authorization` is the host's.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        set_header(&mut self.headers, name, value);
        self
    }

    /// Refuses bodies of responses that are larger; 8 MiB unless set.
    #[must_use]
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.response_limit_bytes = bytes;
        self
    }

    /// A request by GET. `path` is below the base URL.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    /// A request by POST.
    pub fn post(&self, path: &str) -> Request<'_> {
        self.request("POST", path)
    }

    /// A request by PUT.
    pub fn put(&self, path: &str) -> Request<'_> {
        self.request("PUT", path)
    }

    /// A request by PATCH.
    pub fn patch(&self, path: &str) -> Request<'_> {
        self.request("PATCH", path)
    }

    /// A request by DELETE.
    pub fn delete(&self, path: &str) -> Request<'_> {
        self.request("DELETE", path)
    }

    /// A request by any method.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }
}

/// Sets a header in place of those of the same name.
fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
    headers.push((name.to_ascii_lowercase(), value.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ServerKind, SlotBinding};

    fn context(slots: Vec<SlotBinding>) -> Context<()> {
        Context {
            co: "physics".to_owned(),
            target: "t1".to_owned(),
            target_description: "Directory".to_owned(),
            configuration: (),
            slots,
            time: "2026-03-01T00:00:00Z".to_owned(),
        }
    }

    fn binding(base_url: Option<&str>) -> SlotBinding {
        SlotBinding {
            slot: "directory".to_owned(),
            kind: ServerKind::Http,
            base_url: base_url.map(str::to_owned),
            reach: Vec::new(),
            dialect: None,
            extensions: Vec::new(),
        }
    }

    #[test]
    fn a_client_stands_on_the_base_url_of_its_slot() {
        let client =
            Client::for_slot(&context(vec![binding(Some("https://x.example/api"))]), "directory").unwrap();
        assert_eq!(client.get("/users").url(), "https://x.example/api/users");
    }

    #[test]
    fn a_slot_that_is_not_bound_or_not_for_http_is_a_failure_of_the_configuration() {
        let unbound = Client::for_slot(&context(vec![]), "directory").unwrap_err();
        assert_eq!(unbound, Failure::configuration("no server is bound to the slot \"directory\""));
        let files = Client::for_slot(&context(vec![binding(None)]), "directory").unwrap_err();
        assert!(matches!(files, Failure::Configuration(_)), "{files:?}");
    }

    #[test]
    fn a_header_takes_the_place_of_one_of_the_same_name() {
        let client = Client::new("https://x.example/").header("Accept", "text/plain");
        assert_eq!(client.headers, [("accept".to_owned(), "text/plain".to_owned())]);
    }
}
