//! Every object class with its attributes and their options, as the directory holds them in the end.

use std::collections::BTreeMap;

use provender::provisioning::InvocationOutcome;
use provender::registry::record::{
    Affiliation, Collaboration, Group, Person, Record, RecordKind, SubjectKey,
};
use provender::registry::record::{Service, TermsAndConditions};
use provender_tests::host::CO;
use provender_tests::people::{group_key, membership, person_key};
use provender_tests::slapd::BASE;
use serde_json::{Value, json};

use crate::life::{Attributes, Site, attributes, entry};

/// A person of whom everything is known that an attribute can hold.
fn anna() -> Value {
    json!({
        "status": "grace_period",
        "names": [
            {"given": "Anna", "family": "Kovács", "language": "hu", "primary": true},
            {"given": "Annie", "family": "Kovacs", "type": "preferred", "language": "en"},
            {"given": "A.", "family": "Kovacs", "type": "author"},
        ],
        "email_addresses": [
            {"mail": "anna@example.org"},
            {"mail": "anna@home.example", "type": "personal"},
        ],
        "identifiers": [
            {"identifier": "anna", "type": "uid"},
            {"identifier": "anna@example.org", "type": "eppn"},
            {"identifier": "E7", "type": "enterprise"},
            {"identifier": "https://orcid.org/0000-0002-1825-0097", "type": "orcid"},
            {"identifier": "S1", "type": "sorid"},
            {"identifier": "annie", "type": "wiki"},
            {"identifier": "gone", "type": "uid", "status": "suspended"},
        ],
        "urls": [{"url": "https://anna.example/", "description": "about her"}],
        "roles": [
            {
                "meta": {"id": "r_1"}, "rank": 1,
                "affiliation": "postdoc", "title": "Reader", "organization": "Example University",
                "department": "Physics",
                "addresses": [{
                    "street": "1 Main Street\nBuilding B", "room": "7b", "locality": "Budapest", "state": "BP",
                    "postal_code": "1111", "language": "hu",
                }],
                "telephone_numbers": [
                    {"country_code": "36", "area_code": "1", "number": "234"},
                    {"number": "55", "type": "fax"}, {"number": "77", "type": "mobile"},
                ],
            },
            {"meta": {"id": "r2"}, "rank": 2, "affiliation": "member", "title": "Guest"},
            {"meta": {"id": "r3"}, "rank": 3, "affiliation": "friend"},
        ],
        "org_identities": [{
            "email_addresses": [{"mail": "anna@home.university"}],
            "identifiers": [{"identifier": "akovacs", "type": "uid"}],
        }],
        "agreements": [{"terms": "use", "agreed": "2026-03-01T08:30:00Z"}],
        "authenticators": [
            {"authenticator": "login", "credential": {"kind": "password", "scheme": "ssha", "hash": "c3NoYQ=="}},
            {"authenticator": "login", "credential": {"kind": "password", "scheme": "argon2id", "hash": "$argon2id$x"}},
            {"authenticator": "wiki", "credential": {"kind": "password", "scheme": "crypt", "hash": "$6$salt$hash"}},
            {"authenticator": "keys", "credential":
                {"kind": "ssh_key", "key_type": "ssh-ed25519", "key": "AAAA", "comment": "laptop"}},
            {"meta": {"id": "c1"}, "authenticator": "grid", "credential":
                {"kind": "certificate", "subject_dn": "CN=Anna,O=Grid", "issuer_dn": "CN=CA,O=Grid"}},
            {"authenticator": "phone", "credential": {"kind": "other", "name": "totp_token", "value": {"serial": "T9"}}},
        ],
        "cluster_accounts": [
            {"cluster": "hpc", "username": "anna", "uid_number": 4711, "gid_number": 100,
             "home_directory": "/home/a/anna", "login_shell": "/bin/zsh", "gecos": "Anna Kovacs"},
            {"cluster": "lab", "username": "anna", "uid_number": 12, "gid_number": 13, "home_directory": "/lab/anna"},
        ],
    })
}

