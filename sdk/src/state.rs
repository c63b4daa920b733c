//! Durable keys and values of the plugin. What a call writes is stored together with its outcome: when the call fails,
//! nothing of it is.
//!
//! ```no_run
//! use provender_sdk::{Failure, state};
//!
//! fn remember(account: &str) -> Result<(), Failure> {
//!     let state = state::of_subject();
//!     if state.get_json::<String>("account")?.as_deref() != Some(account) {
//!         state.set_json("account", account)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Calls for different subjects run side by side, so a value of the target that one call reads and writes may be
//! overwritten by another: counters do not belong there.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::host::provender::plugin::state::{self, Error, Scope};
use crate::pages::pages;

/// Most keys that one look-up gives.
const PAGE: u32 = 500;

/// Keys and values of one scope.
#[derive(Clone, Copy, Debug)]
pub struct State {
    scope: Scope,
}

/// The state of the target.
pub fn of_target() -> State {
    State { scope: Scope::Target }
}

/// The state of the target and the subject of the call. There is none in calls without a subject.
pub fn of_subject() -> State {
    State { scope: Scope::Subject }
}

impl State {
    /// The value of a key, with what this call wrote.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(state::get(self.scope, key)?)
    }

    /// The value of a key that [`State::set_json`] wrote.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        self.get(key)?.map(|value| from_json(key, &value)).transpose()
    }

    /// Stores a value. Keys have 1 to 512 bytes.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        Ok(state::set(self.scope, key, value)?)
    }

    /// Stores a value as JSON.
    pub fn set_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Failure> {
        let json = serde_json::to_vec(value).map_err(|error| {
            Failure::permanent(format!("the state {key:?} cannot be written as JSON: {error}"))
        })?;
        self.set(key, &json)
    }

    /// Removes a key; nothing happens where there is none.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        Ok(state::delete(self.scope, key)?)
    }

    /// Keys that begin with `prefix`, ascending.
    pub fn keys(&self, prefix: &str) -> impl Iterator<Item = Result<String, Failure>> {
        let scope = self.scope;
        pages(move |after: Option<String>| {
            let keys = state::keys(scope, prefix, after.as_deref(), PAGE)?;
            let next = keys.last().filter(|_| keys.len() == PAGE as usize).cloned();
            Ok((keys, next))
        })
    }
}

fn from_json<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(value).map_err(|error| {
        Failure::permanent(format!(
            "the state {key:?} holds what this version of the plugin cannot read: {error}"
        ))
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(message) => Failure::configuration(message),
            Error::InvalidKey(message) | Error::TooLarge(message) | Error::Other(message) => {
                Failure::permanent(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_read_is_named_in_the_failure() {
        let failure = from_json::<u64>("sequence", b"\"x\"").unwrap_err();
        assert!(
            matches!(&failure, Failure::Permanent(message) if message.contains("\"sequence\"")),
            "{failure:?}"
        );
        assert_eq!(from_json::<u64>("sequence", b"7"), Ok(7));
    }

    #[test]
    fn a_state_that_is_not_granted_is_a_matter_of_configuration() {
        let failure = Failure::from(Error::Refused("state is not granted".to_owned()));
        assert_eq!(failure, Failure::configuration("state is not granted"));
    }
}
