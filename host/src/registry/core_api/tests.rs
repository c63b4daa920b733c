use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{CoreApiDocument, CoreApiPerson, PersonId, parse_document, parse_person};
use crate::registry::record::{Credential, Extension, Record, Status};
use crate::registry::validate::validate;

fn meta(id: u64, more: Value) -> Value {
    let mut meta = json!({
        "id": id, "created": "2026-01-01 00:00:00", "modified": "2026-01-02 00:00:00", "revision": 4,
        "deleted": false, "actor_identifier": "shell", "co_person_id": null
    });
    meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    meta
}

/// A document with all that the Core API tells of a person.
fn document() -> Value {
    json!({
        "CoPerson": {"meta": meta(80, json!({})), "co_id": 36, "status": "GP",
            "date_of_birth": "1990-12-24", "timezone": "Europe/Rome"},
        "CoGroupMember": [
            {"meta": meta(127, json!({"source_org_identity_id": null})), "co_group_id": 192, "member": true,
                "owner": false, "valid_from": "2026-11-22 15:59:13", "valid_through": null,
                "co_group_nesting_id": null},
            {"meta": meta(128, json!({})), "co_group_id": 194, "member": false, "owner": true,
                "valid_from": null, "valid_through": null, "co_group_nesting_id": 5},
            {"meta": meta(129, json!({})), "co_group_id": 194, "member": true, "owner": false,
                "valid_from": null, "valid_through": "2030-01-01 00:00:00", "co_group_nesting_id": null}
        ],
        "EmailAddress": [{"meta": meta(8, json!({"source_email_address_id": 3})), "mail": "b@example.org",
            "description": "desk", "type": "personal", "verified": true}],
        "CoPersonRole": [{"meta": meta(15, json!({"sponsor_co_person_id": 81, "source_org_identity_id": 3})),
            "manager_co_person_id": 82, "cou_id": 4, "affiliation": "member", "title": "Dr", "o": "Org", "ou": "Unit",
            "valid_from": "2026-01-01 00:00:00", "valid_through": "2027-01-01 00:00:00", "ordr": 2, "status": "A",
            "Address": [{"meta": meta(1, json!({})), "street": "1 Main", "room": "7", "locality": "Town",
                "state": "S", "postal_code": "1", "country": "XX", "description": "d", "type": "home",
                "language": "en"}],
            "AdHocAttribute": [{"meta": meta(1, json!({})), "tag": "t", "value": "v"}],
            "TelephoneNumber": [{"meta": meta(1, json!({})), "country_code": "1", "area_code": "2", "number": "3",
                "extension": "4", "description": "d", "type": "mobile"}]}],
        "Identifier": [{"meta": meta(18, json!({"co_provisioning_target_id": 55})), "identifier": "bob80",
            "type": "uid", "login": true, "status": "A", "language": null}],
        "Name": [{"meta": meta(87, json!({"source_name_id": 99})), "honorific": "Dr", "given": "Bob", "middle": "M",
            "family": "T", "suffix": "Jr", "type": "preferred", "language": "en", "primary_name": true}],
        "Url": [{"meta": meta(1, json!({})), "url": "https://x.example", "description": "d", "type": "official",
            "language": "en"}],
        "OrgIdentity": [{"meta": meta(3, json!({})), "status": "S", "date_of_birth": null, "affiliation": "staff",
            "title": "t", "o": "o", "ou": "ou", "co_id": 36, "valid_from": null, "valid_through": null,
            "manager_identifier": "m", "sponsor_identifier": "s",
            "OrgIdentitySourceRecord": {"id": 2, "org_identity_source_id": 2, "sorid": "x1", "last_update": null},
            "Address": [], "AdHocAttribute": [], "Identifier": [], "TelephoneNumber": [], "Url": [],
            "EmailAddress": [{"meta": meta(3, json!({})), "mail": "b@example.org", "type": "official"}],
            "Name": [{"meta": meta(5, json!({})), "given": "Bob", "type": "official", "primary_name": true}]}],
        "CoTAndCAgreement": [{"meta": meta(2, json!({})), "co_terms_and_conditions_id": 6,
            "agreement_time": "2026-02-01 10:00:00", "identifier": "bob80"}],
        "SshKey": [{"meta": meta(1, json!({})), "ssh_key_authenticator_id": 3, "comment": "laptop",
            "type": "ssh-ed25519", "skey": "AAAA"}],
        "Password": [{"meta": meta(1, json!({})), "password_authenticator_id": 4, "password_type": "CR",
            "password": "$6$x"}],
        "Certificate": [{"meta": meta(1, json!({})), "subject_dn": "CN=Bob", "issuer_dn": "CN=CA",
            "description": "card", "valid_from": null, "valid_through": null}],
        "TotpToken": [{"meta": meta(1, json!({})), "totp_token_authenticator_id": 9, "serial": "S1"}],
        "UnixClusterAccount": [{"meta": meta(1, json!({})), "unix_cluster_id": 7, "status": "A", "username": "bob",
            "uid": "1001", "gecos": "Bob", "login_shell": "/bin/sh", "home_directory": "/home/bob",
            "primary_co_group_id": 194, "valid_from": null, "valid_through": null, "sync_mode": "F"}]
    })
}

