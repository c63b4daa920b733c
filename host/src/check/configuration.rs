//! What operators configured: plugins, filters, targets, and servers with their secrets.

use std::collections::BTreeSet;

use super::report::Check;
use super::{finished, report};
use crate::administration::stored_server;
use crate::plugins::Catalog;
use crate::provisioning::Target;
use crate::registry::record::{Collaboration, Reference};
use crate::servers::secret::SecretKey;
use crate::store::{CheckedTarget, Defect, Snapshot, StoreError};

pub(super) async fn checks(snapshot: &mut Snapshot, key: Option<&SecretKey>) -> Vec<Check> {
    let plugins = Check::new("plugins", "components are those that were installed");
    let targets = Check::new("targets", "plugins, filters, servers, groups and sources of targets are there");
    let servers = Check::new("servers", "secrets can be opened with the key at hand");
    vec![
        finished(plugins, async |check| self::plugins(check, snapshot).await).await,
        finished(targets, async |check| self::targets(check, snapshot).await).await,
        finished(servers, async |check| self::servers(check, snapshot, key).await).await,
    ]
}

async fn plugins(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    for plugin in snapshot.checked_plugins().await? {
        check.examine(1);
        // One at a time: a component may be large.
        let Some(wasm) = snapshot.component(&plugin.digest).await? else { continue };
        if Catalog::digest(&wasm) != plugin.digest || wasm.len() as u64 != plugin.size_bytes {
            check.broken(format!(
                "plugin {} ({}) is not the component that was installed: install it again",
                plugin.digest, plugin.name
            ));
        }
    }
    report(check, snapshot, Defect::PluginWithoutComponent, "has no component: install it again").await
}

async fn targets(check: &mut Check, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    for collaboration in collaborations(snapshot).await? {
        let co = collaboration.id.clone();
        let mut filters = BTreeSet::new();
        for filter in snapshot.checked_filters(&co).await? {
            check.examine(1);
            match filter {
                Err(error) => check.broken(error.to_string()),
                Ok((filter, plugin)) => {
                    if filter.plugin.digest != plugin {
                        check.broken(format!(
                            "filter {} in {co} names another plugin than {plugin}",
                            filter.id
                        ));
                    }
                    filters.insert(filter.id);
                }
            }
        }
        let servers = snapshot.checked_servers(&co).await?.into_iter().flatten().map(|server| server.id);
        let servers: BTreeSet<String> = servers.collect();
        for target in snapshot.checked_targets(&co).await? {
            check.examine(1);
            match target {
                Err(error) => check.broken(error.to_string()),
                Ok(target) => {
                    for problem in problems_of(&target, &filters, &servers) {
                        check.broken(format!("target {} in {co} {problem}", target.target.id));
                    }
                    for missing in missing_selection(snapshot, &collaboration, &target.target).await? {
                        check.warn(format!(
                            "target {} in {co} has {missing}, which is not there",
                            target.target.id
                        ));
                    }
                }
            }
        }
    }
    report(check, snapshot, Defect::WithoutPlugin, "has a plugin that is not installed").await
}

fn problems_of(found: &CheckedTarget, filters: &BTreeSet<String>, servers: &BTreeSet<String>) -> Vec<String> {
    let CheckedTarget { target, plugin } = found;
    let mut problems = Vec::new();
    if target.plugin.digest != *plugin {
        problems.push(format!("names another plugin than {plugin}"));
    }
    let missing = target.filters.iter().filter(|filter| !filters.contains(*filter));
    problems.extend(missing.map(|filter| format!("has the filter {filter}, which is not there")));
    let missing = target.slots.iter().filter(|(_, server)| !servers.contains(*server));
    problems.extend(
        missing
            .map(|(slot, server)| format!("has the server {server} in its slot {slot}, which is not there")),
    );
    problems
}

/// What a target selects its subjects by and is not there. It was not looked at before it could go.
async fn missing_selection(
    snapshot: &mut Snapshot,
    collaboration: &Collaboration,
    target: &Target,
) -> Result<Vec<String>, StoreError> {
    let mut missing = Vec::new();
    if let Some(group) = &target.provisioning_group
        && snapshot.group(&collaboration.id, group).await?.is_none()
    {
        missing.push(format!("the provisioning group {group}"));
    }
    if let Some(source) = &target.skip_source
        && !Reference::OrgIdentitySource.is_there(collaboration, source)
    {
        missing.push(format!("the skip source {source}"));
    }
    Ok(missing)
}

async fn servers(
    check: &mut Check,
    snapshot: &mut Snapshot,
    key: Option<&SecretKey>,
) -> Result<(), StoreError> {
    for Collaboration { id: co, .. } in collaborations(snapshot).await? {
        for row in snapshot.checked_servers(&co).await? {
            check.examine(1);
            let server = match row.and_then(|row| Ok((row.id.clone(), stored_server(row)?))) {
                Ok(server) => server,
                Err(error) => {
                    check.broken(error.to_string());
                    continue;
                }
            };
            let (id, server) = server;
            let problem = match key {
                Some(key) => server.open(key, &co, &id).err().map(|error| error.to_string()),
                None if server.secrets.is_empty() => None,
                None => Some("has a secret, but this host has no key: restore the key".to_owned()),
            };
            if let Some(problem) = problem {
                check.broken(format!("server {id} in {co}: {problem}"));
            }
        }
    }
    Ok(())
}

/// All collaborations whose documents can be read; the others are findings of their own.
async fn collaborations(snapshot: &mut Snapshot) -> Result<Vec<Collaboration>, StoreError> {
    Ok(snapshot.collaborations().await?.into_iter().flatten().collect())
}
