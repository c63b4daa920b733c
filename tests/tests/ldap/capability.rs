//! The capability without wasm: what the host does for a guest, against a real directory.

use std::sync::Arc;

use provender::capabilities::contract::ldap::{
    Attribute, Entry, Error, Host, HostDirectory, HostSearch, Modification, Scope, SearchRequest,
};
use provender::capabilities::ldap::{Directory, Slot};
use provender::capabilities::{CallState, Grants, Surroundings};
use provender::sandbox::{GuestState, Limits, Mode};
use provender::servers::ldap::LdapServer;
use provender_tests::relay::{Conduct, Relay};
use provender_tests::slapd::{BASE, PASSWORD, Slapd};
use serde_json::{Value, json};
use wasmtime::component::Resource;

use crate::server;

/// A call that reaches a directory by the slot `directory`.
struct Call {
    state: CallState,
    directory: u32,
}

impl Call {
    async fn of(server: &Arc<LdapServer>, mode: Mode, operations: &[&str]) -> Self {
        let operations = operations.iter().map(|&word| word.to_owned()).collect();
        let slot = Slot { name: "directory".to_owned(), server: Some(Arc::clone(server)), operations };
        let mut grants = Grants::default();
        grants.slots.ldap.0.push(Arc::new(slot));
        let time = "2026-03-01T08:30:00Z".parse().unwrap();
        let mut state =
            CallState::new(Surroundings { limits: Limits::default(), seed: [0; 32], time, mode }, grants);
        let opened = state.open("directory".to_owned()).await.unwrap().unwrap();
        Self { directory: opened.rep(), state }
    }

    fn directory(&self) -> Resource<Directory> {
        Resource::new_borrow(self.directory)
    }

