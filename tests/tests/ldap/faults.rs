//! Directories that are down, slow, gone in the middle or unwilling: the class of each failure, and that the queue brings
//! everything to the registry's state once the directory is there again.

use std::time::Duration;

use provender::provisioning::{FailureClass, InvocationOutcome, ServiceStatus};
use provender::registry::record::{Person, Record};
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, by_test};
use provender_tests::people::{group, group_key, membership, person_key, plain_person};
use provender_tests::relay::Conduct;
use provender_tests::slapd::{BASE, PASSWORD, Slapd};
use provender_tests::waiting::eventually;
use serde_json::{Value, json};

use crate::configuration;
use crate::life::{Site, entry, failure, uid};

/// A target that writes people and groups of names, and nothing else.
fn plain() -> Value {
    json!({"object_classes": ["groupOfNames"], "attributes": {"uid": {}, "mail": {}}})
}

impl Site {
    /// The transient failure of writing a person.
    async fn fails(&self, id: &str) -> String {
        let done = self.put(id, |_| {}).await;
        let (class, message) = failure(&done);
        assert_eq!(class, FailureClass::Transient, "{message}");
        message.to_owned()
    }

    /// Waits until the queue has brought this about.
    async fn catches_up(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        eventually(what, async || {
            self.host.host.clock().advance(Duration::from_secs(900));
            self.host.host.jobs.run_due(None, None).await.unwrap();
            let failing =
                self.host.host.store.provisioned_service(CO, "t", &person_key("anna")).await.unwrap();
            let settled = failing.is_none_or(|service| service.status != ServiceStatus::Failed);
            (settled && reached(self)).then_some(())
        })
        .await;
    }

    fn holds(&self, people: &[&str]) -> bool {
        let there: Vec<String> = self.content().into_keys().collect();
        let mut wanted: Vec<String> = people.iter().map(|id| entry(&format!("uid={id}"))).collect();
        wanted.sort();
        there == wanted
    }

