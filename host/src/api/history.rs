//! What happened to one record, and what became of it at the targets.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::InCo;
use super::page::{Page, page_limit};
use super::problem::{Kind, Problem};
use super::records::Document;
use crate::host::Host;
use crate::provisioning::HistoryEntry;
use crate::registry::record::SubjectKey;
use crate::store::HistoryPosition;

/// Which part of a history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// Most entries of the answer.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of a record's history, also of one that was deleted.
pub(super) async fn history<D: Document>(
    host: &Host,
    caller: &InCo,
    id: String,
    query: HistoryQuery,
) -> Result<Json<Page<HistoryEntry>>, Problem> {
    let limit = page_limit(query.limit)?;
    let before = query.before.map(|before| before.parse::<HistoryPosition>()).transpose();
    let before =
        before.map_err(|problem| Problem::new(Kind::InvalidRequest, format!("`before`: {problem}")))?;
    let subject = SubjectKey { kind: D::KIND, id };
    if host.store.record(&caller.co, &subject).await?.is_none() {
        return Err(Problem::not_found(D::WORD, &subject.id));
    }
    let entries = host.store.history(&caller.co, &subject, before, limit + 1).await?;
    Ok(Json(Page::of(entries, limit, |entry| HistoryPosition::of(entry).to_string())))
}
