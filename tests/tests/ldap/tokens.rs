//! The plugin `ldap-service-token` beside `ldap`, at the same real directory: who may bind with what.

use std::time::Duration;

use provender::provisioning::{FailureClass, Invocation, InvocationOutcome};
use provender::registry::record::{Authenticator, Credential, Person, Record, Status};
use provender::registry::write::WriteOptions;
use provender_tests::host::{CO, by_test, history};
use provender_tests::people::{person_key, plain_person};
use provender_tests::slapd::{BASE, Content};
use provender_tests::waiting::eventually;
use serde_json::{Value, json};

use crate::life::{Site, entry, failure, uid};

const TOKEN: &str = "canary-of-a-token";
const NEW_TOKEN: &str = "canary-of-another";

async fn site(scheme: &str) -> Site {
    let more = json!({
        "groups_base_dn": null, "object_classes": [], "attributes": {"uid": {}, "mail": {}},
        "kept_by_others": ["userPassword"],
    });
    let site = Site::start(more).await;
    site.host.install_bundled("ldap-service-token").await;
    configure(&site, json!({"scheme": scheme})).await;
    site
}

async fn configure(site: &Site, more: Value) {
    let mut configuration = json!({"service": "wiki", "people_base_dn": format!("ou=people,{BASE}")});
    if let (Some(fields), Some(more)) = (configuration.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    let target = json!({
        "plugin": "ldap-service-token", "configuration": configuration, "slots": {"directory": "directory"},
        "mode": "queue_on_error", "retry_interval_s": 900, "max_retry": 3,
    });
    site.host.target("tokens", target).await;
}

fn token(service: &str, token: &str) -> Authenticator {
    let value = json!({"service": service, "token": token});
    Authenticator {
        meta: Default::default(),
        authenticator: "tokens".to_owned(),
        status: Status::Active,
        locked: false,
        credential: Credential::Other { name: "service_token".to_owned(), value },
    }
}

fn anna(tokens: Vec<Authenticator>) -> Person {
    Person { authenticators: tokens, ..plain_person("anna") }
}

/// What became of the person at the target of tokens.
async fn put(site: &Site, person: Person) -> Invocation {
    let done = site.host.put(person_key("anna"), Record::Person(Box::new(person))).await;
    done.into_iter().find(|done| done.target == "tokens").expect("an invocation of the target")
}

async fn again(site: &Site) -> Option<InvocationOutcome> {
    site.host.host.pipeline.provision(CO, "tokens", &person_key("anna")).await.unwrap().outcome
}

#[tokio::test]
async fn a_life_of_tokens_lets_in_just_who_has_one() {
    let site = site("CRYPT").await;
    site.host.host.pipeline.check_target(CO, "tokens").await.unwrap();
    let may_bind = |rdn: &str, token: &str| site.slapd.may_bind(&entry(rdn), token);
    let without = put(&site, anna(vec![token("lab", "of-another-service")])).await;
    assert!(matches!(without.outcome, Some(InvocationOutcome::Skipped { .. })), "{without:?}");
    assert!(!may_bind("uid=anna", "of-another-service"));

    // Every scheme, and nothing is written twice.
    let written = put(&site, anna(vec![token("lab", "x"), token("wiki", TOKEN)])).await;
    assert_eq!(history(&written), [format!("wrote the token for wiki to {}", entry("uid=anna"))]);
    for scheme in ["CRYPT", "SSHA512", "SSHA256", "SSHA"] {
        configure(&site, json!({"scheme": scheme})).await;
        again(&site).await;
        let before = site.content();
        let value = before[&entry("uid=anna")]["userPassword"].first().unwrap();
        assert!(value.starts_with(&format!("{{{scheme}}}")) && !value.contains("canary"), "{value}");
        assert!(may_bind("uid=anna", TOKEN) && !may_bind("uid=anna", NEW_TOKEN), "{scheme}");
        assert_eq!(again(&site).await, Some(InvocationOutcome::Unchanged));
        assert_eq!(site.content(), before);
    }

    // Another token, another name, other attributes.
    put(&site, anna(vec![token("wiki", NEW_TOKEN)])).await;
    assert!(may_bind("uid=anna", NEW_TOKEN) && !may_bind("uid=anna", TOKEN));
    let mut renamed = anna(vec![token("wiki", NEW_TOKEN)]);
    renamed.identifiers = uid("a*na (née B)");
    renamed.email_addresses.clear();
    assert_eq!(put(&site, renamed.clone()).await.outcome, Some(InvocationOutcome::Unchanged));
    assert!(may_bind("uid=a*na (née B)", NEW_TOKEN));

    // Locked people keep theirs, suspended ones too; an entry that is made again gets it again.
    for status in [Status::Locked, Status::Suspended, Status::GracePeriod, Status::Active] {
        put(&site, Person { status, ..renamed.clone() }).await;
        assert!(may_bind("uid=a*na (née B)", NEW_TOKEN), "{status:?}");
    }
    site.slapd.change(&format!(
        "dn: {}\nchangetype: delete\n",
        "uid=a*na (n\\C3\\A9e B),ou=people,".to_owned() + BASE
    ));
    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    assert!(!may_bind("uid=a*na (née B)", NEW_TOKEN));
    again(&site).await;
    assert!(may_bind("uid=a*na (née B)", NEW_TOKEN));

    // Without a token, with one again, and gone.
    put(&site, Person { authenticators: Vec::new(), ..renamed.clone() }).await;
    assert!(!site.content().values().any(|attributes| attributes.contains_key("userPassword")));
    put(&site, renamed).await;
    assert!(may_bind("uid=a*na (née B)", NEW_TOKEN));
    site.host.delete(&person_key("anna")).await;
    assert_eq!(site.content(), Content::new());

    for target in ["t", "tokens"] {
        for done in site.host.invocations(target).await {
            let transcript = site.host.transcript(&done).await.to_string();
            let told = format!("{transcript} {done:?}");
            assert!(!told.contains(TOKEN) && !told.contains(NEW_TOKEN), "{told}");
        }
    }
}

#[tokio::test]
async fn a_token_waits_for_the_entry_and_its_preview_shows_no_more_than_the_scheme() {
    let site = site("SSHA512").await;
    let quietly = WriteOptions { provision: false, ..by_test() };
    let person = Record::Person(Box::new(anna(vec![token("wiki", TOKEN)])));
    site.host.host.registry.put(CO, person_key("anna"), person, &quietly).await.unwrap();
    let early = site.host.host.pipeline.provision(CO, "tokens", &person_key("anna")).await.unwrap();
    let (class, message) = failure(&early);
    assert_eq!(class, FailureClass::Transient, "{message}");
    assert!(message.contains("must come before this one"), "{message}");
    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();

    let before = site.slapd.content("dc=example,dc=org");
    let preview = site.host.host.pipeline.preview(CO, "tokens", &person_key("anna")).await.unwrap();
    let text: String = preview.effects.iter().map(|effect| effect.text.as_str()).collect();
    assert!(text.contains("replace: userPassword\nuserPassword: {SSHA512}***"), "{text}");
    let everything = serde_json::to_string(&preview).unwrap();
    assert!(!everything.contains("canary"), "{everything}");
    assert_eq!(site.slapd.content("dc=example,dc=org"), before);

    // The queue tries again by itself.
    let person = Record::Person(Box::new(anna(vec![token("wiki", NEW_TOKEN)])));
    site.relay.conduct(provender_tests::relay::Conduct::Closed);
    site.host.put(person_key("anna"), person).await;
    site.relay.conduct(provender_tests::relay::Conduct::Faithful);
    eventually("the token is written", async || {
        site.host.host.clock().advance(Duration::from_secs(900));
        site.host.host.jobs.run_due(None, None).await.unwrap();
        site.slapd.may_bind(&entry("uid=anna"), NEW_TOKEN).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_written_is_told_without_the_token() {
    let site = site("SSHA").await;
    let mut broken = token("wiki", TOKEN);
    broken.credential =
        Credential::Other { name: "service_token".to_owned(), value: json!({"token": TOKEN, "service": 7}) };
    let done = put(&site, anna(vec![broken])).await;
    let (class, message) = failure(&done);
    assert_eq!(class, FailureClass::InvalidData, "{message}");
    assert!(!message.contains("canary"), "{message}");

    // Two entries that could be hers.
    let second = format!(
        "dn: cn=anna,ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: anna\nsn: x\nuid: anna\n"
    );
    site.slapd.change(&second);
    let done = put(&site, anna(vec![token("wiki", TOKEN)])).await;
    assert_eq!(failure(&done).0, FailureClass::Conflict);
    assert!(!site.content().values().any(|attributes| attributes.contains_key("userPassword")));

    for (more, part) in [
        (json!({"people_base_dn": format!("ou=nowhere,{BASE}")}), "is not there"),
        (json!({"people_base_dn": "dc=elsewhere"}), "outside of the base DNs"),
        (json!({"search_attribute": "u*id"}), "no valid name"),
    ] {
        configure(&site, more).await;
        let error = site.host.host.pipeline.check_target(CO, "tokens").await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let cleartext = json!({
        "plugin": "ldap-service-token", "slots": {"directory": "directory"},
        "configuration": {"service": "wiki", "people_base_dn": BASE, "scheme": "CLEARTEXT"},
    });
    assert!(site.host.try_target("tokens", cleartext).await.is_err(), "no token in clear");
}
