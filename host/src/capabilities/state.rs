//! Durable keys and values of a plugin. Reads pass the gate to the store; writes stay with the call and are committed
//! together with its outcome, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CallState;
use super::contract::state::{Error, Host, Scope};
use super::readable::Readable;
use crate::sandbox::{
    Access, Effect, GuestState, HostFunctionFault, InPreview, LimitName, Performed, Refusal,
};

/// Reads what calls before this one stored.
pub trait StateReader: Send + Sync {
    /// The value of a key.
    fn value(&self, scope: Scope, key: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<u8>>>>;

    /// At most `limit` keys that begin with `prefix` and come after `after`, ascending.
    fn keys(
        &self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Vec<String>>>;
}

/// Whose state a call may use.
#[derive(Default)]
pub struct Grant {
    /// None where a call has no target.
    pub reader: Option<Arc<dyn StateReader>>,
    /// Whether the call has a subject.
    pub subject: bool,
}

/// A key that a call wrote or, without a value, removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    pub scope: Scope,
    pub key: String,
    pub value: Option<Vec<u8>>,
}

/// What a call wrote so far.
pub(super) struct StateOfCall {
    grant: Grant,
    written: BTreeMap<(u8, String), Option<Vec<u8>>>,
    bytes: u64,
}

/// `set`, and without a value `delete`.
#[derive(Serialize)]
struct Put<'a> {
    scope: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Readable<&'a [u8]>>,
}

#[derive(Serialize)]
struct Get {
    scope: &'static str,
    key: String,
}

#[derive(Serialize)]
struct Keys {
    scope: &'static str,
    prefix: String,
    after: Option<String>,
    limit: u32,
}

const MAX_KEY_BYTES: usize = 512;
const MAX_PAGE: u32 = 1000;

fn scope_number(scope: Scope) -> u8 {
    match scope {
        Scope::Target => 0,
        Scope::Subject => 1,
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Target => "target",
        Scope::Subject => "subject",
    }
}

