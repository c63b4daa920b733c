//! Read-only look-ups in the collaboration of the call.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::CallState;
use super::contract::records::{CollaborationUnit, Group, Identifier};
use super::contract::registry::{Affiliation, Error, GroupPage, Host, MemberPage, ServicePage};
use crate::sandbox::{Access, Effect, GuestState, HostFunctionFault, InPreview, Performed, Refusal};

/// Answers look-ups for one collaboration and one target. `None` stands for "no such record".
pub trait RegistryReader: Send + Sync {
    fn members(
        &self,
        group: String,
        identifier_type: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Option<MemberPage>>>;
    fn group(&self, group: String) -> BoxFuture<'_, anyhow::Result<Option<Group>>>;
    fn groups(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, anyhow::Result<GroupPage>>;
    fn services(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, anyhow::Result<ServicePage>>;
    fn collaboration_units(&self) -> BoxFuture<'_, anyhow::Result<Vec<CollaborationUnit>>>;
    fn affiliations(&self) -> BoxFuture<'_, anyhow::Result<Vec<Affiliation>>>;
    fn written_identifiers(&self, record: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<Identifier>>>>;
}

/// Whose registry a call may ask; none where it has no collaboration.
#[derive(Default)]
pub struct Grant(pub Option<Arc<dyn RegistryReader>>);

const MAX_PAGE: u32 = 1000;

impl CallState {
    /// Passes one look-up through the gate. A failure of the store is the host's fault, not the plugin's.
    async fn look_up<T: Serialize + DeserializeOwned + Send, F>(
        &mut self,
        operation: &'static str,
        request: Value,
        perform: impl FnOnce(Arc<dyn RegistryReader>) -> F + Send,
    ) -> wasmtime::Result<T>
    where
        F: Future<Output = anyhow::Result<T>> + Send,
    {
        let reader = self.registry.0.clone();
        let granted = match reader {
            Some(_) => Ok(()),
            None => Err(Refusal("this call has no collaboration".to_owned())),
        };
        let effect = Effect {
            capability: "registry",
            operation: operation.into(),
            access: Access::Read,
            request,
            bytes_out: 0,
            overlaps: false,
            granted,
        };
        let gate = Arc::clone(&self.guest().gate);
        let answer = gate.pass(effect, InPreview::Happens, |_| async move {
            let answer = match reader {
                Some(reader) => {
                    perform(reader).await.map_err(|error| format!("look-up in the registry: {error:#}"))
                }
                None => Err("not granted".to_owned()),
            };
            Performed { answer, bytes_in: None, refused: None }
        });
        Ok(answer.await?.map_err(HostFunctionFault)?)
    }
}

fn found<T>(value: Option<T>, kind: &str, id: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::NotFound(format!("there is no {kind} `{id}`")))
}

fn page_size(limit: u32) -> u32 {
    limit.clamp(1, MAX_PAGE)
}

impl Host for CallState {
    async fn members(
        &mut self,
        group: String,
        identifier_type: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<MemberPage, Error>> {
        let limit = page_size(limit);
        let request =
            json!({"group": group, "identifier_type": identifier_type, "after": after, "limit": limit});
        let id = group.clone();
        let page = self
            .look_up("members", request, async |reader| {
                reader.members(group, identifier_type, after, limit).await
            })
            .await?;
        Ok(found(page, "group", &id))
    }

    async fn get_group(&mut self, group: String) -> wasmtime::Result<Result<Group, Error>> {
        let id = group.clone();
        let found_group = self
            .look_up("get-group", json!({"group": group}), async |reader| reader.group(group).await)
            .await?;
        Ok(found(found_group, "group", &id))
    }

    async fn groups(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<GroupPage, Error>> {
        let limit = page_size(limit);
        let request = json!({"after": after, "limit": limit});
        self.look_up("groups", request, async |reader| reader.groups(after, limit).await).await.map(Ok)
    }

    async fn services(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<ServicePage, Error>> {
        let limit = page_size(limit);
        let request = json!({"after": after, "limit": limit});
        self.look_up("services", request, async |reader| reader.services(after, limit).await).await.map(Ok)
    }

    async fn collaboration_units(&mut self) -> wasmtime::Result<Result<Vec<CollaborationUnit>, Error>> {
        self.look_up("collaboration-units", json!({}), async |reader| reader.collaboration_units().await)
            .await
            .map(Ok)
    }

    async fn affiliations(&mut self) -> wasmtime::Result<Result<Vec<Affiliation>, Error>> {
        self.look_up("affiliations", json!({}), async |reader| reader.affiliations().await).await.map(Ok)
    }

    async fn written_identifiers(
        &mut self,
        record: String,
    ) -> wasmtime::Result<Result<Vec<Identifier>, Error>> {
        let id = record.clone();
        let request = json!({"record_id": record});
        let identifiers = self
            .look_up("written-identifiers", request, async |reader| reader.written_identifiers(record).await)
            .await?;
        Ok(found(identifiers, "record", &id))
    }
}