/// All attributes that can be left out.
fn everything() -> Value {
    let names = [
        "userPassword",
        "title",
        "ou",
        "telephoneNumber",
        "facsimileTelephoneNumber",
        "street",
        "l",
        "st",
        "postalCode",
        "displayName",
        "o",
        "labeledURI",
        "mobile",
        "employeeNumber",
        "employeeType",
        "roomNumber",
        "uid",
        "eduPersonAffiliation",
        "eduPersonScopedAffiliation",
        "eduPersonEntitlement",
        "eduPersonNickname",
        "eduPersonOrcid",
        "eduPersonPrincipalName",
        "eduPersonPrincipalNamePrior",
        "eduPersonUniqueId",
        "isMemberOf",
        "loginShell",
        "gecos",
        "voPersonAffiliation",
        "voPersonApplicationPassword",
        "voPersonApplicationUID",
        "voPersonAuthorName",
        "voPersonCertificateDN",
        "voPersonCertificateIssuerDN",
        "voPersonExternalID",
        "voPersonID",
        "voPersonPolicyAgreement",
        "voPersonSoRID",
        "voPersonStatus",
        "voPersonToken",
        "voPosixAccountLoginShell",
        "voPosixAccountGecos",
        "owner",
        "description",
        "hasMember",
        "memberUid",
    ];
    let mut all: BTreeMap<&str, Value> = names.into_iter().map(|name| (name, json!({}))).collect();
    all.insert("mail", json!({"types": []}));
    json!(all)
}

fn without_options() -> Value {
    let mut all = everything();
    let names = all.as_object_mut().unwrap();
    names.retain(|name, _| {
        !["voPersonApplicationPassword", "owner"].contains(&name.as_str()) && !name.starts_with("voPosix")
    });
    all
}

fn clusters() -> Value {
    json!({
        "hpc": {"gid_type": "hpc-gid", "group_name_type": "hpc-name"},
        "lab": {"gid_type": "lab-gid", "member_uid_type": "wiki"},
    })
}

/// Anna in a group, in a collaboration with services.
async fn populated(more: Value) -> Site {
    let site = Site::start(more).await;
    let terms = TermsAndConditions {
        id: "use".to_owned(),
        description: "Terms of use".to_owned(),
        url: Some("https://example.org/terms".to_owned()),
        ..TermsAndConditions::default()
    };
    let researcher =
        Affiliation { affiliation: "postdoc".to_owned(), edu_person_affiliation: Some("faculty".to_owned()) };
    let collaboration = Collaboration {
        id: CO.to_owned(),
        name: "Physics".to_owned(),
        terms_and_conditions: vec![terms],
        affiliations: vec![researcher],
        ..Collaboration::default()
    };
    site.host.host.registry.put_collaboration(collaboration).await.unwrap();
    let group: Group = serde_json::from_value(json!({
        "name": "Group staff", "description": "all of us",
        "identifiers": [
            {"identifier": "100", "type": "gid"}, {"identifier": "200", "type": "hpc-gid"},
            {"identifier": "hstaff", "type": "hpc-name"}, {"identifier": "300", "type": "lab-gid"},
        ],
    }))
    .unwrap();
    site.host.put(group_key("staff"), Record::Group(Box::new(group))).await;
    for (id, service) in [
        (
            "s1",
            json!({"name": "Wiki", "short_label": "wi ki", "entitlement_uri": "urn:x:wiki", "group": "staff",
            "identifier_type": "wiki", "authenticator": "wiki", "cluster": "hpc"}),
        ),
        (
            "s2",
            json!({"name": "Lab", "short_label": "lab", "entitlement_uri": "urn:x:lab", "cluster": "lab"}),
        ),
        (
            "s3",
            json!({"name": "Old", "short_label": "old", "entitlement_uri": "urn:x:old", "status": "suspended"}),
        ),
    ] {
        let service: Service = serde_json::from_value(service).unwrap();
        let key = SubjectKey { kind: RecordKind::Service, id: id.to_owned() };
        site.host.put(key, Record::Service(Box::new(service))).await;
    }
    put(&site, anna()).await;
    let mut owner = membership("staff", "anna");
    owner.owner = true;
    site.host.put_membership(owner).await;
    site
}

async fn put(site: &Site, person: Value) {
    let person: Person = serde_json::from_value(person).unwrap();
    let done = site.host.put(person_key("anna"), Record::Person(Box::new(person))).await;
    assert!(matches!(done[0].outcome, Some(InvocationOutcome::Applied { .. })), "{done:?}");
}

fn group_name() -> String {
    format!("cn=Group staff,ou=groups,{BASE}")
}

#[track_caller]
fn assert_same(found: &Attributes, expected: &Attributes) {
    let differ = |one: &Attributes, other: &Attributes| -> Attributes {
        let differing = one.iter().filter(|(name, values)| other.get(*name) != Some(values));
        differing.map(|(name, values)| (name.clone(), values.clone())).collect()
    };
    assert_eq!(differ(found, expected), differ(expected, found), "what is there, and what should be");
}

