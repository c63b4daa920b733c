use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::servers::connector::SystemResolver;

fn server(configuration: serde_json::Value) -> LdapServer {
    let configuration: LdapConfiguration = serde_json::from_value(configuration).unwrap();
    LdapServer::new(&configuration, &BTreeMap::new(), Arc::new(SystemResolver)).unwrap()
}

#[test]
fn only_what_is_at_or_below_a_base_is_covered() {
    let server = server(json!({
        "url": "ldap://x", "base_dns": ["ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"],
    }));
    for (dn, covered) in [
        ("uid=anna,OU=People, dc=example,dc=org", true),
        ("ou=groups,dc=example,dc=org", true),
        ("dc=example,dc=org", false),
        ("uid=anna,ou=other,dc=example,dc=org", false),
        ("", false),
    ] {
        assert_eq!(server.covers(&Dn::parse(dn).unwrap()), covered, "{dn}");
    }
}
