//! Memberships: people in groups.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::{Page, PageQuery, page_limit};
use super::problem::{Kind, Problem};
use super::request::{JsonBytes, NoQuery, PreferHeader, Preferences, WriteQuery, as_in_path, json};
use super::write::{Write, WriteAnswer};
use crate::host::Host;
use crate::registry::record::{Membership, RecordKind, SubjectKey};

/// A group in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the group.
    pub(super) group: String,
}

/// Tells a group with nothing in it from one that does not exist.
pub(super) async fn known_group(host: &Host, co: &str, id: &str) -> Result<(), Problem> {
    let key = SubjectKey { kind: RecordKind::Group, id: id.to_owned() };
    match host.store.record(co, &key).await? {
        Some(stored) if stored.deleted.is_none() => Ok(()),
        _ => Err(Problem::not_found("group", id)),
    }
}

/// A membership in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct MembershipPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the group.
    group: String,
    /// `id` of the person.
    person: String,
}

/// The members and owners of a group in ascending order of the person's `id`.
#[utoipa::path(
    get, path = "/cos/{co}/groups/{group}/members", tag = "members", operation_id = "list_members",
    params(GroupPath, PageQuery),
    responses((status = 200, body = Page<Membership>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<GroupPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Membership>>, Problem> {
    let limit = page_limit(query.limit)?;
    known_group(&host, &caller.co, &path.group).await?;
    let members =
        host.store.members_of_group(&caller.co, &path.group, query.after.as_deref(), limit + 1).await?;
    Ok(Json(Page::of(members, limit, |membership| membership.person.clone())))
}

/// One membership.
#[utoipa::path(
    get, path = "/cos/{co}/groups/{group}/members/{person}", tag = "members", operation_id = "get_member",
    params(MembershipPath),
    responses((status = 200, body = Membership)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<MembershipPath>,
    _: NoQuery,
) -> Result<Json<Membership>, Problem> {
    let membership = host.store.membership(&caller.co, &path.group, &path.person).await?;
    let missing = || Problem::not_found("membership", &format!("{}/{}", path.group, path.person));
    membership.map(Json).ok_or_else(missing)
}

/// Makes a person a member or owner of a group, or changes that; provisions both.
///
/// `group` and `person` of the body may be left out; `{}` makes a member.
#[utoipa::path(
    put, path = "/cos/{co}/groups/{group}/members/{person}", tag = "members", operation_id = "put_member",
    request_body = Membership,
    params(MembershipPath, WriteQuery, PreferHeader),
    responses(
        (status = 200, description = "changed", body = WriteAnswer<Membership>),
        (status = 201, description = "created", body = WriteAnswer<Membership>),
        (status = 202, description = "stored; provisioning goes on", body = WriteAnswer<Membership>),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<MembershipPath>,
    Query(query): Query<WriteQuery>,
    preferences: Preferences,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let location = format!("/api/v1/cos/{}/groups/{}/members/{}", caller.co, path.group, path.person);
    let membership = membership(path, &body)?;
    let put = |host: Arc<Host>, co: String, options| async move {
        host.registry.put_membership(&co, membership, &options).await
    };
    Write::new(host, caller, &query, preferences)
        .answer(put, Some(location), |written| written.membership.take())
        .await
}

fn membership(path: MembershipPath, body: &Bytes) -> Result<Membership, Problem> {
    let mut membership: Membership = json(body)?;
    as_in_path("group", &mut membership.group, path.group)?;
    as_in_path("person", &mut membership.person, path.person)?;
    if !membership.member && !membership.owner {
        let detail = "a membership is that of a member, of an owner, or of both; remove it with DELETE";
        return Err(Problem::new(Kind::InvalidRecord, detail));
    }
    Ok(membership)
}

/// Takes a person out of a group; provisions both.
#[utoipa::path(
    delete, path = "/cos/{co}/groups/{group}/members/{person}", tag = "members", operation_id = "delete_member",
    params(MembershipPath, WriteQuery, PreferHeader),
    responses(
        (status = 200, description = "removed", body = WriteAnswer<Membership>),
        (status = 202, description = "removed; provisioning goes on", body = WriteAnswer<Membership>),
    ),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<MembershipPath>,
    Query(query): Query<WriteQuery>,
    preferences: Preferences,
) -> Result<Response, Problem> {
    let delete = |host: Arc<Host>, co: String, options| async move {
        host.registry.delete_membership(&co, &path.group, &path.person, &options).await
    };
    Write::new(host, caller, &query, preferences)
        .answer(delete, None, |written| written.membership.take())
        .await
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
}
