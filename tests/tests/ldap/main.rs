//! The capability `ldap` and the plugin of that name against a real directory.

mod attributes;
mod capability;
mod faults;
mod life;
mod previews;
mod result_codes;
mod tokens;

use std::sync::Arc;

use provender::servers::configuration::ldap::LdapConfiguration;
use provender::servers::connector::SystemResolver;
use provender::servers::ldap::LdapServer;
use provender_tests::slapd::{BASE, BIND_DN, PASSWORD};
use secrecy::SecretString;
use serde_json::{Value, json};

/// A server as an operator would configure it, with other fields in place of these.
fn configuration(url: &str, other: &Value) -> Value {
    let mut configuration = json!({
        "url": url,
        "base_dns": [BASE],
        "allow_private_addresses": true,
        "authentication": {"kind": "simple", "bind_dn": BIND_DN},
        "request_timeout_ms": 20_000,
    });
    if let (Some(fields), Some(other)) = (configuration.as_object_mut(), other.as_object()) {
        fields.extend(other.clone());
    }
    configuration
}

/// The same, alive, with its secrets.
fn server(url: &str, other: &Value, secrets: &[(&str, &str)]) -> Arc<LdapServer> {
    let configuration: LdapConfiguration = serde_json::from_value(configuration(url, other)).unwrap();
    let mut all = vec![("password", PASSWORD)];
    all.extend(secrets);
    let secrets = all.into_iter().map(|(name, value)| (name.to_owned(), SecretString::from(value)));
    Arc::new(LdapServer::new(&configuration, &secrets.collect(), Arc::new(SystemResolver)).unwrap())
}
