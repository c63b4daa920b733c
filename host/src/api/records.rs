//! People, groups, email lists, services and departments: the same requests for each kind of record.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::InCo;
use super::merge_patch::merge;
use super::page::{Page, PageQuery, page_limit};
use super::problem::{Kind, Problem};
use super::request::{JsonBytes, Preferences, WriteQuery, json};
use super::write::Write;
use crate::host::Host;
use crate::registry::record::{
    Department, EmailList, Group, Person, Record, RecordKind, Service, SubjectKey,
};
use crate::registry::validate::{InvalidRecord, parse_record};
use crate::registry::write::WriteError;

/// A record in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RecordPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the record; chosen by who creates it.
    pub(super) id: String,
}

/// A collaboration in the path, for the description of the API; the extractors of `auth` read it.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) struct CoPath {
    /// `id` of the collaboration.
    co: String,
}

/// The document of one kind of record.
pub(super) trait Document: Serialize + ToSchema + Send + 'static {
    const KIND: RecordKind;
    /// In the path.
    const COLLECTION: &'static str;
    /// In messages.
    const WORD: &'static str;
    fn of(record: Record) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! document {
    ($document:ident, $collection:literal, $word:literal) => {
        impl Document for $document {
            const KIND: RecordKind = RecordKind::$document;
            const COLLECTION: &'static str = $collection;
            const WORD: &'static str = $word;

            fn of(record: Record) -> Option<Self> {
                match record {
                    Record::$document(document) => Some(*document),
                    _ => None,
                }
            }
        }
    };
}

document!(Person, "people", "person");
document!(Group, "groups", "group");
document!(EmailList, "email-lists", "email list");
document!(Service, "services", "service");
document!(Department, "departments", "department");

/// A request to one kind of record.
pub(super) struct Records {
    pub(super) host: Arc<Host>,
    pub(super) caller: InCo,
}

impl Records {
    pub(super) async fn list<D: Document>(self, query: PageQuery) -> Result<Json<Page<D>>, Problem> {
        let limit = page_limit(query.limit)?;
        let store = &self.host.store;
        let stored = store.records(&self.caller.co, D::KIND, query.after.as_deref(), limit + 1).await?;
        let page = Page::of(stored, limit, |stored| stored.key.id.clone());
        let items = page.items.into_iter().filter_map(|stored| D::of(stored.record)).collect();
        Ok(Json(Page { items, next: page.next }))
    }

    pub(super) async fn get<D: Document>(self, id: &str) -> Result<Response, Problem> {
        let stored = self.host.store.record(&self.caller.co, &key::<D>(id)).await?;
        let live = stored.filter(|stored| stored.deleted.is_none());
        let record = live.ok_or_else(|| Problem::not_found(D::WORD, id))?.record;
        let headers = [(header::ETAG, etag(&record))];
        let document = D::of(record).ok_or_else(|| Problem::not_found(D::WORD, id))?;
        Ok((headers, Json(document)).into_response())
    }

    pub(super) async fn put<D: Document>(
        self,
        id: &str,
        query: &WriteQuery,
        (preferences, headers): (Preferences, HeaderMap),
        JsonBytes(body): JsonBytes,
    ) -> Result<Response, Problem> {
        let record = parse_record(D::KIND, &body)?;
        let (key, location) = (key::<D>(id), self.location::<D>(id));
        let Some(expected) = if_match(&headers)? else {
            let put = |host: Arc<Host>, co: String, options| async move {
                host.registry.put(&co, key, record, &options).await
            };
            return self.write(query, preferences).answer(put, Some(location), stored::<D>).await;
        };
        let update = |host: Arc<Host>, co: String, options| async move {
            let change = move |before: Record| expected.check(&before).map(|()| record);
            host.registry.update(&co, key, change, &options).await
        };
        self.write(query, preferences).answer(update, None, stored::<D>).await
    }

