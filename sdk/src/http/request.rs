//! A request, from its method to its being sent.

use serde::Serialize;

use super::paging::{Pages, link_to_next};
use super::reference::{percent_encode, resolve};
use super::{Client, Response, set_header, transport};
use crate::Failure;

/// A request that is being put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'c> {
    client: &'c Client,
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl<'c> Request<'c> {
    pub(super) fn new(client: &'c Client, method: &str, path: &str) -> Self {
        let separator = if path.is_empty() || path.starts_with(['/', '?']) { "" } else { "/" };
        Self {
            client,
            method: method.to_ascii_uppercase(),
            url: format!("{}{separator}{path}", client.base_url),
            query: Vec::new(),
            headers: client.headers.clone(),
            body: Vec::new(),
        }
    }

    /// Sets a parameter of the query, in place of one of the same name that was set before. Name and value are encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(present, _)| present != name);
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a header in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        set_header(&mut self.headers, name, value);
        self
    }

    /// Sets a body of type `application/json`.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Failure::permanent(format!("the body cannot be written as JSON: {error}")))?;
        Ok(self.body("application/json", body))
    }

    /// Sets a body of type `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", fields.join("&").into_bytes())
    }

    /// Sets a body of any type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        set_header(&mut self.headers, "content-type", content_type);
        self.body = body;
        self
    }

    /// Sends the request and reads the response whole. A response of any status is `Ok`; see
    /// [`Response::error_for_status`] and [`Response::found`].
    pub fn send(self) -> Result<Response, Failure> {
        transport::send(&self)
    }

    /// Sends the request, and then one for each page that a header `Link: <...>; rel="next"` (RFC 8288) of the page
    /// before names. Gives the pages, all of a good status; ends after the first failure.
    ///
    /// ```no_run
    /// use provender_sdk::Failure;
    /// use provender_sdk::http::Client;
    ///
    /// fn member_names(client: &Client) -> Result<Vec<String>, Failure> {
    ///     let mut names = Vec::new();
    ///     for page in client.get("/members").query("per_page", "100").pages() {
    ///         names.extend(page?.json::<Vec<String>>()?);
    ///     }
    ///     Ok(names)
    /// }
    /// ```
    pub fn pages(self) -> impl Iterator<Item = Result<Response, Failure>> + use<'c> {
        Pages::new(
            self,
            |request| request.send(),
            |page, request| Ok(link_to_next(page).map(|reference| request.at_reference(&reference))),
        )
    }

    /// Sends the request, and then one for each page whose cursor `next` finds in the page before; the cursor goes into
    /// the parameter `parameter` of the query. Gives the pages, all of a good status; ends after the first failure.
    ///
    /// ```no_run
    /// use provender_sdk::Failure;
    /// use provender_sdk::http::Client;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Page {
    ///     users: Vec<String>,
    ///     next_cursor: Option<String>,
    /// }
    ///
    /// fn users(client: &Client) -> Result<Vec<String>, Failure> {
    ///     let mut users = Vec::new();
    ///     let pages = client.get("/users").pages_by("cursor", |page| Ok(page.json::<Page>()?.next_cursor));
    ///     for page in pages {
    ///         users.extend(page?.json::<Page>()?.users);
    ///     }
    ///     Ok(users)
    /// }
    /// ```
    pub fn pages_by<N>(
        self,
        parameter: &str,
        mut next: N,
    ) -> impl Iterator<Item = Result<Response, Failure>> + use<'c, N>
    where
        N: FnMut(&Response) -> Result<Option<String>, Failure>,
    {
        let parameter = parameter.to_owned();
        Pages::new(
            self,
            |request| request.send(),
            move |page, request| Ok(next(page)?.map(|cursor| request.query(&parameter, &cursor))),
        )
    }

    /// The same request to where a reference leads that a response to it held.
    pub(super) fn at_reference(mut self, reference: &str) -> Self {
        self.url = resolve(&self.url(), reference);
        self.query.clear();
        self
    }

    /// The whole URL.
    pub fn url(&self) -> String {
        let mut url = self.url.clone();
        for (name, value) in &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{}={}", percent_encode(name), percent_encode(value)));
        }
        url
    }

    /// Method and path for messages. Without the query, which may hold what should not be told.
    pub(super) fn line(&self) -> String {
        let path = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| {
            rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/")
        });
        format!("{} {}", self.method, path.split('?').next().unwrap_or_default())
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn response_limit_bytes(&self) -> usize {
        self.client.response_limit_bytes
    }

    /// When the call was made, if the client knows.
    pub(super) fn time(&self) -> Option<&str> {
        self.client.time.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_below_the_base_url() {
        let client = Client::new("https://x.example/api/");
        assert_eq!(client.get("/users").url(), "https://x.example/api/users");
        assert_eq!(client.get("users").url(), "https://x.example/api/users");
        assert_eq!(client.get("").url(), "https://x.example/api");
        assert_eq!(client.post("/").url(), "https://x.example/api/");
    }

    #[test]
    fn parameters_of_the_query_are_encoded_and_replaced_by_name() {
        let client = Client::new("https://x.example");
        let request =
            client.get("/users?active=true").query("q", "a&b").query("page", "1").query("page", "2");
        assert_eq!(request.url(), "https://x.example/users?active=true&q=a%26b&page=2");
    }

    #[test]
    fn a_body_comes_with_its_type() {
        let client = Client::new("https://x.example");
        let json = client.post("/").json(&serde_json::json!({"a": 1})).unwrap();
        assert_eq!(json.content(), br#"{"a":1}"#);
        assert!(json.headers().contains(&("content-type".to_owned(), "application/json".to_owned())));
        let form = client.post("/").form(&[("a b", "c&d"), ("e", "")]);
        assert_eq!(form.content(), b"a%20b=c%26d&e=");
    }

    #[test]
    fn the_line_for_messages_has_no_query_and_no_host() {
        let client = Client::new("https://x.example/api");
        assert_eq!(client.delete("/users/1?token=secret").query("a", "b").line(), "DELETE /api/users/1");
        assert_eq!(Client::new("https://x.example").get("").line(), "GET /");
    }

    #[test]
    fn a_reference_takes_the_place_of_url_and_query() {
        let client = Client::new("https://x.example/api");
        let next = client.get("/users").query("page", "1").at_reference("?page=2");
        assert_eq!(next.url(), "https://x.example/api/users?page=2");
    }
}
