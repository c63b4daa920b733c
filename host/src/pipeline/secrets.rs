//! What a record of a run leaves out of its subject: tokens, of which a run depends on nothing but the length.

use std::borrow::Cow;

use serde_json::Value;

use crate::capabilities::contract::records::{Credential, Subject};
use crate::sandbox::Json;

/// Members of a credential that the contract has no case for, whose values are secrets in clear.
const SECRETS: [&str; 2] = ["secret", "token"];

/// A subject as it is recorded.
pub(super) fn recorded(subject: &Subject) -> Json {
    Json::of(&*without_tokens(subject))
}

fn without_tokens(subject: &Subject) -> Cow<'_, Subject> {
    let other = |credential: &Credential| matches!(credential, Credential::Other(_));
    match subject {
        Subject::Person(person) if person.authenticators.iter().any(|held| other(&held.credential)) => {
            let mut person = person.clone();
            for authenticator in &mut person.authenticators {
                if let Credential::Other(extension) = &mut authenticator.credential {
                    blank(&mut extension.json);
                }
            }
            Cow::Owned(Subject::Person(person))
        }
        _ => Cow::Borrowed(subject),
    }
}

fn blank(json: &mut String) {
    let Ok(Value::Object(mut members)) = serde_json::from_str(json) else { return };
    for secret in SECRETS {
        if let Some(Value::String(text)) = members.get_mut(secret) {
            *text = "*".repeat(text.len());
        }
    }
    *json = Value::Object(members).to_string();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blanked_and_nothing_else() {
        for (json, kept) in [
            (r#"{"service":"wiki","token":"abc"}"#, r#"{"service":"wiki","token":"***"}"#),
            (r#"{"secret":"é","serial":"S1"}"#, r#"{"secret":"**","serial":"S1"}"#),
            (r#"{"token":7}"#, r#"{"token":7}"#),
            ("[1]", "[1]"),
        ] {
            let mut text = json.to_owned();
            blank(&mut text);
            assert_eq!(text, kept);
        }
    }
}