    async fn add(&mut self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<(), Error> {
        let entry = Entry { dn: dn.to_owned(), attributes: attributes.iter().map(attribute).collect() };
        self.state.add(self.directory(), entry).await.unwrap()
    }

    async fn modify(&mut self, dn: &str, modifications: Vec<Modification>) -> Result<(), Error> {
        self.state.modify(self.directory(), dn.to_owned(), modifications).await.unwrap()
    }

    async fn pages(&mut self, base: &str, filter: &str, page_size: u32) -> Result<Vec<Vec<Entry>>, Error> {
        let request = SearchRequest {
            base: base.to_owned(),
            scope: Scope::WholeSubtree,
            filter: filter.to_owned(),
            attributes: vec!["*".to_owned()],
            page_size,
        };
        let search = self.state.search(self.directory(), request).await.unwrap()?;
        let mut pages = Vec::new();
        loop {
            match self.state.next(Resource::new_borrow(search.rep())).await.unwrap()? {
                page if page.is_empty() => return Ok(pages),
                page => pages.push(page),
            }
        }
    }

    fn effects(&mut self) -> Vec<provender::sandbox::Entry> {
        self.state.guest().gate.take_transcript().effects
    }
}

fn attribute((name, values): &(&str, &[&str])) -> Attribute {
    Attribute {
        name: (*name).to_owned(),
        values: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
    }
}

const ANNA: &[(&str, &[&str])] =
    &[("objectClass", &["inetOrgPerson"]), ("cn", &["Anna"]), ("sn", &["Kovács"]), ("uid", &["anna"])];

fn below(rdn: &str) -> String {
    format!("{rdn},ou=people,{BASE}")
}

#[tokio::test]
async fn every_operation_works_and_is_recorded_readably() {
    let slapd = Slapd::start();
    let relay = Relay::to("ldap", slapd.address()).await;
    let server = server(&format!("ldap://{}", relay.address()), &json!({}), &[]);
    let mut call = Call::of(&server, Mode::Live, &[]).await;
    let dn = below(r"uid=a\,b");
    let added = [ANNA, &[("uid", &["anna", "a,b"]), ("userPassword", &["{SSHA}canary"])]].concat();
    let added: Vec<_> =
        added.into_iter().filter(|(name, values)| *name != "uid" || values.len() == 2).collect();
    call.add(&dn, &added).await.unwrap();
    let binary = Attribute { name: "jpegPhoto".to_owned(), values: vec![b"\xff\x00\xd8".to_vec()] };
    call.modify(
        &dn,
        vec![
            Modification::Add(binary.clone()),
            Modification::Replace(attribute(&("cn;lang-hu", &["Kovács Anna"]))),
            Modification::Replace(attribute(&("mail", &[]))),
        ],
    )
    .await
    .unwrap();
    let compare = |attribute: &str, value: &[u8]| (attribute.to_owned(), value.to_vec());
    for ((attribute, value), same) in
        [(compare("sn", "KOVÁCS".as_bytes()), true), (compare("uid", b"bert"), false)]
    {
        let directory = call.directory();
        assert_eq!(call.state.compare(directory, dn.clone(), attribute, value).await.unwrap().unwrap(), same);
    }
    let [page] = &call.pages(&dn, "(&(uid=a,b)(!(sn=x)))", 10).await.unwrap()[..] else { panic!("a page") };
    let photo = page[0].attributes.iter().find(|attribute| attribute.name == "jpegPhoto");
    assert_eq!(photo.map(|photo| &photo.values), Some(&binary.values));
    let renamed = ("uid=anna".to_owned(), true, Some(format!("ou=people,{BASE}")));
    let directory = call.directory();
    call.state.modify_dn(directory, dn, renamed.0, renamed.1, renamed.2).await.unwrap().unwrap();
    assert_eq!(slapd.content(&below("uid=anna"))[&below("uid=anna")]["uid"], ["anna".to_owned()].into());
    let directory = call.directory();
    call.state.delete(directory, below("uid=anna")).await.unwrap().unwrap();
    let missing = call.modify(&below("uid=anna"), Vec::new()).await;
    assert!(
        matches!(&missing, Err(Error::Answer(answer)) if answer.code == 32 && answer.name == "noSuchObject"
        || answer.code == 2),
        "{missing:?}"
    );

    let effects = call.effects();
    let operations: Vec<&str> = effects.iter().map(|entry| &*entry.operation).collect();
    assert_eq!(
        operations,
        ["add", "modify", "compare", "compare", "search", "modify-dn", "delete", "modify"]
    );
    let request = effects[0].request.value();
    assert_eq!(request["attributes"]["sn"], json!(["Kovács"]));
    assert_eq!(request["attributes"]["userPassword"], json!(["{SSHA}******"]));
    assert_eq!(
        effects[1].request.value()["modifications"][0]["add"]["jpegPhoto"][0],
        json!({"base64": "/wDY"})
    );
    let all = serde_json::to_string(&effects).unwrap();
    assert!(!all.contains("canary"), "{all}");
    assert_eq!(relay.most_open(), 1);
}

#[tokio::test]
async fn a_large_search_comes_by_pages_and_other_operations_share_its_connection() {
    let slapd = Slapd::start();
    let ldif: String = (0..45)
        .map(|number| {
            format!(
                "dn: {}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: x\nsn: x\n\n",
                below(&format!("uid=p{number}"))
            )
        })
        .collect();
    slapd.change(&ldif);
    let relay = Relay::to("ldap", slapd.address()).await;
    let server =
        server(&format!("ldap://{}", relay.address()), &json!({"pacing": {"max_connections": 1}}), &[]);
    let mut call = Call::of(&server, Mode::Live, &[]).await;
    let pages = call.pages(BASE, "(uid=p*)", 20).await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5]);

    let request = SearchRequest {
        base: BASE.to_owned(),
        scope: Scope::WholeSubtree,
        filter: "(uid=p*)".to_owned(),
        attributes: Vec::new(),
        page_size: 20,
    };
    let directory = call.directory();
    let search = call.state.search(directory, request).await.unwrap().unwrap();
    call.state.next(Resource::new_borrow(search.rep())).await.unwrap().unwrap();
    call.add(&below("uid=anna"), ANNA).await.unwrap();
    let second = call.state.next(Resource::new_borrow(search.rep())).await.unwrap().unwrap();
    assert_eq!((second.len(), second[0].attributes.len()), (20, 0));
    call.pages(BASE, "(uid=anna)", 20).await.unwrap();
    let overtaken = call.state.next(Resource::new_borrow(search.rep())).await.unwrap();
    assert!(
        matches!(&overtaken, Err(Error::Other(text)) if text.contains("another search")),
        "{overtaken:?}"
    );
    assert_eq!(relay.most_open(), 1);
}

