//! The lives of people and groups, through the real host, the real component and a real directory.

use std::collections::{BTreeMap, BTreeSet};

use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender::registry::import::{ImportOptions, import};
use provender::registry::record::{Credential, Identifier, Person, Record, Status};
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, TestHost, by_test, history};
use provender_tests::people::{group, group_key, membership, person_key, plain_person};
use provender_tests::relay::{Conduct, Relay};
use provender_tests::slapd::{BASE, Content, PASSWORD, Slapd};
use serde_json::{Value, json};

use crate::configuration;

/// A host with the plugin at a directory, which it reaches by a relay.
pub(crate) struct Site {
    pub(crate) host: TestHost,
    pub(crate) slapd: Slapd,
    pub(crate) relay: Relay,
    /// What the target was configured with.
    pub(crate) target: Value,
}

impl Site {
    pub(crate) async fn start(more: Value) -> Self {
        Self::start_with(more, "").await
    }

    /// As [`start`](Self::start), with more lines for the configuration of the directory.
    pub(crate) async fn start_with(more: Value, database: &str) -> Self {
        let slapd = Slapd::start_with(database);
        let relay = Relay::to("ldap", slapd.address()).await;
        let host = TestHost::start_with(|configuration| configuration.workers.jobs = 0).await;
        host.install_bundled("ldap").await;
        let mut server = configuration(&format!("ldap://{}", relay.address()), &json!({"kind": "ldap"}));
        server["authentication"]["password"] = PASSWORD.into();
        host.server("directory", server).await;
        let mut configuration = json!({
            "people_base_dn": format!("ou=people,{BASE}"),
            "groups_base_dn": format!("ou=groups,{BASE}"),
            "object_classes": ["eduPerson", "eduMember", "groupOfNames", "ldapPublicKey", "voPerson"],
            "attributes": {
                "uid": {}, "mail": {}, "isMemberOf": {}, "hasMember": {}, "description": {},
                "voPersonStatus": {}, "sshPublicKey": {}, "userPassword": {},
            },
        });
        if let (Some(fields), Some(more)) = (configuration.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        let target = json!({
            "plugin": "ldap", "configuration": configuration, "slots": {"directory": "directory"},
            "mode": "queue_on_error", "retry_interval_s": 900, "max_retry": 3,
            "limits": {"transcript_bytes": 4_000_000},
        });
        host.target("t", target.clone()).await;
        Self { host, slapd, relay, target }
    }

    /// Configures the target anew, with these fields in place of what they were.
    pub(crate) async fn retarget(&self, more: Value) {
        let mut target = self.target.clone();
        if let (Some(fields), Some(more)) = (target["configuration"].as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        self.host.target("t", target).await;
    }

    pub(crate) async fn put(
        &self,
        id: &str,
        change: impl FnOnce(&mut provender::registry::record::Person),
    ) -> Invocation {
        let mut person = plain_person(id);
        change(&mut person);
        let mut done = self.host.put(person_key(id), Record::Person(Box::new(person))).await;
        done.remove(0)
    }

    pub(crate) fn content(&self) -> Content {
        let mut content = self.slapd.content(BASE);
        for unit in [BASE, &format!("ou=people,{BASE}"), &format!("ou=groups,{BASE}")] {
            content.remove(unit);
        }
        content
    }
}

pub(crate) fn uid(value: &str) -> Vec<Identifier> {
    let identifier = Identifier {
        identifier: value.to_owned(),
        identifier_type: "uid".to_owned(),
        ..Identifier::default()
    };
    vec![identifier]
}

pub(crate) fn failure(invocation: &Invocation) -> (FailureClass, &str) {
    match &invocation.outcome {
        Some(InvocationOutcome::Failed { class, message, .. }) => (*class, message),
        other => panic!("did not fail: {other:?}"),
    }
}

/// What the plugin did.
pub(crate) fn effects(transcript: &Value) -> Value {
    transcript["steps"][0]["transcript"]["effects"].clone()
}

pub(crate) fn entry(rdn: &str) -> String {
    format!("{rdn},ou=people,{BASE}")
}

fn values(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

pub(crate) type Attributes = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn attributes(attributes: &[(&str, &[&str])]) -> Attributes {
    attributes.iter().map(|(name, given)| ((*name).to_owned(), values(given))).collect()
}

#[tokio::test]
async fn a_life_of_people_and_groups_leaves_just_what_it_should() {
    let site = Site::start(json!({})).await;
    let lines = site.host.host.pipeline.check_target(CO, "t").await.unwrap().findings;
    assert!(lines.iter().any(|line| line.contains("knows") && line.contains("voPerson")), "{lines:?}");
    assert_eq!(history(&site.put("anna", |_| {}).await), [format!("added {}", entry("uid=anna"))]);
    let again = site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    assert_eq!(again.outcome, Some(InvocationOutcome::Unchanged));
    site.put("bert", |person| person.identifiers = uid("B,e+r\"t#;<>")).await;

    // Groups: empty, joined, renamed, left.
    site.host.put(group_key("staff"), group("staff")).await;
    assert!(!site.content().contains_key(&format!("cn=Group staff,ou=groups,{BASE}")), "it has no member");
    site.host.put_membership(membership("staff", "anna")).await;
    site.host.put_membership(membership("staff", "bert")).await;

    // A person is renamed, and the group follows.
    let renamed = site.put("anna", |person| person.identifiers = uid("ánna")).await;
    assert!(history(&renamed)[0].starts_with("renamed uid=anna"), "{renamed:?}");
    site.put("anna", |person| {
        person.identifiers = uid("ánna");
        person.status = Status::Suspended;
    })
    .await;
    site.put("anna", |person| {
        person.identifiers = uid("ánna");
        person.status = Status::Expired;
    })
    .await;
    site.put("anna", |person| person.identifiers = uid("ánna")).await;
    site.host.host.pipeline.provision(CO, "t", &group_key("staff")).await.unwrap();

    let there = site.content();
    let found: Vec<&String> = there.keys().collect();
    assert_eq!(found.len(), 3, "{found:#?}");
    let anna = attributes(&[
        ("cn", &["anna Kovács"]),
        ("givenName", &["anna"]),
        ("isMemberOf", &["Group staff"]),
        ("mail", &["anna@example.org"]),
        ("objectClass", &["person", "organizationalPerson", "inetOrgPerson", "voPerson", "eduMember"]),
        ("sn", &["Kovács"]),
        ("uid", &["ánna"]),
        ("voPersonStatus", &["Active"]),
    ]);
    assert_eq!(there[&entry("uid=ánna")], anna);
    let bert = there.keys().find(|dn| dn.to_lowercase().starts_with("uid=b")).unwrap();
    assert_eq!(there[bert]["uid"], values(&["B,e+r\"t#;<>"]));
    let name = format!("cn=Group staff,ou=groups,{BASE}");
    let staff = attributes(&[
        ("cn", &["Group staff"]),
        ("hasMember", &["ánna", "B,e+r\"t#;<>"]),
        ("member", &[&entry("uid=ánna"), bert]),
        ("objectClass", &["groupOfNames", "eduMember"]),
    ]);
    assert_eq!(there[&name], staff);

    // An entry that somebody removed is made again; one that somebody changed is mended.
    site.slapd.change(&format!(
        "dn: {}\nchangetype: delete\n\ndn: {bert}\nchangetype: modify\nreplace: mail\nmail: x@evil\n",
        entry("uid=ánna").replace('á', "\\C3\\A1")
    ));
    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    site.host.host.pipeline.provision(CO, "t", &person_key("bert")).await.unwrap();
    assert_eq!(site.content(), there);

    // Leaving, and the end.
    site.host.delete_membership("staff", "bert").await;
    assert_eq!(site.content()[&name]["member"], values(&[&entry("uid=ánna")]));
    site.host.delete_membership("staff", "anna").await;
    assert!(!site.content().contains_key(&name), "no group without members");
    site.host.delete(&person_key("anna")).await;
    site.host.delete(&person_key("bert")).await;
    site.host.delete(&group_key("staff")).await;
    assert_eq!(site.content(), Content::new());
    assert!(site.relay.most_open() <= 10);
}

#[tokio::test]
async fn what_is_in_the_way_is_a_conflict_and_stays_as_it_is() {
    let site = Site::start(json!({})).await;
    site.slapd.change(&format!(
        "dn: {}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuid: anna\n",
        entry("uid=anna")
    ));
    let before = site.content();
    let done = site.put("anna", |_| {}).await;
    let (class, message) = failure(&done);
    assert_eq!(class, FailureClass::Conflict, "{message}");
    assert!(message.contains("existing_entries"), "{message}");
    assert_eq!(site.content(), before);
    let nul = site.put("bert", |person| person.identifiers = Vec::new()).await;
    assert_eq!(failure(&nul).0, FailureClass::InvalidData);
}

#[tokio::test]
async fn an_answer_that_was_lost_leads_to_no_second_entry_and_passwords_to_no_transcript() {
    let site = Site::start(json!({})).await;
    let with_password = |person: &mut provender::registry::record::Person| {
        let credential = Credential::Password { scheme: "ssha".to_owned(), hash: "canary-hash".to_owned() };
        person.authenticators.push(provender::registry::record::Authenticator {
            meta: Default::default(),
            authenticator: "pw".to_owned(),
            status: Status::Active,
            locked: false,
            credential,
        });
    };
    site.relay.conduct(Conduct::CutsAnswers);
    let done = site.put("anna", with_password).await;
    assert_eq!(failure(&done).0, FailureClass::Transient);
    site.relay.conduct(Conduct::Faithful);
    let again = async || site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.ok();
    provender_tests::waiting::eventually("the directory is reached again", async || {
        let done = again().await?;
        matches!(done.outcome, Some(InvocationOutcome::Applied { .. } | InvocationOutcome::Unchanged))
            .then_some(())
    })
    .await;
    let there = site.content();
    assert_eq!(there.len(), 1);
    assert_eq!(there[&entry("uid=anna")]["userPassword"], values(&["{SSHA}canary-hash"]));
    // A target that was never told so finds its entry there, as after an answer that was lost.
    site.host.target("u", site.target.clone()).await;
    let found = site.host.host.pipeline.provision(CO, "u", &person_key("anna")).await.unwrap();
    assert_eq!(found.outcome, Some(InvocationOutcome::Unchanged));
    assert_eq!(site.content(), there);
    for done in site.host.invocations("t").await {
        let effects = effects(&site.host.transcript(&done).await).to_string();
        assert!(!effects.contains("canary"), "{effects}");
    }
}

#[tokio::test]
async fn a_large_group_is_written_by_pages() {
    const MEMBERS: usize = 4_000;
    let site = Site::start(json!({})).await;
    site.host.put(group_key("all"), group("all")).await;
    let quietly = WriteOptions { provision: false, ..by_test() };
    let registry = &site.host.host.registry;
    let lines: String = (0..MEMBERS)
        .map(|number| {
            let record = serde_json::to_value(plain_person(&format!("p{number:04}"))).unwrap();
            let memberships = json!([{"group": "all"}]);
            json!({"kind": "person", "record": record, "memberships": memberships}).to_string() + "\n"
        })
        .collect();
    let options = ImportOptions::default();
    import(registry, CO, lines.as_bytes(), &options, &quietly, |_| {}).await.unwrap();
    site.host.host.pipeline.provision(CO, "t", &group_key("all")).await.unwrap();
    let name = format!("cn=Group all,ou=groups,{BASE}");
    assert_eq!(site.content()[&name]["member"].len(), MEMBERS);
    registry.delete_membership(CO, "all", "p0007", &quietly).await.unwrap();
    let done = site.host.host.pipeline.provision(CO, "t", &group_key("all")).await.unwrap();
    assert!(matches!(done.outcome, Some(InvocationOutcome::Applied { .. })), "{done:?}");
    assert_eq!(site.content()[&name]["member"].len(), MEMBERS - 1);
    let transcript = site.host.transcript(&done).await;
    let effects = effects(&transcript);
    let modify = effects.as_array().unwrap().iter().find(|effect| effect["operation"] == "modify").unwrap();
    assert_eq!(modify["request"]["modifications"].as_array().unwrap().len(), 2, "only what changed is sent");
}

#[tokio::test]
async fn any_name_that_a_directory_can_hold_is_written_and_renamed_and_removed() {
    let site = Site::start(json!({"object_classes": ["groupOfNames"], "attributes": {"uid": {}}})).await;
    let names = [
        "#hash",
        "comma, Jr.",
        "a+b=c",
        "\"quoted\"",
        "back\\slash",
        "semi;<angle>",
        "inner  spaces",
        "*(filter)",
        "名前 山田",
        "Ǻé\u{301}ß",
        "🦊",
        "\u{200b}zero",
        "-dash",
        "per%cent",
        "tail\\",
    ];
    for (number, name) in names.iter().enumerate() {
        let id = format!("p{number}");
        let added = site.put(&id, |person| person.identifiers = uid(name)).await;
        assert!(history(&added)[0].starts_with("added "), "{name}: {added:?}");
        let Record::Group(mut group) = group(&id) else { panic!("a group") };
        group.name = (*name).to_owned();
        site.host.put(group_key(&id), Record::Group(group)).await;
        site.host.put_membership(membership(&id, &id)).await;
        site.host.put(group_key("all"), provender_tests::people::group("all")).await;
        site.host.put_membership(membership("all", &id)).await;
    }
    let there = site.content();
    let held = |attribute: &str, unit: &str| -> BTreeSet<String> {
        let of_unit = there.iter().filter(|(dn, _)| dn.ends_with(&format!(",ou={unit},{BASE}")));
        of_unit.flat_map(|(_, attributes)| attributes[attribute].iter().cloned()).collect()
    };
    assert_eq!(held("uid", "people"), values(&names));
    let mut groups = values(&names);
    groups.insert("Group all".to_owned());
    assert_eq!(held("cn", "groups"), groups);
    let all = format!("cn=Group all,ou=groups,{BASE}");
    let people = |there: &Content| -> BTreeSet<String> {
        there.keys().filter(|dn| dn.ends_with(&format!(",ou=people,{BASE}"))).cloned().collect()
    };
    assert_eq!(there[&all]["member"], people(&there));
    for (number, name) in names.iter().enumerate() {
        let id = format!("p{number}");
        for key in [person_key(&id), group_key(&id)] {
            let again = site.host.host.pipeline.provision(CO, "t", &key).await.unwrap();
            assert_eq!(again.outcome, Some(InvocationOutcome::Unchanged), "{name}");
        }
        let renamed = site.put(&id, |person| person.identifiers = uid(&format!("r,{number}"))).await;
        assert!(history(&renamed)[0].starts_with("renamed "), "{renamed:?}");
        let there = site.content();
        assert_eq!(there[&all]["member"], people(&there), "{name}: the group follows");
        site.host.delete(&group_key(&id)).await;
        site.host.delete(&person_key(&id)).await;
    }
    site.host.delete(&group_key("all")).await;
    assert_eq!(site.content(), Content::new());
    let nul = Person { identifiers: uid("a\0b"), ..plain_person("nul") };
    let nul = Record::Person(Box::new(nul));
    let refused = site.host.host.registry.put(CO, person_key("nul"), nul, &by_test()).await;
    assert!(refused.is_err(), "no directory can hold NUL in a name");
}
