//! Data filters of a collaboration: a plugin and its configuration, used by targets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{AdministrationError, Kind, Problems};
use super::plugin_choice::PluginChoice;
use super::{Administration, check_ids, known_collaboration};
use crate::provisioning::{Filter, PluginReference};
use crate::sandbox::World;

/// A data filter as an operator writes it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterInput {
    /// May be left out; otherwise that of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub description: String,
    /// A data filter.
    pub plugin: PluginChoice,
    /// Valid by the plugin's schema.
    #[serde(default = "super::empty_object")]
    #[schema(value_type = Object)]
    pub configuration: Value,
    /// Whether targets pass it over.
    #[serde(default)]
    pub suspended: bool,
    /// As answered to a write. Nobody looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_evaluation_advisable_for: Option<Vec<String>>,
}

/// A filter that was written.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StoredFilter {
    #[serde(flatten)]
    pub filter: Filter,
    /// `id` of the targets that have it, if what it does is another thing by now: they are told of no record.
    pub re_evaluation_advisable_for: Vec<String>,
}

impl Administration {
    /// Stores a filter; tells whether it is new.
    pub async fn put_filter(
        &self,
        co: &str,
        id: &str,
        input: FilterInput,
    ) -> Result<(StoredFilter, bool), AdministrationError> {
        let mut problems = Problems::default();
        check_ids(id, input.id.as_deref(), &mut problems);
        let manifest = input
            .plugin
            .resolve(&self.catalog, World::DataFilter, &input.configuration, &mut problems)
            .await?;
        let Some(manifest) = manifest.filter(|_| problems.is_empty()) else {
            return Err(problems.refusal(Kind::Filter, id));
        };
        let filter = Filter {
            id: id.to_owned(),
            description: input.description,
            plugin: PluginReference { name: manifest.name, digest: manifest.digest },
            configuration: input.configuration,
            suspended: input.suspended,
        };
        let (co, stored) = (co.to_owned(), filter.clone());
        let (created, users) = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    known_collaboration(transaction, &co).await?;
                    let previous = transaction.filter(&co, &stored.id).await?;
                    transaction.put_filter(&co, &stored).await?;
                    let differs = previous.as_ref().is_some_and(|previous| {
                        (&previous.plugin, &previous.configuration, previous.suspended)
                            != (&stored.plugin, &stored.configuration, stored.suspended)
                    });
                    let users =
                        if differs { transaction.filter_users(&co, &stored.id).await? } else { Vec::new() };
                    Ok::<_, AdministrationError>((previous.is_none(), users))
                })
            })
            .await?;
        Ok((StoredFilter { filter, re_evaluation_advisable_for: users }, created))
    }

    /// The filters of a collaboration, by ascending `id`.
    pub async fn filters(&self, co: &str) -> Result<Vec<Filter>, AdministrationError> {
        Ok(self.store.filters(co).await?)
    }

    /// One filter.
    pub async fn filter(&self, co: &str, id: &str) -> Result<Filter, AdministrationError> {
        let unknown = || AdministrationError::Unknown { kind: Kind::Filter, id: id.to_owned() };
        self.store.filter(co, id).await?.ok_or_else(unknown)
    }

    /// Removes a filter that no target uses.
    pub async fn delete_filter(&self, co: &str, id: &str) -> Result<(), AdministrationError> {
        let (co, id) = (co.to_owned(), id.to_owned());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let users = transaction.filter_users(&co, &id).await?;
                    if !users.is_empty() {
                        return Err(AdministrationError::InUse { kind: Kind::Filter, id, users });
                    }
                    match transaction.delete_filter(&co, &id).await? {
                        true => Ok(()),
                        false => Err(AdministrationError::Unknown { kind: Kind::Filter, id }),
                    }
                })
            })
            .await
    }
}