#[tokio::test]
async fn what_is_outside_of_the_base_or_not_asked_for_is_refused_and_does_not_happen() {
    let slapd = Slapd::start();
    let server = server(&slapd.url(), &json!({"base_dns": [format!("ou=people,{BASE}")]}), &[]);
    let before = slapd.content("dc=example,dc=org");
    let outside = format!("cn=x,ou=groups,{BASE}");
    for dn in
        [&outside, &format!(r"cn=x\,ou=people,{BASE}"), &format!("cn=x,ou=people,ou=x,{BASE}"), BASE, ""]
    {
        let mut call = Call::of(&server, Mode::Live, &[]).await;
        let directory = call.directory();
        let error = call.state.delete(directory, dn.to_owned()).await.unwrap_err().to_string();
        assert!(error.contains("outside of the base DNs"), "{dn}: {error}");
    }
    let people = format!("ou=people,{BASE}");
    for (dn, rdn, superior) in [
        (people.clone(), "ou=others", None),
        (below("uid=anna"), "uid=anna", Some(format!("ou=groups,{BASE}"))),
        (outside, "uid=anna", Some(people.clone())),
    ] {
        let mut call = Call::of(&server, Mode::Live, &[]).await;
        let directory = call.directory();
        let moved = call.state.modify_dn(directory, dn.clone(), rdn.to_owned(), true, superior).await;
        assert!(moved.unwrap_err().to_string().contains("outside of the base DNs"), "{dn}");
    }
    let mut call = Call::of(&server, Mode::Live, &["search"]).await;
    let directory = call.directory();
    let error = call.state.delete(directory, below("uid=x")).await.unwrap_err().to_string();
    assert!(error.contains("asks only for search"), "{error}");
    for (dn, filter) in [("no dn", "(a=b)"), (&*people, "(a=b"), (&*people, "a=b)(c=d")] {
        let mut call = Call::of(&server, Mode::Live, &[]).await;
        assert!(matches!(call.pages(dn, filter, 10).await, Err(Error::InvalidArgument(_))), "{dn} {filter}");
    }
    assert_eq!(slapd.content("dc=example,dc=org"), before);
}

#[tokio::test]
async fn a_preview_reads_and_changes_nothing() {
    let slapd = Slapd::start();
    let server = server(&slapd.url(), &json!({}), &[]);
    let before = slapd.content("dc=example,dc=org");
    let mut call = Call::of(&server, Mode::Preview, &[]).await;
    call.add(&below("uid=anna"), ANNA).await.unwrap();
    call.modify(&below("uid=anna"), vec![Modification::Delete(attribute(&("sn", &[])))]).await.unwrap();
    let directory = call.directory();
    call.state.delete(directory, format!("ou=people,{BASE}")).await.unwrap().unwrap();
    assert_eq!(call.pages(BASE, "(ou=people)", 10).await.unwrap().len(), 1);
    let foreseen: Vec<bool> = call.effects().iter().map(|entry| entry.foreseen).collect();
    assert_eq!(foreseen, [true, true, true, false]);
    assert_eq!(slapd.content("dc=example,dc=org"), before);
}