#[tokio::test]
async fn every_attribute_stands_under_the_options_of_the_reference() {
    let site = populated(json!({
        "object_classes": ["eduPerson", "eduMember", "groupOfNames", "ldapPublicKey", "posixAccount", "voPerson",
            "voPosixAccount", "voPosixGroup"],
        "attributes": everything(), "attribute_options": true, "scope": "example.org",
        "cluster": "hpc", "clusters": clusters(),
    }))
    .await;
    let there = site.content();
    assert_same(
        &there[&entry("uid=anna")],
        &attributes(&[
            (
                "objectClass",
                &[
                    "person",
                    "organizationalPerson",
                    "inetOrgPerson",
                    "eduPerson",
                    "eduMember",
                    "posixAccount",
                    "ldapPublicKey",
                    "voPerson",
                    "voPosixAccount",
                ],
            ),
            ("sn", &["Kovács"]),
            ("sn;lang-hu", &["Kovács"]),
            ("cn", &["Kovács Anna"]),
            ("cn;lang-hu", &["Kovács Anna"]),
            ("givenName", &["Anna"]),
            ("givenName;lang-hu", &["Anna"]),
            ("displayName;lang-en", &["Annie Kovacs"]),
            ("eduPersonNickname;lang-en", &["Annie Kovacs"]),
            ("voPersonAuthorName", &["A. Kovacs"]),
            ("userPassword", &["{SSHA}c3NoYQ=="]),
            ("title;role-r-1", &["Reader"]),
            ("title;role-r2", &["Guest"]),
            ("ou;role-r-1", &["Physics"]),
            ("o;role-r-1", &["Example University"]),
            ("telephoneNumber;role-r-1", &["+36 1 234"]),
            ("facsimileTelephoneNumber;role-r-1", &["55"]),
            ("mobile;role-r-1", &["77"]),
            ("street;lang-hu;role-r-1", &["1 Main Street$Building B"]),
            ("l;lang-hu;role-r-1", &["Budapest"]),
            ("st;lang-hu;role-r-1", &["BP"]),
            ("postalCode;lang-hu;role-r-1", &["1111"]),
            ("roomNumber;lang-hu;role-r-1", &["7b"]),
            ("labeledURI", &["https://anna.example/ about her"]),
            ("mail", &["anna@example.org", "anna@home.example"]),
            ("employeeNumber", &["anna@example.org"]),
            ("employeeType;role-r-1", &["postdoc"]),
            ("employeeType;role-r2", &["member"]),
            ("employeeType;role-r3", &["friend"]),
            ("uid", &["anna"]),
            ("eduPersonAffiliation;role-r-1", &["faculty"]),
            ("eduPersonAffiliation;role-r2", &["member"]),
            ("eduPersonScopedAffiliation;role-r-1", &["faculty@example.org"]),
            ("eduPersonScopedAffiliation;role-r2", &["member@example.org"]),
            ("eduPersonEntitlement", &["urn:x:wiki", "urn:x:lab"]),
            ("eduPersonOrcid", &["https://orcid.org/0000-0002-1825-0097"]),
            ("eduPersonPrincipalName", &["anna@example.org"]),
            ("eduPersonPrincipalNamePrior", &["anna@example.org"]),
            ("eduPersonUniqueId", &["E7@example.org"]),
            ("isMemberOf", &["Group staff"]),
            ("uidNumber", &["4711"]),
            ("gidNumber", &["100"]),
            ("homeDirectory", &["/home/a/anna"]),
            ("loginShell", &["/bin/zsh"]),
            ("gecos", &["Anna Kovacs"]),
            ("sshPublicKey", &["ssh-ed25519 AAAA laptop"]),
            ("voPersonAffiliation;role-r-1", &["postdoc"]),
            ("voPersonAffiliation;role-r2", &["member"]),
            ("voPersonAffiliation;role-r3", &["friend"]),
            ("voPersonApplicationPassword;app-wi-ki", &["{CRYPT}$6$salt$hash"]),
            ("voPersonApplicationUID", &["anna"]),
            ("voPersonApplicationUID;app-wi-ki", &["annie"]),
            ("voPersonCertificateDN;scope-c1", &["cn=Anna,o=Grid"]),
            ("voPersonCertificateIssuerDN;scope-c1", &["cn=CA,o=Grid"]),
            ("voPersonExternalID", &["anna@example.org"]),
            ("voPersonID", &["E7"]),
            ("voPersonPolicyAgreement;time-1772353800", &["https://example.org/terms"]),
            ("voPersonSoRID", &["S1"]),
            ("voPersonStatus", &["GracePeriod"]),
            ("voPersonStatus;role-r-1", &["Active"]),
            ("voPersonStatus;role-r2", &["Active"]),
            ("voPersonStatus;role-r3", &["Active"]),
            ("voPersonToken;type-totp", &["T9"]),
            ("voPosixAccountUidNumber;scope-wi-ki", &["4711"]),
            ("voPosixAccountUidNumber;scope-lab", &["12"]),
            ("voPosixAccountGidNumber;scope-wi-ki", &["100"]),
            ("voPosixAccountGidNumber;scope-lab", &["13"]),
            ("voPosixAccountHomeDirectory;scope-wi-ki", &["/home/a/anna"]),
            ("voPosixAccountHomeDirectory;scope-lab", &["/lab/anna"]),
            ("voPosixAccountLoginShell;scope-wi-ki", &["/bin/zsh"]),
            ("voPosixAccountGecos;scope-wi-ki", &["Anna Kovacs"]),
        ]),
    );
    let dn = entry("uid=anna");
    let staff = attributes(&[
        ("objectClass", &["groupOfNames", "eduMember", "voPosixGroup"]),
        ("cn", &["Group staff"]),
        ("cn;scope-wi-ki", &["hstaff"]),
        ("description", &["all of us"]),
        ("member", &[&dn]),
        ("owner", &[&dn]),
        ("hasMember", &["anna"]),
        ("voPosixAccountGidNumber;scope-wi-ki", &["200"]),
        ("voPosixAccountGidNumber;scope-lab", &["300"]),
        ("memberUid;scope-wi-ki", &["anna"]),
        ("memberUid;scope-lab", &["annie"]),
    ]);
    assert_same(&there[&group_name()], &staff);

    // What the directory gives back is what was written: nothing is left to do.
    for key in [person_key("anna"), group_key("staff")] {
        let again = site.host.host.pipeline.provision(CO, "t", &key).await.unwrap();
        assert_eq!(again.outcome, Some(InvocationOutcome::Unchanged), "{key:?}");
    }
    // Values under an option that is no more go with it.
    let mut changed = anna();
    changed["names"][0]["language"] = "de".into();
    changed["roles"] = json!([]);
    changed["cluster_accounts"] = json!([]);
    put(&site, changed).await;
    let there = site.content();
    let names: Vec<&String> = there[&entry("uid=anna")].keys().filter(|name| name.contains(';')).collect();
    assert_eq!(
        names,
        [
            "cn;lang-de",
            "displayName;lang-en",
            "eduPersonNickname;lang-en",
            "givenName;lang-de",
            "sn;lang-de",
            "voPersonApplicationPassword;app-wi-ki",
            "voPersonApplicationUID;app-wi-ki",
            "voPersonCertificateDN;scope-c1",
            "voPersonCertificateIssuerDN;scope-c1",
            "voPersonPolicyAgreement;time-1772353800",
            "voPersonToken;type-totp",
        ]
    );
    let classes = &there[&entry("uid=anna")]["objectClass"];
    assert!(!classes.contains("posixAccount") && !classes.contains("voPosixAccount"), "{classes:?}");
}