fn parse(document: &Value) -> CoreApiPerson {
    parse_person(document.to_string().as_bytes(), &PersonId::CoPerson).unwrap()
}

fn problems(document: &Value, person_id: &PersonId) -> Vec<(String, String)> {
    let refused = parse_person(document.to_string().as_bytes(), person_id).unwrap_err();
    refused.problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn at(time: &str) -> Option<Timestamp> {
    Some(time.parse().unwrap())
}

#[test]
fn a_person_is_read_with_all_its_parts() {
    let CoreApiPerson { person, .. } = parse(&document());
    assert_eq!((person.meta.id.as_str(), person.status), ("80", Status::GracePeriod));
    assert_eq!((person.date_of_birth, &person.timezone), (Some(date(1990, 12, 24)), &text("Europe/Rome")));

    let name = &person.names[0];
    assert_eq!((&name.honorific, &name.given, &name.middle), (&text("Dr"), &text("Bob"), &text("M")));
    assert_eq!((&name.family, &name.suffix, &name.language), (&text("T"), &text("Jr"), &text("en")));
    assert_eq!((name.meta.id.as_str(), name.name_type.as_str(), name.primary), ("87", "preferred", true));

    let mail = &person.email_addresses[0];
    assert_eq!(
        (mail.mail.as_str(), &mail.description, mail.verified),
        ("b@example.org", &text("desk"), true)
    );
    assert_eq!(mail.email_type, "personal");

    let identifier = &person.identifiers[0];
    assert_eq!(
        (identifier.identifier.as_str(), identifier.login, identifier.status),
        ("bob80", true, Status::Active)
    );
    assert_eq!(identifier.provisioning_target, text("55"));
    assert_eq!((person.urls[0].url.as_str(), &person.urls[0].language), ("https://x.example", &text("en")));
    assert_eq!(
        (person.agreements[0].terms.as_str(), &person.agreements[0].identifier),
        ("6", &text("bob80"))
    );
    assert_eq!(Some(person.agreements[0].agreed), at("2026-02-01T10:00:00Z"));

    let account = &person.cluster_accounts[0];
    assert_eq!(
        (account.cluster.as_str(), account.username.as_str(), account.uid_number),
        ("7", "bob", Some(1001))
    );
    assert_eq!((&account.primary_group, &account.home_directory), (&text("194"), &text("/home/bob")));
}

#[test]
fn a_role_is_read_with_what_hangs_on_it() {
    let CoreApiPerson { person, .. } = parse(&document());
    let role = &person.roles[0];
    assert_eq!((&role.cou, &role.sponsor, &role.manager), (&text("4"), &text("81"), &text("82")));
    assert_eq!((&role.affiliation, &role.title), (&text("member"), &text("Dr")));
    assert_eq!((&role.organization, &role.department, role.rank), (&text("Org"), &text("Unit"), Some(2)));
    assert_eq!(
        (role.valid_from, role.valid_through),
        (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
    );
    let address = &role.addresses[0];
    assert_eq!(
        (&address.street, &address.room, address.address_type.as_str()),
        (&text("1 Main"), &text("7"), "home")
    );
    assert_eq!(
        (&address.locality, &address.state, &address.postal_code),
        (&text("Town"), &text("S"), &text("1"))
    );
    let number = &role.telephone_numbers[0];
    assert_eq!(
        (&number.country_code, &number.area_code, number.number.as_str()),
        (&text("1"), &text("2"), "3")
    );
    assert_eq!((&number.extension, number.telephone_type.as_str()), (&text("4"), "mobile"));
    assert_eq!(
        (role.ad_hoc_attributes[0].tag.as_str(), role.ad_hoc_attributes[0].value.as_str()),
        ("t", "v")
    );
}

#[test]
fn what_a_source_manages_is_marked_with_it() {
    let CoreApiPerson { person, .. } = parse(&document());
    let identity = &person.org_identities[0];
    assert_eq!((&identity.identity_source, &identity.source_key), (&text("2"), &text("x1")));
    assert_eq!((identity.status, &identity.manager_identifier), (Status::Suspended, &text("m")));
    assert_eq!(identity.names[0].given, text("Bob"));
    assert_eq!(person.roles[0].meta.source, text("2"));
    assert_eq!(person.email_addresses[0].meta.source, text("2"));
    assert_eq!(person.names[0].meta.source, None, "name 99 is not part of the document");
}

#[test]
fn authenticators_of_all_kinds_end_up_in_one_list() {
    let CoreApiPerson { person, .. } = parse(&document());
    let found: Vec<(&str, &str)> = person
        .authenticators
        .iter()
        .map(|found| (found.meta.id.as_str(), found.authenticator.as_str()))
        .collect();
    assert_eq!(
        found,
        [("ssh_key:1", "3"), ("password:1", "4"), ("certificate:1", "certificate"), ("totp_token:1", "9")]
    );
    assert!(matches!(&person.authenticators[0].credential,
        Credential::SshKey { key_type, key, .. } if key_type == "ssh-ed25519" && key == "AAAA"));
    assert!(matches!(&person.authenticators[1].credential,
        Credential::Password { scheme, hash } if scheme == "crypt" && hash == "$6$x"));
    assert!(matches!(&person.authenticators[2].credential,
        Credential::Certificate { subject_dn, .. } if subject_dn == "CN=Bob"));
    assert!(matches!(&person.authenticators[3].credential,
        Credential::Other { value, .. } if *value == json!({"serial": "S1"})));
}

#[test]
fn there_is_one_membership_for_each_group() {
    let memberships = parse(&document()).memberships.unwrap();
    let [first, both] = memberships.as_slice() else { panic!("{memberships:?}") };
    assert_eq!(
        (first.group.as_str(), first.person.as_str(), first.member, first.owner),
        ("192", "80", true, false)
    );
    assert_eq!(first.valid_from, at("2026-11-22T15:59:13Z"));
    assert_eq!((both.group.as_str(), both.member, both.owner), ("194", true, true));
    assert_eq!(both.valid_through, at("2030-01-01T00:00:00Z"), "the window of the member counts");
}

#[test]
fn a_document_that_does_not_speak_of_memberships_leaves_them_alone() {
    let mut document = document();
    document.as_object_mut().unwrap().remove("CoGroupMember");
    assert_eq!(parse(&document).memberships, None);
    document["CoGroupMember"] = json!([]);
    assert_eq!(parse(&document).memberships, Some(Vec::new()));
}

#[test]
fn what_has_no_field_is_kept_as_an_extension() {
    let mut document = document();
    document["CoNsfDemographic"] = json!({"gender": "F"});
    document["CoInvite"] = json!([]);
    document["Name"][0]["nickname"] = json!("Bobby");
    document["Name"][0]["pronouns"] = json!(null);
    let mut extensions = parse(&document).person.extensions;
    extensions.sort_by(|a, b| a.name.cmp(&b.name));
    let extension = |name: &str, value: Value| Extension { name: format!("core_api/{name}"), value };
    assert_eq!(
        extensions,
        [
            extension("CoGroupMember/1/co_group_nesting_id", json!(5)),
            extension("CoNsfDemographic", json!({"gender": "F"})),
            extension("Name/0/nickname", json!("Bobby")),
            extension("Name/0/source_name_id", json!("99")),
            extension("UnixClusterAccount/0/sync_mode", json!("F")),
        ]
    );
}

#[test]
fn what_was_read_can_be_stored() {
    let CoreApiPerson { person, memberships } = parse(&document());
    assert_eq!(validate(Record::Person(Box::new(person))).map(|_| ()), Ok(()));
    for membership in memberships.unwrap() {
        assert_eq!(crate::registry::validate::validate_membership(&membership), Ok(()));
    }
}

#[test]
fn the_id_of_a_person_may_be_an_identifier() {
    let by_type = |wanted: &str| PersonId::Identifier(wanted.to_owned());
    let parsed = parse_person(document().to_string().as_bytes(), &by_type("uid")).unwrap();
    assert_eq!(parsed.person.meta.id, "bob80");
    assert!(parsed.memberships.unwrap().iter().all(|membership| membership.person == "bob80"));

    assert_eq!(
        problems(&document(), &by_type("orcid")),
        [("/Identifier".to_owned(), "no active identifier of type \"orcid\" to take the id from".to_owned())]
    );
    let mut suspended = document();
    suspended["Identifier"][0]["status"] = json!("S");
    assert_eq!(problems(&suspended, &by_type("uid")).len(), 1);
    let mut nameless = document();
    nameless["CoPerson"]["meta"].as_object_mut().unwrap().remove("id");
    assert_eq!(problems(&nameless, &PersonId::CoPerson)[0].0, "/CoPerson/meta/id");
}

#[test]
fn every_status_has_its_code() {
    for (code, status) in [
        ("A", Status::Active),
        ("Y", Status::Approved),
        ("C", Status::Confirmed),
        ("X", Status::Declined),
        ("D", Status::Deleted),
        ("N", Status::Denied),
        ("D2", Status::Duplicate),
        ("XP", Status::Expired),
        ("GP", Status::GracePeriod),
        ("I", Status::Invited),
        ("LK", Status::Locked),
        ("P", Status::Pending),
        ("PA", Status::PendingApproval),
        ("PC", Status::PendingConfirmation),
        ("PV", Status::PendingVetting),
        ("S", Status::Suspended),
    ] {
        let mut document = document();
        document["CoPerson"]["status"] = json!(code);
        assert_eq!(parse(&document).person.status, status, "{code}");
    }
}

#[test]
fn times_may_carry_fractions_or_a_zone() {
    for (text, time) in [
        ("2026-11-22 15:59:15.334586", "2026-11-22T15:59:15.334586Z"),
        ("2026-11-22T15:59:15+01:00", "2026-11-22T14:59:15Z"),
        ("2026-11-22T15:59:15", "2026-11-22T15:59:15Z"),
    ] {
        let mut document = document();
        document["CoGroupMember"][0]["valid_from"] = json!(text);
        assert_eq!(parse(&document).memberships.unwrap()[0].valid_from, at(time), "{text}");
    }
}

#[test]
fn the_time_of_day_of_a_date_is_cut_off() {
    let mut document = document();
    document["CoPerson"]["date_of_birth"] = json!("1991-01-02 00:00:00");
    assert_eq!(parse(&document).person.date_of_birth, Some(date(1991, 1, 2)));
}

#[test]
fn a_list_with_holes_is_a_list() {
    let mut document = document();
    let url = document["Url"][0].clone();
    document["Url"] = json!({"0": url, "2": url});
    assert_eq!(parse(&document).person.urls.len(), 2);
}

#[test]
fn places_in_a_list_with_holes_are_those_of_the_document() {
    let mut document = document();
    document["Name"] = json!({"3": document["Name"][0], "7": {"primary_name": "maybe", "a/b~c": 1}});
    assert_eq!(
        problems(&document, &PersonId::CoPerson),
        [("/Name/7/primary_name".to_owned(), "true or false is expected".to_owned())]
    );
    document["Name"]["7"]["primary_name"] = json!(false);
    let extensions = parse(&document).person.extensions;
    assert!(extensions.iter().any(|kept| kept.name == "core_api/Name/7/a~1b~0c"), "{extensions:?}");
}

#[test]
fn rows_marked_as_deleted_are_left_out() {
    let mut document = document();
    document["Url"][0]["meta"]["deleted"] = json!(true);
    assert_eq!(parse(&document).person.urls, []);
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let mut document = document();
    document["CoPerson"]["status"] = json!("Q");
    document["CoPerson"]["date_of_birth"] = json!("yesterday");
    document["CoPersonRole"][0]["valid_from"] = json!("soon");
    document["CoPersonRole"][0]["ordr"] = json!("first");
    document["CoPersonRole"][0]["TelephoneNumber"][0]["number"] = json!(null);
    document["EmailAddress"][0]["verified"] = json!("yes");
    document["Identifier"] = json!("bob");
    document["Url"][0] = json!(7);
    document["Name"][0]["given"] = json!(["Bob"]);
    document["Password"][0]["password_type"] = json!("NO");
    let mut problems = problems(&document, &PersonId::CoPerson);
    problems.sort();
    let places: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        places,
        [
            "/CoPerson/date_of_birth",
            "/CoPerson/status",
            "/CoPersonRole/0/TelephoneNumber/0/number",
            "/CoPersonRole/0/ordr",
            "/CoPersonRole/0/valid_from",
            "/EmailAddress/0/verified",
            "/Identifier",
            "/Name/0/given",
            "/Password/0/password_type",
            "/Url/0",
        ]
    );
    let told: String = problems.into_iter().map(|(_, message)| message).collect();
    assert!(told.contains("\"Q\" is not a status code; there are A, Y, C,"), "{told}");
    assert!(told.contains("a password in clear is not stored"), "{told}");
    assert!(!told.contains("$6$x"), "{told}");
}

#[test]
fn something_else_is_not_a_person() {
    for document in [json!([]), json!({"CoGroup": {}}), json!("CoPerson")] {
        assert_eq!(problems(&document, &PersonId::CoPerson)[0].0, "");
    }
}

#[test]
fn a_department_is_read_with_all_its_parts() {
    let document = json!({
        "CoDepartment": {"meta": meta(7, json!({})), "co_id": 36, "cou_id": 4, "name": "Theory", "type": "division",
            "description": "Ideas", "introduction": null, "leadership_co_group_id": 192,
            "administrative_co_group_id": 193, "support_co_group_id": null},
        "Address": [{"meta": meta(1, json!({})), "street": "1 Main", "type": "office"}],
        "AdHocAttribute": [{"meta": meta(2, json!({})), "tag": "floor", "value": "3"}],
        "EmailAddress": [{"meta": meta(3, json!({})), "mail": "theory@example.org", "type": "official", "verified": true}],
        "Identifier": [{"meta": meta(4, json!({})), "identifier": "th", "type": "uid", "login": false, "status": "A"}],
        "TelephoneNumber": [{"meta": meta(5, json!({})), "number": "0100", "type": "office"}],
        "Url": [{"meta": meta(6, json!({})), "url": "https://example.org/theory", "type": "official"}],
    });
    let read = parse_document(document.to_string().as_bytes(), &PersonId::CoPerson).unwrap();
    let CoreApiDocument::Department(department) = read else { panic!("{read:?}") };
    assert_eq!(
        (&*department.meta.id, &*department.name, &*department.department_type),
        ("7", "Theory", "division")
    );
    assert_eq!(
        [
            &department.cou,
            &department.description,
            &department.leadership_group,
            &department.administrative_group
        ]
        .map(|text| text.as_deref().unwrap()),
        ["4", "Ideas", "192", "193"]
    );
    assert_eq!((&department.introduction, &department.support_group), (&None, &None));
    assert_eq!(department.addresses[0].street.as_deref(), Some("1 Main"));
    assert_eq!(department.ad_hoc_attributes[0].tag, "floor");
    assert!(department.email_addresses[0].verified);
    assert_eq!(department.identifiers[0].identifier, "th");
    assert_eq!(department.telephone_numbers[0].number, "0100");
    assert_eq!(department.urls[0].url, "https://example.org/theory");
    assert_eq!(department.extensions, [], "every column has a field");
    validate(Record::Department(department)).unwrap();
    assert!(parse_person(document.to_string().as_bytes(), &PersonId::CoPerson).is_err());
}