    /// Another server for the target, with these fields in place of the usual ones.
    async fn reserve(&self, url: &str, more: Value) {
        let mut server = configuration(url, &json!({"kind": "ldap"}));
        server["authentication"]["password"] = PASSWORD.into();
        if let (Some(fields), Some(more)) = (server.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        self.host.server("directory", server).await;
    }
}

#[tokio::test]
async fn a_directory_that_was_down_at_start_and_is_killed_later_gets_everything_when_it_is_back() {
    let mut site = Site::start(plain()).await;
    site.slapd.kill();
    let Site { host, slapd, relay, target } = site;
    let mut site = Site { host: host.restart().await, slapd, relay, target };
    site.fails("anna").await;
    assert!(site.host.host.pipeline.check_target(CO, "t").await.is_err(), "a check tells it, too");
    site.slapd.resume();
    site.catches_up("anna is there", |site| site.holds(&["anna"])).await;

    // Killed while it works: the request is there, and its answer is not.
    site.relay.conduct(Conduct::Silent);
    let Site { host, slapd, relay, .. } = &mut site;
    let kill = async {
        eventually("a request that waits", async || (relay.kept_back() > 0).then_some(())).await;
        slapd.kill();
        relay.conduct(Conduct::Closed);
    };
    let bert = Record::Person(Box::new(plain_person("bert")));
    let (done, ()) = tokio::join!(host.put(person_key("bert"), bert), kill);
    let (class, message) = failure(&done[0]);
    assert_eq!(class, FailureClass::Transient, "{message}");
    assert!(message.contains("lost"), "{message}");
    site.relay.conduct(Conduct::Faithful);
    site.fails("carl").await;
    site.slapd.resume();
    site.catches_up("all are there", |site| site.holds(&["anna", "bert", "carl"])).await;
}

#[tokio::test]
async fn what_was_done_before_a_reset_is_found_done_and_what_was_not_is_done_once() {
    let site = Site::start(plain()).await;
    // So that a connection is there.
    site.put("zoe", |_| {}).await;
    let rename = |person: &mut Person| person.identifiers = uid("anna2");
    let change = |person: &mut Person| {
        rename(person);
        person.email_addresses[0].mail = "new@example.org".to_owned();
    };
    // Of each operation the answer is lost: before all but a removal there is a search.
    for (what, before) in [("added", 1), ("renamed", 1), ("changed", 1), ("removed", 0)] {
        site.relay.conduct_after(before, Conduct::ResetsAnswers);
        let done = match what {
            "added" => site.put("anna", |_| {}).await,
            "renamed" => site.put("anna", rename).await,
            "changed" => site.put("anna", change).await,
            _ => site.host.delete(&person_key("anna")).await.remove(0),
        };
        let (class, message) = failure(&done);
        assert_eq!(class, FailureClass::Transient, "{what}: {message}");
        site.relay.conduct(Conduct::Faithful);
        let there = site.content();
        let (name, mail) = match what {
            "added" => ("uid=anna", "anna@example.org"),
            "renamed" => ("uid=anna2", "anna@example.org"),
            _ => ("uid=anna2", "new@example.org"),
        };
        match what {
            "removed" => assert_eq!(there.len(), 1, "it was done all the same"),
            _ => assert_eq!(
                there[&entry(name)]["mail"],
                [mail.to_owned()].into(),
                "{what}: it was done all the same"
            ),
        }
        let count = 1 + usize::from(what != "removed");
        site.catches_up(what, |site| site.content().len() == count).await;
    }
}

#[tokio::test]
async fn a_slow_directory_is_given_up_and_asked_again() {
    let site = Site::start(plain()).await;
    site.reserve(&format!("ldap://{}", site.relay.address()), json!({"request_timeout_ms": 300})).await;
    site.put("anna", |_| {}).await;
    site.relay.conduct(Conduct::Silent);
    let message = site.fails("bert").await;
    assert!(message.contains("300 ms"), "{message}");
    site.relay.conduct(Conduct::Faithful);
    site.catches_up("bert is there", |site| site.holds(&["anna", "bert"])).await;
}

#[tokio::test]
async fn what_only_an_operator_can_mend_is_told_with_what_helps() {
    let limits = "olcLimits: dn.exact=cn=provender,dc=example,dc=org size=2 size.prtotal=2\n";
    let site = Site::start_with(plain(), limits).await;
    let stranger = Slapd::start();
    let ldaps = site.slapd.ldaps_url();
    for (id, url, more, class, part) in [
        (
            "bert",
            site.slapd.url(),
            json!({"authentication":
                {"kind": "simple", "bind_dn": "cn=provender,dc=example,dc=org", "password": "a-wrong-one"}}),
            FailureClass::Authentication,
            "invalidCredentials",
        ),
        (
            "carl",
            ldaps.clone(),
            json!({"ca_certificates": stranger.ca}),
            FailureClass::Configuration,
            "`ca_certificates`",
        ),
        (
            "emil",
            ldaps.clone(),
            json!({"ca_certificates": site.slapd.ca, "allow_private_addresses": false}),
            FailureClass::Configuration,
            "loopback",
        ),
        ("fred", ldaps, json!({"ca_certificates": site.slapd.ca}), FailureClass::Transient, ""),
    ] {
        site.reserve(&url, more).await;
        let done = site.put(id, |_| {}).await;
        if part.is_empty() {
            assert!(matches!(done.outcome, Some(InvocationOutcome::Applied { .. })), "{done:?}");
            continue;
        }
        let (found, message) = failure(&done);
        assert_eq!(found, class, "{message}");
        assert!(message.contains(part) && !message.contains("a-wrong-one"), "{message}");
    }

    // A search that finds more than the directory gives: a renamed person in three groups, which are not told yet.
    site.reserve(&site.slapd.url(), json!({})).await;
    site.put("anna", |_| {}).await;
    for name in ["one", "two", "three"] {
        site.host.put(group_key(name), group(name)).await;
        site.host.put_membership(membership(name, "anna")).await;
    }
    let mut anna = plain_person("anna");
    anna.identifiers = uid("anna2");
    let quietly = WriteOptions { provision: false, ..by_test() };
    let renamed = Record::Person(Box::new(anna));
    site.host.host.registry.put(CO, person_key("anna"), renamed, &quietly).await.unwrap();
    let done = site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    let (class, message) = failure(&done);
    assert_eq!(class, FailureClass::Configuration, "{message}");
    assert!(message.contains("sizeLimitExceeded") && message.contains("raise the limit"), "{message}");

    // People who live elsewhere.
    site.slapd.change(&format!(
        "dn: ou=elsewhere,{BASE}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n\
         ou: elsewhere\nref: ldap://other.example/ou=x\n"
    ));
    site.retarget(json!({"people_base_dn": format!("ou=elsewhere,{BASE}")})).await;
    let done = site.put("gina", |_| {}).await;
    let (class, message) = failure(&done);
    assert_eq!(class, FailureClass::Configuration, "{message}");
    assert!(message.contains("ldap://other.example/"), "{message}");
}

#[tokio::test]
async fn previews_of_everything_leave_the_whole_directory_as_it_was() {
    let site = Site::start(json!({})).await;
    site.put("anna", |_| {}).await;
    site.host.put(group_key("staff"), group("staff")).await;
    site.host.put_membership(membership("staff", "anna")).await;
    let quietly = WriteOptions { provision: false, ..by_test() };
    let registry = &site.host.host.registry;
    let mut anna = plain_person("anna");
    anna.identifiers = uid("#anna, \"Kovács\"");
    let bert = plain_person("bert");
    registry.put(CO, person_key("anna"), Record::Person(Box::new(anna)), &quietly).await.unwrap();
    registry.put(CO, person_key("bert"), Record::Person(Box::new(bert)), &quietly).await.unwrap();
    registry.put_membership(CO, membership("staff", "bert"), &quietly).await.unwrap();
    let before = site.slapd.content("dc=example,dc=org");
    for (key, part) in [
        (person_key("anna"), "changetype: modrdn"),
        (person_key("bert"), "changetype: add"),
        (group_key("staff"), "add: member"),
    ] {
        let preview = site.host.host.pipeline.preview(CO, "t", &key).await.unwrap();
        let text: String = preview.effects.into_iter().map(|effect| effect.text).collect();
        assert!(preview.ends.is_none() && text.contains(part), "{text}");
    }
    site.host.host.pipeline.preview_preparation(CO, "t").await.unwrap();
    assert_eq!(site.slapd.content("dc=example,dc=org"), before);
}
