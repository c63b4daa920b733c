//! The durable state of a plugin, read from the store.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::capabilities::contract::state::Scope;
use crate::capabilities::state::StateReader;
use crate::registry::record::SubjectKey;
use crate::store::Store;

/// State of one target, and of one subject at it.
pub(super) struct StoredState {
    pub(super) store: Store,
    pub(super) co: String,
    pub(super) target: String,
    pub(super) subject: Option<SubjectKey>,
}

impl StoredState {
    fn subject_of(&self, scope: Scope) -> Option<&SubjectKey> {
        match scope {
            Scope::Target => None,
            Scope::Subject => self.subject.as_ref(),
        }
    }
}

impl StateReader for StoredState {
    fn value(&self, scope: Scope, key: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>> {
        async move { Ok(self.store.plugin_state(&self.co, &self.target, self.subject_of(scope), &key).await?) }.boxed()
    }

    fn keys(
        &self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
        async move {
            let subject = self.subject_of(scope);
            let (co, target) = (&self.co, &self.target);
            Ok(self.store.plugin_state_keys(co, target, subject, &prefix, after.as_deref(), limit).await?)
        }
        .boxed()
    }
}