    pub(super) async fn patch<D: Document>(
        self,
        id: &str,
        query: &WriteQuery,
        (preferences, headers): (Preferences, HeaderMap),
        JsonBytes(body): JsonBytes,
    ) -> Result<Response, Problem> {
        let patch: serde_json::Value = json(&body)?;
        let expected = if_match(&headers)?.unwrap_or(Expected::Any);
        let key = key::<D>(id);
        let change = move |before: Record| {
            expected.check(&before)?;
            let unreadable =
                |error: serde_json::Error| WriteError::from(InvalidRecord::new("", error.to_string()));
            let mut document = serde_json::to_value(D::of(before)).map_err(unreadable)?;
            merge(&mut document, patch);
            let json = serde_json::to_vec(&document).map_err(unreadable)?;
            Ok(parse_record(D::KIND, &json)?)
        };
        let update = |host: Arc<Host>, co: String, options| async move {
            host.registry.update(&co, key, change, &options).await
        };
        self.write(query, preferences).answer(update, None, stored::<D>).await
    }

    pub(super) async fn delete<D: Document>(
        self,
        id: &str,
        query: &WriteQuery,
        (preferences, headers): (Preferences, HeaderMap),
    ) -> Result<Response, Problem> {
        let key = key::<D>(id);
        if let Some(expected) = if_match(&headers)?
            && let Some(stored) = self.host.store.record(&self.caller.co, &key).await?
        {
            expected.check(&stored.record)?;
        }
        let delete = |host: Arc<Host>, co: String, options| async move {
            host.registry.delete(&co, &key, &options).await
        };
        self.write(query, preferences).answer(delete, None, stored::<D>).await
    }

    fn write(self, query: &WriteQuery, preferences: Preferences) -> Write {
        Write::new(self.host, self.caller, query, preferences)
    }

    fn location<D: Document>(&self, id: &str) -> String {
        format!("/api/v1/cos/{}/{}/{id}", self.caller.co, D::COLLECTION)
    }
}

fn key<D: Document>(id: &str) -> SubjectKey {
    SubjectKey { kind: D::KIND, id: id.to_owned() }
}

fn stored<D: Document>(written: &mut crate::registry::write::Written) -> Option<D> {
    written.record.take().and_then(D::of)
}

/// The entity tag of a record: its revision.
pub(super) fn etag(record: &Record) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", record.meta().revision))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

/// The state of a record that a write is based on (RFC 9110, section 13.1.1).
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// Whatever it is, as long as it is there.
    Any,
    /// Entity tags without their quotes.
    Tags(Vec<String>),
}

fn if_match(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    let unreadable =
        || Problem::new(Kind::InvalidRequest, "the header If-Match holds no entity tag in quotes, and no *");
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        for tag in value.to_str().map_err(|_| unreadable())?.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(Some(Expected::Any));
            }
            // A weak tag is read, and equals nothing.
            let strong = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            match strong {
                Some(tag) => tags.push(tag.to_owned()),
                None if tag.starts_with("W/\"") => tags.push(tag.to_owned()),
                None => return Err(unreadable()),
            }
        }
    }
    Ok((!tags.is_empty()).then_some(Expected::Tags(tags)))
}

impl Expected {
    fn check(&self, record: &Record) -> Result<(), WriteError> {
        let revision = record.meta().revision;
        match self {
            Self::Tags(tags) if !tags.contains(&revision.to_string()) => {
                Err(WriteError::Superseded { revision })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(value: &'static str) -> Result<Option<Expected>, Problem> {
        if_match(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]))
    }

    #[test]
    fn entity_tags_are_read_and_compared_strongly() {
        let mut person = Person::default();
        person.meta.revision = 7;
        let record = Record::Person(Box::new(person));
        assert_eq!(etag(&record), "\"7\"");
        for value in ["*", "\"7\"", "\"6\", \"7\""] {
            assert!(expected(value).unwrap().unwrap().check(&record).is_ok(), "{value}");
        }
        for value in ["\"6\"", "W/\"7\"", "\"\""] {
            let error = expected(value).unwrap().unwrap().check(&record).unwrap_err();
            assert!(error.to_string().contains("revision 7"), "{value}: {error}");
        }
        assert!(expected("7").is_err());
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }
}
