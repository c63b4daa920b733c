//! Where a record stands at each target.

use std::collections::HashMap;

use axum::Json;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::Document;
use crate::host::Host;
use crate::provisioning::{Mode, ProvisionedService};
use crate::registry::record::SubjectKey;

/// One entry per target that is not disabled, in the order the targets are called; also for a record that was removed.
pub(super) async fn provisioned_services<D: Document>(
    host: &Host,
    caller: &InCo,
    id: String,
) -> Result<Json<Page<ProvisionedService>>, Problem> {
    let subject = SubjectKey { kind: D::KIND, id };
    if host.store.record(&caller.co, &subject).await?.is_none() {
        return Err(Problem::not_found(D::WORD, &subject.id));
    }
    let known = host.store.provisioned_services(&caller.co, &subject).await?;
    let mut known: HashMap<String, ProvisionedService> =
        known.into_iter().map(|service| (service.target.clone(), service)).collect();
    let targets = host.administration.targets(&caller.co).await?;
    let entries = targets.into_iter().filter(|target| target.mode != Mode::Disabled).map(|target| {
        let never = || ProvisionedService::never(target.id.clone(), subject.clone());
        known.remove(&target.id).unwrap_or_else(never)
    });
    Ok(Json(Page::whole(entries.collect())))
}
