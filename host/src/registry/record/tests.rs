use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Credential, EmailList, Group, Identifier, Membership, Name, Person, Record, Service, Status};
use crate::registry::samples;

#[track_caller]
fn survives_json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value, "{json}");
}

#[test]
fn every_field_survives_json() {
    survives_json(&samples::person());
    survives_json(&samples::group());
    survives_json(&samples::email_list());
    survives_json(&samples::service());
    survives_json(&samples::membership());
    survives_json(&samples::collaboration());
    samples::records().iter().for_each(survives_json::<Record>);
}

#[test]
fn the_least_that_must_be_said_is_enough() {
    let name: Name = serde_json::from_value(json!({"given": "Ann"})).unwrap();
    assert_eq!((name.name_type.as_str(), name.primary), ("official", false));
    let identifier: Identifier = serde_json::from_value(json!({"identifier": "ann", "type": "uid"})).unwrap();
    assert_eq!(identifier.status, Status::Active);
    let membership: Membership = serde_json::from_value(json!({})).unwrap();
    assert!(membership.member && !membership.owner);
    survives_json(&serde_json::from_value::<Person>(json!({})).unwrap());
    survives_json(&serde_json::from_value::<Group>(json!({"name": "g"})).unwrap());
    survives_json(&serde_json::from_value::<EmailList>(json!({"name": "l"})).unwrap());
    survives_json(&serde_json::from_value::<Service>(json!({"name": "s"})).unwrap());
}

#[test]
fn an_empty_list_is_written_as_a_list() {
    let json = serde_json::to_value(Person::default()).unwrap();
    for (field, value) in json.as_object().unwrap() {
        if !["meta", "status"].contains(&field.as_str()) {
            assert_eq!(value, &json!([]), "{field}");
        }
    }
}

#[test]
fn no_credential_shows_its_secret_in_debug_output() {
    let mut authenticators = samples::authenticators();
    for authenticator in &mut authenticators {
        match &mut authenticator.credential {
            Credential::Password { hash, .. } => *hash = "horse".to_owned(),
            Credential::Other { value, .. } => *value = json!("horse"),
            Credential::SshKey { .. } | Credential::Certificate { .. } => {}
        }
    }
    let shown = format!("{authenticators:?}");
    assert!(!shown.contains("horse"), "{shown}");
    assert!(shown.contains(r#"Password { scheme: "crypt", .. }"#), "{shown}");
}
