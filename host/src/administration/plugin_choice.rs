//! The plugin of a target or filter: as operators name it, and what the choice must satisfy.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{AdministrationError, Problems};
use crate::plugins::{Catalog, FindError, Manifest, validate_configuration};
use crate::provisioning::PluginReference;
use crate::sandbox::World;

/// A plugin of the catalog, as an operator names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a plugin is named by a text (name, name@version or digest) or by {name, digest}"
)]
pub enum PluginChoice {
    /// Its name (the newest installed), `name@version`, its digest or at least eight first digits of it.
    Reference(String),
    /// As a target shows it.
    Exact(PluginReference),
}

impl From<&str> for PluginChoice {
    fn from(reference: &str) -> Self {
        Self::Reference(reference.to_owned())
    }
}

impl PluginChoice {
    /// Finds the plugin, and checks that it is of `world` and takes `configuration`. None if there is a problem.
    pub(super) async fn resolve(
        &self,
        catalog: &Catalog,
        world: World,
        configuration: &Value,
        problems: &mut Problems,
    ) -> Result<Option<Manifest>, AdministrationError> {
        let manifest = match self.find(catalog).await {
            Ok(manifest) => manifest,
            Err(FindError::Store(error)) => return Err(error.into()),
            Err(error) => {
                problems.add("/plugin", error.to_string());
                return Ok(None);
            }
        };
        if manifest.world != world {
            let (is, name) = (manifest.world, &manifest.name);
            problems.add("/plugin", format!("plugin `{name}` is a {is}; name a {world} here"));
            return Ok(None);
        }
        for problem in validate_configuration(&manifest, configuration).err().unwrap_or_default() {
            problems.add(format!("/configuration{}", problem.pointer), problem.message);
        }
        Ok(Some(manifest))
    }

    async fn find(&self, catalog: &Catalog) -> Result<Manifest, FindError> {
        match self {
            Self::Reference(reference) => catalog.find(reference).await,
            Self::Exact(PluginReference { name, digest }) => {
                let manifest = catalog.find(digest).await?;
                if manifest.name == *name {
                    Ok(manifest)
                } else {
                    let installed = vec![format!("{}@{}", manifest.name, manifest.version)];
                    Err(FindError::NotFound { reference: format!("{name} {digest}"), installed })
                }
            }
        }
    }
}
