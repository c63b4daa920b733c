//! Where a record stands at each target.

use axum::Json;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::Document;
use crate::host::Host;
use crate::provisioning::ServiceView;
use crate::registry::record::SubjectKey;

/// One entry per target that is not disabled, in the order the targets are called; also for a record that was removed.
pub(super) async fn provisioned_services<D: Document>(
    host: &Host,
    caller: &InCo,
    id: String,
) -> Result<Json<Page<ServiceView>>, Problem> {
    let subject = SubjectKey { kind: D::KIND, id };
    match host.pipeline.services(&caller.co, &subject).await? {
        Some(services) => Ok(Json(Page::whole(services))),
        None => Err(Problem::not_found(D::WORD, &subject.id)),
    }
}