impl StateOfCall {
    pub(super) fn new(grant: Grant) -> Self {
        Self { grant, written: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn into_changes(self) -> Vec<StateChange> {
        self.written
            .into_iter()
            .map(|((scope, key), value)| StateChange {
                scope: if scope == scope_number(Scope::Target) { Scope::Target } else { Scope::Subject },
                key,
                value,
            })
            .collect()
    }

    fn granted(&self, scope: Scope) -> Result<Arc<dyn StateReader>, Refusal> {
        match (&self.grant.reader, scope) {
            (None, _) => Err(Refusal("this call has no target, so it has no state".to_owned())),
            (Some(_), Scope::Subject) if !self.grant.subject => {
                Err(Refusal("this call has no subject, so it has no state of one".to_owned()))
            }
            (Some(reader), _) => Ok(Arc::clone(reader)),
        }
    }
}

impl CallState {
    /// Passes one state operation through the gate. A failure of the store is the host's fault, not the plugin's.
    async fn state_effect<R: Serialize, T: Serialize + DeserializeOwned + Send, F>(
        &mut self,
        (operation, access): (&'static str, Access),
        request: R,
        scope: Scope,
        bytes_out: u64,
        perform: impl FnOnce(Arc<dyn StateReader>) -> F + Send,
    ) -> wasmtime::Result<T>
    where
        F: Future<Output = anyhow::Result<(T, u64)>> + Send,
    {
        let reader = self.state.granted(scope);
        let granted = reader.as_ref().map(drop).map_err(Clone::clone);
        let effect = Effect {
            capability: "state",
            operation: operation.into(),
            access,
            request,
            bytes_out,
            overlaps: false,
            granted,
        };
        let gate = Arc::clone(&self.guest().gate);
        let answer = gate.pass(effect, InPreview::Happens, |_| async move {
            let performed = match reader {
                Ok(reader) => {
                    perform(reader).await.map_err(|error| format!("state of the plugin: {error:#}"))
                }
                Err(Refusal(reason)) => Err(reason),
            };
            let (answer, bytes_in) = match performed {
                Ok((value, bytes_in)) => (Ok(value), bytes_in),
                Err(message) => (Err(message), 0),
            };
            Performed { answer, bytes_in: Some(bytes_in), refused: None }
        });
        Ok(answer.await?.map_err(HostFunctionFault)?)
    }

    async fn put(
        &mut self,
        operation: &'static str,
        scope: Scope,
        key: String,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), Error>> {
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let bytes = (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
        let limit = self.guest().gate.limits().get(LimitName::StateBytes);
        let used = self.state.bytes.saturating_add(bytes);
        if used > limit {
            return Err(self.guest().gate.exceed(LimitName::StateBytes, used).into());
        }
        let request = Put { scope: scope_word(scope), key: &key, value: value.as_deref().map(Readable) };
        let done = async |_| Ok(((), 0));
        self.state_effect::<_, (), _>((operation, Access::Write), request, scope, bytes, done).await?;
        self.state.bytes = used;
        self.state.written.insert((scope_number(scope), key), value);
        Ok(Ok(()))
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    match key.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        length => {
            Err(Error::InvalidKey(format!("a key has 1 to {MAX_KEY_BYTES} bytes, this one has {length}")))
        }
    }
}

/// A prefix may be empty, and no key begins with a longer one; the same holds for where a page begins.
fn check_bound(what: &str, bound: &str) -> Result<(), Error> {
    match bound.len() {
        0..=MAX_KEY_BYTES => Ok(()),
        length => {
            Err(Error::InvalidKey(format!("{what} has at most {MAX_KEY_BYTES} bytes, this one has {length}")))
        }
    }
}

impl Host for CallState {
    async fn get(&mut self, scope: Scope, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let written = self.state.written.get(&(scope_number(scope), key.clone())).cloned();
        let request = Get { scope: scope_word(scope), key: key.clone() };
        let read = async |reader: Arc<dyn StateReader>| {
            let value = match written {
                Some(value) => value,
                None => reader.value(scope, key).await?,
            };
            let bytes_in = value.as_ref().map_or(0, Vec::len) as u64;
            Ok((value.map(Readable), bytes_in))
        };
        let value: Option<Readable<Vec<u8>>> =
            self.state_effect(("get", Access::Read), request, scope, 0, read).await?;
        Ok(Ok(value.map(|Readable(value)| value)))
    }

    async fn set(
        &mut self,
        scope: Scope,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.put("set", scope, key, Some(value)).await
    }

    async fn delete(&mut self, scope: Scope, key: String) -> wasmtime::Result<Result<(), Error>> {
        self.put("delete", scope, key, None).await
    }

    async fn keys(
        &mut self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let bounds = [("a prefix", Some(&prefix)), ("the key to begin after", after.as_ref())];
        for (what, bound) in bounds {
            if let Err(error) = bound.map_or(Ok(()), |bound| check_bound(what, bound)) {
                return Ok(Err(error));
            }
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let request = Keys { scope: scope_word(scope), prefix: prefix.clone(), after: after.clone(), limit };
        let written: Vec<(String, bool)> = self
            .state
            .written
            .iter()
            .filter(|((of, key), _)| {
                *of == scope_number(scope)
                    && key.starts_with(&prefix)
                    && after.as_ref().is_none_or(|after| key > after)
            })
            .map(|((_, key), value)| (key.clone(), value.is_some()))
            .collect();
        let read = async |reader: Arc<dyn StateReader>| {
            // Keys that the call removed make room for as many more from the store.
            let more = limit.saturating_add(u32::try_from(written.len()).unwrap_or(u32::MAX));
            let stored = reader.keys(scope, prefix, after, more).await?;
            let mut keys: std::collections::BTreeSet<String> = stored.into_iter().collect();
            for (key, present) in written {
                if present {
                    keys.insert(key)
                } else {
                    keys.remove(&key)
                };
            }
            let keys: Vec<String> = keys.into_iter().take(limit as usize).collect();
            let bytes_in = keys.iter().map(String::len).sum::<usize>() as u64;
            Ok((keys, bytes_in))
        };
        self.state_effect(("keys", Access::Read), request, scope, 0, read).await.map(Ok)
    }
}
