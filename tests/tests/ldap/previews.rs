//! What is told before it is done, and what is found afterwards.

use std::sync::Arc;

use provender::capabilities::contract::records::{Identifier, Name, Status, Subject};
use provender::capabilities::contract::types::{Context, Inspection};
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, ldap, state};
use provender::pipeline::Happened;
use provender::registry::record::Record;
use provender::registry::write::WriteOptions;
use provender::sandbox::{Limits, Mode};
use provender_tests::calls::{Stored, TIME, load, person, plugin_host};
use provender_tests::host::{CO, by_test};
use provender_tests::people::{person_key, plain_person};
use provender_tests::slapd::{BASE, Slapd};
use serde_json::json;

use crate::life::{Site, entry, uid};
use crate::server;

/// What would be done for anna, as LDIF.
async fn foreseen(site: &Site) -> Vec<String> {
    let preview = site.host.host.pipeline.preview(CO, "t", &person_key("anna")).await.unwrap();
    assert_eq!(preview.ends, None);
    let foreseen = preview.effects.into_iter().filter(|effect| effect.happened == Happened::Foreseen);
    foreseen.map(|effect| effect.text).collect()
}

#[tokio::test]
async fn a_preview_is_ldif_and_changes_nothing() {
    let site = Site::start(
        json!({"object_classes": [], "groups_base_dn": null, "attributes": {"uid": {}, "mail": {}}}),
    )
    .await;
    let quietly = WriteOptions { provision: false, ..by_test() };
    let registry = &site.host.host.registry;
    let before = site.slapd.content("dc=example,dc=org");
    let mut anna = plain_person("anna");
    registry.put(CO, person_key("anna"), Record::Person(Box::new(anna.clone())), &quietly).await.unwrap();
    let [added] = &foreseen(&site).await[..] else { panic!("an entry") };
    assert!(added.starts_with(&format!("dn: {}\nchangetype: add\n", entry("uid=anna"))), "{added}");
    assert!(added.contains("\nmail: anna@example.org"), "{added}");
    assert_eq!(site.slapd.content("dc=example,dc=org"), before);

    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    let before = site.slapd.content("dc=example,dc=org");
    anna.identifiers = uid("anna2");
    registry.put(CO, person_key("anna"), Record::Person(Box::new(anna)), &quietly).await.unwrap();
    let renamed =
        format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=anna2\ndeleteoldrdn: 1", entry("uid=anna"));
    let modified = format!("dn: {}\nchangetype: modify\nreplace: uid\nuid: anna2\n-", entry("uid=anna2"));
    assert_eq!(foreseen(&site).await, [renamed, modified]);
    assert_eq!(site.slapd.content("dc=example,dc=org"), before);
}

#[tokio::test]
async fn an_inspection_tells_what_the_directory_holds() {
    let slapd = Slapd::start();
    let server = server(&slapd.url(), &json!({}), &[]);
    let plugin = load(provender_bundled_plugins::find("ldap").unwrap().wasm).await.unwrap();
    let Subject::Person(mut anna) = person("anna") else { panic!("a person") };
    let metadata = anna.metadata.clone();
    anna.identifiers.push(Identifier {
        metadata: metadata.clone(),
        identifier: "anna".to_owned(),
        identifier_type: "uid".to_owned(),
        login: false,
        status: Status::Active,
        language: None,
        provisioning_target: None,
    });
    anna.names.push(Name {
        metadata,
        honorific: None,
        given: Some("Anna".to_owned()),
        middle: None,
        family: Some("Kovács".to_owned()),
        suffix: None,
        name_type: "official".to_owned(),
        language: None,
        primary: true,
    });
    let inspect = async || {
        let mut slots = Slots::default();
        let (name, server) = ("directory".to_owned(), Some(Arc::clone(&server)));
        slots.ldap.0.push(Arc::new(ldap::Slot { name, server, operations: Vec::new() }));
        let context = Context {
            co: CO.to_owned(),
            target: "t".to_owned(),
            target_description: String::new(),
            configuration: json!({"people_base_dn": format!("ou=people,{BASE}")}).to_string(),
            slots: slots.bindings(),
            time: TIME.to_owned(),
        };
        let state = state::Grant { reader: Some(Arc::new(Stored::default())), subject: true };
        let (seed, time) = ([0; 32], TIME.parse().unwrap());
        let surroundings = Surroundings { limits: Limits::default(), seed, time, mode: Mode::Live };
        let state = CallState::new(surroundings, Grants { slots, state, ..Grants::default() });
        let subject = Subject::Person(anna.clone());
        plugin_host().inspect(&plugin, state, &context, &subject).await.result.unwrap().unwrap()
    };
    assert_eq!(inspect().await, Inspection::Absent);
    let name = entry("uid=anna");
    slapd.change(&format!(
        "dn: {name}\nchangetype: add\nobjectClass: person\nobjectClass: organizationalPerson\n\
         objectClass: inetOrgPerson\nuid: anna\nsn:: S292w6Fjcw==\ncn:: QW5uYSBLb3bDoWNz\ngivenName: Anna\n"
    ));
    assert_eq!(inspect().await, Inspection::Present);
    slapd.change(&format!(
        "dn: {name}\nchangetype: modify\nreplace: givenName\ngivenName: Berta\n-\nadd: mail\nmail: x@y\n"
    ));
    let Inspection::Different(lines) = inspect().await else { panic!("differences") };
    assert_eq!(lines, ["givenName is not as it should be", "mail should not be there"]);
}