#[tokio::test]
async fn without_options_values_stand_side_by_side_and_accounts_are_those_of_one_cluster() {
    let mut exported = without_options();
    exported["mail"] = json!({"org_identities": true});
    exported["uid"] = json!({"org_identities": true});
    exported["displayName"] = json!({"types": ["official", "preferred"]});
    let site = populated(json!({
        "object_classes": ["eduPerson", "eduMember", "ldapPublicKey", "posixAccount", "posixGroup", "voPerson"],
        "attributes": exported, "scope": "example.org", "cluster": "hpc", "clusters": clusters(),
    }))
    .await;
    let there = site.content();
    let anna = &there[&entry("uid=anna")];
    assert!(anna.keys().all(|name| !name.contains(';')), "{anna:#?}");
    let expected = attributes(&[
        ("title", &["Reader", "Guest"]),
        ("employeeType", &["postdoc", "member", "friend"]),
        ("eduPersonAffiliation", &["faculty", "member"]),
        ("displayName", &["Kovács Anna"]),
        ("street", &["1 Main Street$Building B"]),
        ("mail", &["anna@home.university"]),
        ("uid", &["anna", "akovacs"]),
        ("uidNumber", &["4711"]),
        ("voPersonApplicationUID", &["anna"]),
        ("voPersonCertificateDN", &["cn=Anna,o=Grid"]),
        ("voPersonPolicyAgreement", &["https://example.org/terms"]),
        ("voPersonStatus", &["GracePeriod"]),
        ("voPersonToken", &["T9"]),
    ]);
    let found = expected.keys().filter_map(|name| Some((name.clone(), anna.get(name)?.clone()))).collect();
    assert_same(&found, &expected);
    let staff = attributes(&[
        ("objectClass", &["posixGroup", "eduMember"]),
        ("cn", &["Group staff", "hstaff"]),
        ("description", &["all of us"]),
        ("gidNumber", &["200"]),
        ("memberUid", &["anna"]),
        ("hasMember", &["anna"]),
    ]);
    assert_same(&there[&group_name()], &staff);
    // A POSIX group may be empty.
    site.host.delete_membership("staff", "anna").await;
    assert!(!site.content()[&group_name()].contains_key("memberUid"));
    site.host.delete(&group_key("staff")).await;
    site.host.delete(&person_key("anna")).await;
    assert!(site.content().is_empty());
}

