//! What a directory says. Input: a byte for the size of a piece, then what is said.

use std::sync::Arc;

use arbitrary::Unstructured;
use provender::servers::connector::SystemResolver;
use provender::servers::ldap::{Attribute, Change, Entry, LdapError, LdapServer, Page, Scope, Search};
use provender_ldap_names::{Dn, Filter};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::counterpart::{Counterpart, PASSWORD, bounded};

const BASE: &str = "dc=example,dc=org";
const PAGE: u32 = 500;
const MAX_PAGES: usize = 8;
/// What an answer may have.
const ROOM: u64 = 64 << 10;

/// The tag of a request to add an entry, with the number of the first message before it; and that of an entry that was found.
const ADD: [u8; 4] = [2, 1, 1, 0x68];
const FOUND: u8 = 0x64;
/// The answers to the first request that end it well: an addition, a search.
const ADDED: &[u8] = b"\x30\x0c\x02\x01\x01\x69\x07\x0a\x01\0\x04\0\x04\0";
const SEARCHED: &[u8] = b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\0\x04\0\x04\0";

/// However a directory answers, it takes no more memory than what it says; an entry comes back as it was written.
pub fn check(data: &[u8]) {
    let _ = ask(data);
    let attributes: arbitrary::Result<Vec<(String, Vec<Vec<u8>>)>> = Unstructured::new(data).arbitrary();
    if let Ok(attributes) = attributes {
        check_entry(attributes.into_iter().map(|(name, values)| Attribute { name, values }).collect());
    }
}

/// Binds, searches by pages, compares and removes, and gives how that ends.
pub fn ask(data: &[u8]) -> Result<(), LdapError> {
    let Some(counterpart) = Counterpart::of(data) else { return Ok(()) };
    let ended = bounded(data, async {
        let server = server(json!({"kind": "simple", "bind_dn": format!("cn=provender,{BASE}")}));
        let mut lease = server.lease_over(counterpart).await?;
        let mut cookie = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = lease.page(&search(), PAGE, &cookie, ROOM).await?;
            check_page(&page);
            cookie = page.cookie;
            if cookie.is_empty() {
                break;
            }
        }
        lease.compare(&dn(), "uid", b"anna", ROOM).await?;
        lease.change(&Change::Delete { dn: dn() }, ROOM).await?;
        Ok::<(), LdapError>(())
    });
    if let Err(error) = &ended {
        assert!(!format!("{error:?}").contains(PASSWORD), "{error}");
    }
    ended
}

fn check_page(page: &Page) {
    for entry in &page.entries {
        assert!(!entry.dn.contains(PASSWORD), "{}", entry.dn);
        for value in entry.attributes.iter().flat_map(|attribute| &attribute.values) {
            assert!(!String::from_utf8_lossy(value).contains(PASSWORD), "{value:?}");
        }
    }
}

/// What is written to add an entry reads as that entry when it is found: the two differ in a tag.
fn check_entry(attributes: Vec<Attribute>) {
    let counterpart = Counterpart::saying(ADDED.to_vec(), ADDED.len());
    let heard = counterpart.heard();
    let add = Change::Add { dn: dn(), attributes: attributes.clone() };
    bounded(&[], async {
        let mut lease = server(json!({"kind": "none"})).lease_over(counterpart).await.expect("a lease");
        lease.change(&add, ROOM).await.expect("an added entry");
    });
    let mut said = heard.lock().expect("what was heard").clone();
    let tag = said.windows(ADD.len()).position(|bytes| bytes == ADD).expect("a request") + ADD.len() - 1;
    said[tag] = FOUND;
    said.extend_from_slice(SEARCHED);
    let page = bounded(&said, async {
        let counterpart = Counterpart::saying(said.clone(), said.len());
        let mut lease = server(json!({"kind": "none"})).lease_over(counterpart).await.expect("a lease");
        lease.page(&search(), PAGE, b"", u64::MAX).await.expect("a page")
    });
    assert_eq!(page.entries, [Entry { dn: dn().to_string(), attributes }]);
}

fn server(authentication: Value) -> Arc<LdapServer> {
    let configuration = json!({
        "url": "ldap://directory.example.org", "base_dns": [BASE], "authentication": authentication,
    });
    let configuration = serde_json::from_value(configuration).expect("a configuration");
    let secrets = [("password".to_owned(), SecretString::from(PASSWORD))].into();
    Arc::new(LdapServer::new(&configuration, &secrets, Arc::new(SystemResolver)).expect("a directory"))
}

fn dn() -> Dn {
    Dn::parse(&format!("uid=anna,{BASE}")).expect("a DN")
}

fn search() -> Search {
    let base = Dn::parse(BASE).expect("a DN");
    let filter = Filter::Present("objectClass".to_owned());
    Search { base, scope: Scope::Subtree, filter, attributes: vec!["uid".to_owned()] }
}