#[tokio::test]
async fn connections_are_secured_and_bound_as_configured() {
    let slapd = Slapd::start();
    let (certificates, key) = slapd.client.clone();
    let external = json!({
        "ca_certificates": slapd.ca, "start_tls": true,
        "authentication": {"kind": "external"}, "client_certificate": {"certificates": certificates},
    });
    for (url, other) in [
        (slapd.url(), json!({"ca_certificates": slapd.ca, "start_tls": true})),
        (slapd.ldaps_url(), json!({"ca_certificates": slapd.ca})),
        (slapd.url(), external),
    ] {
        let lines = server(&url, &other, &[("client_certificate_key", &key)]).check().await.unwrap();
        assert!(lines.iter().any(|line| line.contains(BASE)), "{lines:?}");
    }
    let stranger = Slapd::start();
    for (other, secret, part) in [
        (json!({"start_tls": true, "ca_certificates": stranger.ca}), PASSWORD, "issuer"),
        (json!({}), "wrong-and-long", "invalidCredentials"),
        (json!({"base_dns": ["ou=missing,dc=example,dc=org"]}), PASSWORD, "noSuchObject"),
        (json!({"allow_private_addresses": false}), PASSWORD, "loopback"),
    ] {
        let error = server(&slapd.url(), &other, &[("password", secret)]).check().await.unwrap_err();
        assert!(error.contains(part) && !error.contains(secret), "{error}");
    }
}

#[tokio::test]
async fn faults_of_the_directory_have_their_names_and_connections_come_back() {
    let mut slapd = Slapd::start();
    let relay = Relay::to("ldap", slapd.address()).await;
    let server = server(&format!("ldap://{}", relay.address()), &json!({"request_timeout_ms": 300}), &[]);
    let added = async |uid: &str| {
        let mut call = Call::of(&server, Mode::Live, &[]).await;
        call.add(&below(&format!("uid={uid}")), ANNA).await
    };
    added("before").await.unwrap();
    relay.conduct(Conduct::CutsAnswers);
    let cut = added("cut").await;
    assert!(matches!(&cut, Err(Error::ConnectionLost(_))), "{cut:?}");
    relay.conduct(Conduct::Closed);
    let closed = added("never").await;
    assert!(matches!(&closed, Err(Error::Unavailable(_) | Error::ConnectionLost(_))), "{closed:?}");
    let backing_off = added("never").await;
    assert!(matches!(&backing_off, Err(Error::Unavailable(_) | Error::ConnectionLost(_))), "{backing_off:?}");
    relay.conduct(Conduct::Faithful);
    slapd.kill();
    slapd.resume();
    provender_tests::waiting::eventually("the directory is reached again", async || {
        added("after").await.ok()
    })
    .await;
    relay.conduct(Conduct::Silent);
    let silent = added("silent").await;
    assert!(matches!(&silent, Err(Error::ConnectionLost(text)) if text.contains("300 ms")), "{silent:?}");
    relay.conduct(Conduct::Faithful);
    let there = slapd.content(&format!("ou=people,{BASE}"));
    assert!(there.contains_key(&below("uid=cut")), "what was cut off was done");
    assert!(!there.contains_key(&below("uid=never")));
}

#[tokio::test]
async fn referrals_and_limits_of_the_directory_are_answers() {
    let slapd = Slapd::start_with("olcSizeLimit: 2\n");
    slapd.change(&format!(
        "dn: ou=elsewhere,{BASE}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n\
         ou: elsewhere\nref: ldap://other.example/ou=x\n\n"
    ));
    let server = server(&slapd.url(), &json!({}), &[]);
    let mut call = Call::of(&server, Mode::Live, &[]).await;
    let referred = call.add(&format!("uid=anna,ou=elsewhere,{BASE}"), ANNA).await;
    let Err(Error::Answer(answer)) = &referred else { panic!("{referred:?}") };
    assert_eq!((answer.code, &*answer.name), (10, "referral"));
    assert!(answer.referrals[0].starts_with("ldap://other.example/"), "{answer:?}");
    let found: Value = json!(call.pages(BASE, "(objectClass=*)", 10).await.unwrap().concat().len());
    assert_eq!(found, json!(3), "references are left out");
    let anonymous = crate::server(&slapd.url(), &json!({"authentication": {"kind": "none"}}), &[]);
    let mut call = Call::of(&anonymous, Mode::Live, &[]).await;
    assert!(matches!(call.pages(BASE, "(objectClass=*)", 10).await, Err(Error::Answer(_))));
}
