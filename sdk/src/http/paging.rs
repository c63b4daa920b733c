//! Following a list from page to page.

use super::{Request, Response};
use crate::Failure;

/// Pages of a list: `send` gets a page, `next` makes the request for the page after it.
pub(super) struct Pages<'c, S, N> {
    request: Option<Request<'c>>,
    send: S,
    next: N,
}

impl<'c, S, N> Pages<'c, S, N>
where
    S: FnMut(Request<'c>) -> Result<Response, Failure>,
    N: FnMut(&Response, Request<'c>) -> Result<Option<Request<'c>>, Failure>,
{
    pub(super) fn new(first: Request<'c>, send: S, next: N) -> Self {
        Self { request: Some(first), send, next }
    }

    fn fetch(&mut self, request: Request<'c>) -> Result<Response, Failure> {
        let page = (self.send)(request.clone())?.error_for_status()?;
        let next = (self.next)(&page, request.clone())?;
        if next.as_ref() == Some(&request) {
            return Err(Failure::permanent(format!(
                "{}: a page names itself as the next one",
                request.line()
            )));
        }
        self.request = next;
        Ok(page)
    }
}

impl<'c, S, N> Iterator for Pages<'c, S, N>
where
    S: FnMut(Request<'c>) -> Result<Response, Failure>,
    N: FnMut(&Response, Request<'c>) -> Result<Option<Request<'c>>, Failure>,
{
    type Item = Result<Response, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let request = self.request.take()?;
        Some(self.fetch(request))
    }
}

/// The reference of the link with relation type "next" (RFC 8288).
pub(super) fn link_to_next(response: &Response) -> Option<String> {
    response.headers("link").find_map(next_of_header)
}

fn next_of_header(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (reference, after) = after.split_once('>')?;
        let (parameters, following) = split_unquoted(after, ',');
        if has_relation(parameters, "next") {
            return Some(reference.trim().to_owned());
        }
        rest = following?;
    }
}

/// Whether the parameters of a link hold a relation type; `rel` may hold several.
fn has_relation(parameters: &str, wanted: &str) -> bool {
    let mut rest = Some(parameters);
    while let Some(text) = rest {
        let (parameter, following) = split_unquoted(text, ';');
        rest = following;
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("rel") {
            // Only the first counts (RFC 8288, section 3.3).
            return value
                .trim()
                .trim_matches('"')
                .split_whitespace()
                .any(|rel| rel.eq_ignore_ascii_case(wanted));
        }
    }
    false
}

/// Splits at the first separator that stands outside a quoted string.
fn split_unquoted(text: &str, separator: char) -> (&str, Option<&str>) {
    let (mut quoted, mut escaped) = (false, false);
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                let (before, after) = text.split_at(position);
                return (before, after.get(separator.len_utf8()..));
            }
            _ => {}
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Client;

    fn linked(request: &Request<'_>, link: &str) -> Response {
        let headers = if link.is_empty() { vec![] } else { vec![("link".to_owned(), link.to_owned())] };
        Response::new(request, 200, headers, request.url().into_bytes())
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, next) in [
            (r#"<https://x.example/u?page=2>; rel="next""#, Some("https://x.example/u?page=2")),
            (r#"</a>; rel="prev", </b>; rel="next", </c>; rel="last""#, Some("/b")),
            (r#"</a>; rel=next"#, Some("/a")),
            (r#"</a>; title="x, y; rel=next"; rel=prev , </b> ;REL="last NEXT""#, Some("/b")),
            (r#"</a,b;c>; rel="next""#, Some("/a,b;c")),
            (r#"</a>; title="say \"next\", please"; rel="self""#, None),
            (r#"</a>; rel="prev"; rel="next""#, None),
            ("</a>", None),
            ("nonsense", None),
            ("<broken", None),
        ] {
            assert_eq!(next_of_header(header).as_deref(), next, "{header}");
        }
    }

    #[test]
    fn pages_are_followed_by_links_until_there_is_none() {
        let client = Client::new("https://x.example");
        let links = [r#"</u?page=2>; rel="next""#, r#"<?page=3>; rel="next""#, ""];
        let mut sent = links.iter();
        let pages = Pages::new(
            client.get("/u").query("size", "2"),
            |request| Ok(linked(&request, sent.next().expect("three pages"))),
            |page, request| Ok(link_to_next(page).map(|reference| request.at_reference(&reference))),
        );
        let urls: Vec<String> =
            pages.map(|page| String::from_utf8(page.unwrap().body().to_vec()).unwrap()).collect();
        assert_eq!(
            urls,
            ["https://x.example/u?size=2", "https://x.example/u?page=2", "https://x.example/u?page=3"]
        );
    }

    #[test]
    fn a_failure_is_given_once_and_ends_the_pages() {
        let client = Client::new("https://x.example");
        let mut pages = Pages::new(
            client.get("/u"),
            |request| Ok(Response::new(&request, 500, vec![], vec![])),
            |_, request| Ok(Some(request)),
        );
        assert!(matches!(pages.next(), Some(Err(Failure::Transient(_)))));
        assert_eq!(pages.next(), None);
    }

    #[test]
    fn a_page_that_leads_to_itself_is_a_failure() {
        let client = Client::new("https://x.example");
        let mut pages =
            Pages::new(client.get("/u"), |request| Ok(linked(&request, "")), |_, request| Ok(Some(request)));
        assert!(matches!(pages.next(), Some(Err(Failure::Permanent(_)))));
        assert_eq!(pages.next(), None);
    }
}