#[tokio::test]
async fn of_each_object_class_only_what_is_configured_is_written_and_the_rest_goes_or_stays() {
    let site = populated(json!({
        "object_classes": ["eduPerson", "voPerson"], "groups_base_dn": null,
        "attributes": {"eduPersonOrcid": {}, "mail": {}, "voPersonID": {}},
        "kept_by_others": ["userPassword"],
        "person_object_classes": ["labeledURIObject"],
    }))
    .await;
    let name = entry("uid=anna");
    let configured = attributes(&[
        (
            "objectClass",
            &["person", "organizationalPerson", "inetOrgPerson", "eduPerson", "voPerson", "labeledURIObject"],
        ),
        ("cn", &["Kovács Anna"]),
        ("sn", &["Kovács"]),
        ("givenName", &["Anna"]),
        ("uid", &["anna"]),
        ("mail", &["anna@example.org"]),
        ("eduPersonOrcid", &["https://orcid.org/0000-0002-1825-0097"]),
        ("voPersonID", &["E7"]),
    ]);
    assert_same(&site.content()[&name], &configured);

    // What others wrote: some of it is theirs to keep, some of it is of these object classes and was not asked for.
    let by_others = format!(
        "dn: {name}\nchangetype: modify\nadd: userPassword\nuserPassword: theirs\n-\nadd: carLicense\ncarLicense: A1\n-\n\
         add: voPersonSoRID\nvoPersonSoRID: S0\n-\nadd: title\ntitle: Boss\n"
    );
    site.slapd.change(&by_others);
    site.retarget(json!({"unconfigured_attributes": "ignore"})).await;
    let again = site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    assert_eq!(again.outcome, Some(InvocationOutcome::Unchanged));
    site.retarget(json!({"unconfigured_attributes": "remove"})).await;
    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    let mut kept = configured.clone();
    kept.extend(attributes(&[("userPassword", &["theirs"]), ("carLicense", &["A1"])]));
    assert_same(&site.content()[&name], &kept);

    // An object class that is no longer configured goes with its attributes.
    site.retarget(json!({"object_classes": ["eduPerson"], "attributes": {"eduPersonOrcid": {}}})).await;
    site.host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    let there = &site.content()[&name];
    assert!(!there.contains_key("voPersonID") && !there.contains_key("mail"), "{there:#?}");
    assert!(!there["objectClass"].contains("voPerson"));
}

#[tokio::test]
async fn suspended_and_expired_people_are_locked_out_by_the_password_policy() {
    let policy = "\ndn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config\nobjectClass: olcOverlayConfig\n\
                  objectClass: olcPPolicyConfig\nolcOverlay: ppolicy\n\
                  olcPPolicyDefault: cn=policy,dc=example,dc=org\n";
    let site = Site::start_with(
        json!({"object_classes": [], "attributes": {"uid": {}, "userPassword": {}, "pwdAccountLockedTime": {}}}),
        policy,
    )
    .await;
    site.slapd.change(
        "dn: cn=policy,dc=example,dc=org\nchangetype: add\nobjectClass: applicationProcess\nobjectClass: pwdPolicy\n\
         pwdAttribute: userPassword\npwdLockout: TRUE\n",
    );
    // Of "secret", with the salt "salt".
    let hash = "gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0";
    for (status, may_bind) in [("active", true), ("suspended", false), ("active", true), ("expired", false)] {
        let password = json!({"kind": "password", "scheme": "ssha", "hash": hash});
        let person = json!({
            "status": status, "names": [{"given": "Anna"}],
            "identifiers": [{"identifier": "anna", "type": "uid"}],
            "authenticators": [{"authenticator": "login", "credential": password}],
        });
        put(&site, person).await;
        assert_eq!(site.slapd.may_bind(&entry("uid=anna"), "secret"), may_bind, "{status}");
    }
}
