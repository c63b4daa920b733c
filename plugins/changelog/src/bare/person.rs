//! The document of a person.

use provender_sdk::records::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, Credential, EmailAddress, Membership,
    Name, OrgIdentity, Person, Role, Status, TelephoneNumber, Url,
};
use serde_json::{Map, Value, json};

use super::group::summary;
use super::{identifiers, optional_timestamp, row, timestamp};

pub(super) fn document(person: &Person, include_authenticators: bool) -> Value {
    let id = person.metadata.id.as_str();
    if !is_provisionable(&person.status) {
        return json!({ "CoPerson": { "id": id, "co_id": person.co.id, "status": person.status.code() } });
    }
    let mut document = json!({
        "CoPerson": row(
            &person.metadata,
            json!({
                "co_id": person.co.id,
                "status": person.status.code(),
                "date_of_birth": person.date_of_birth,
                "timezone": person.timezone,
            }),
        ),
        "Co": {
            "id": person.co.id,
            "name": person.co.name,
            "description": person.co.description,
            "status": "A",
        },
        "Name": rows(&person.names, |part| name(part, id)),
        "EmailAddress": rows(&person.email_addresses, |part| email_address(part, id)),
        "Identifier": identifiers(&person.identifiers, "co_person_id", id),
        "Url": rows(&person.urls, |part| url(part, id)),
        "CoPersonRole": rows(&person.roles, |part| role(part, id)),
        "CoGroupMember": rows(&person.memberships, |part| membership(part, person)),
        "CoOrgIdentityLink": rows(&person.org_identities, |part| org_identity_link(part, person)),
        "CoTAndCAgreement": rows(&person.agreements, |part| agreement(part, id)),
        "UnixClusterAccount": rows(&person.cluster_accounts, |part| cluster_account(part, id)),
    });
    if let Value::Object(document) = &mut document {
        if let Some(primary) = person.primary_name() {
            document.insert("PrimaryName".to_owned(), name(primary, id));
        }
        document.extend(authenticators(&person.authenticators, id, include_authenticators));
    }
    document
}

/// Whether the registry sends more than a skeleton of people with this status.
fn is_provisionable(status: &Status) -> bool {
    matches!(
        status,
        Status::Active | Status::Expired | Status::GracePeriod | Status::Locked | Status::Suspended
    )
}

fn rows<T>(parts: &[T], row: impl Fn(&T) -> Value) -> Vec<Value> {
    parts.iter().map(row).collect()
}

fn name(name: &Name, person: &str) -> Value {
    row(
        &name.metadata,
        json!({
            "honorific": name.honorific,
            "given": name.given,
            "middle": name.middle,
            "family": name.family,
            "suffix": name.suffix,
            "type": name.name_type,
            "language": name.language,
            "primary_name": name.primary,
            "co_person_id": person,
        }),
    )
}

fn email_address(email: &EmailAddress, person: &str) -> Value {
    row(
        &email.metadata,
        json!({
            "mail": email.mail,
            "description": email.description,
            "type": email.email_type,
            "verified": email.verified,
            "co_person_id": person,
        }),
    )
}

fn url(url: &Url, person: &str) -> Value {
    row(
        &url.metadata,
        json!({
            "url": url.url,
            "description": url.description,
            "type": url.url_type,
            "language": url.language,
            "co_person_id": person,
        }),
    )
}

fn role(role: &Role, person: &str) -> Value {
    let id = role.metadata.id.as_str();
    row(
        &role.metadata,
        json!({
            "co_person_id": person,
            "sponsor_co_person_id": role.sponsor,
            "manager_co_person_id": role.manager,
            "cou_id": role.cou.as_ref().map(|cou| &cou.id),
            "affiliation": role.affiliation,
            "title": role.title,
            "o": role.organization,
            "ou": role.department,
            "valid_from": optional_timestamp(&role.valid_from),
            "valid_through": optional_timestamp(&role.valid_through),
            "ordr": role.rank,
            "status": role.status.code(),
            // The registry writes an empty list where there is no unit.
            "Cou": role.cou.as_ref().map_or(json!([]), |cou| json!({ "id": cou.id, "name": cou.name })),
            "Address": rows(&role.addresses, |part| address(part, id)),
            "TelephoneNumber": rows(&role.telephone_numbers, |part| telephone_number(part, id)),
            "AdHocAttribute": rows(&role.ad_hoc_attributes, |part| ad_hoc_attribute(part, id)),
        }),
    )
}

fn address(address: &Address, role: &str) -> Value {
    row(
        &address.metadata,
        json!({
            "street": address.street,
            "room": address.room,
            "locality": address.locality,
            "state": address.state,
            "postal_code": address.postal_code,
            "country": address.country,
            "description": address.description,
            "type": address.address_type,
            "language": address.language,
            "co_person_role_id": role,
        }),
    )
}

fn telephone_number(number: &TelephoneNumber, role: &str) -> Value {
    row(
        &number.metadata,
        json!({
            "country_code": number.country_code,
            "area_code": number.area_code,
            "number": number.number,
            "extension": number.extension,
            "description": number.description,
            "type": number.telephone_type,
            "co_person_role_id": role,
        }),
    )
}

fn ad_hoc_attribute(attribute: &AdHocAttribute, role: &str) -> Value {
    row(
        &attribute.metadata,
        json!({ "tag": attribute.tag, "value": attribute.value, "co_person_role_id": role }),
    )
}

fn membership(membership: &Membership, person: &Person) -> Value {
    row(
        &membership.metadata,
        json!({
            "co_group_id": membership.group.metadata.id,
            "co_person_id": person.metadata.id,
            "member": membership.member,
            "owner": membership.owner,
            "valid_from": optional_timestamp(&membership.valid_from),
            "valid_through": optional_timestamp(&membership.valid_through),
            "CoGroup": summary(&membership.group, &person.co.id),
        }),
    )
}

fn org_identity_link(identity: &OrgIdentity, person: &Person) -> Value {
    let id = identity.metadata.id.as_str();
    let mut columns = json!({
        "co_id": person.co.id,
        "status": identity.status.code(),
        "date_of_birth": identity.date_of_birth,
        "affiliation": identity.affiliation,
        "title": identity.title,
        "o": identity.organization,
        "ou": identity.department,
        "manager_identifier": identity.manager_identifier,
        "sponsor_identifier": identity.sponsor_identifier,
        "valid_from": optional_timestamp(&identity.valid_from),
        "valid_through": optional_timestamp(&identity.valid_through),
        "Identifier": identifiers(&identity.identifiers, "org_identity_id", id),
    });
    if let (Some(source), Some(columns)) = (&identity.identity_source, columns.as_object_mut()) {
        let record =
            json!({ "org_identity_source_id": source, "sorid": identity.source_key, "org_identity_id": id });
        columns.insert("OrgIdentitySourceRecord".to_owned(), record);
    }
    json!({
        "co_person_id": person.metadata.id,
        "org_identity_id": id,
        "OrgIdentity": row(&identity.metadata, columns),
    })
}

fn agreement(agreement: &Agreement, person: &str) -> Value {
    row(
        &agreement.metadata,
        json!({
            "co_person_id": person,
            "agreement_time": timestamp(&agreement.agreed),
            "identifier": agreement.identifier,
            "CoTermsAndConditions": { "description": agreement.terms, "url": agreement.url },
        }),
    )
}

fn cluster_account(account: &ClusterAccount, person: &str) -> Value {
    row(
        &account.metadata,
        json!({
            "co_person_id": person,
            "status": account.status.code(),
            "username": account.username,
            "uid": account.uid_number,
            "gecos": account.gecos,
            "login_shell": account.login_shell,
            "home_directory": account.home_directory,
            "primary_co_group_id": account.primary_group,
            "valid_from": optional_timestamp(&account.valid_from),
            "valid_through": optional_timestamp(&account.valid_through),
            "UnixCluster": { "description": account.cluster },
        }),
    )
}

/// Authenticators by the table that holds them. What the registry has no table for is written only when secrets are.
fn authenticators(authenticators: &[Authenticator], person: &str, with_secrets: bool) -> Map<String, Value> {
    let mut tables = Map::new();
    for table in ["Certificate", "Password", "SshKey"] {
        tables.insert(table.to_owned(), json!([]));
    }
    for authenticator in authenticators {
        let (table, columns) = match &authenticator.credential {
            Credential::SshKey(key) => (
                "SshKey",
                json!({ "co_person_id": person, "type": key.key_type, "skey": key.key, "comment": key.comment }),
            ),
            Credential::Password(password) => {
                let mut columns =
                    json!({ "co_person_id": person, "password_type": password_type(&password.scheme) });
                if let (true, Some(columns)) = (with_secrets, columns.as_object_mut()) {
                    columns.insert("password".to_owned(), json!(password.hash));
                }
                ("Password", columns)
            }
            Credential::Certificate(certificate) => (
                "Certificate",
                json!({
                    "co_person_id": person,
                    "description": certificate.description,
                    "subject_dn": certificate.subject_dn,
                    "issuer_dn": certificate.issuer_dn,
                    "valid_from": optional_timestamp(&certificate.valid_from),
                    "valid_through": optional_timestamp(&certificate.valid_through),
                }),
            ),
            Credential::Other(_) if !with_secrets => continue,
            Credential::Other(extension) => {
                (extension.name.as_str(), json!({ "co_person_id": person, "value": extension.json }))
            }
        };
        let rows = tables.entry(table).or_insert_with(|| json!([]));
        if let Value::Array(rows) = rows {
            rows.push(row(&authenticator.metadata, columns));
        }
    }
    tables
}

/// The registry's code of a hash scheme: CR for crypt, SH for salted SHA-1.
fn password_type(scheme: &str) -> &str {
    match scheme {
        "crypt" => "CR",
        "ssha" => "SH",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{
        Collaboration, CollaborationUnit, EmailListReference, EmailListUse, Extension, GroupSummary,
        Identifier, Metadata, PasswordHash, SshKey,
    };

    use super::*;

    fn part(id: &str) -> Metadata {
        Metadata {
            id: id.to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            modified: "2026-02-01T00:00:00Z".to_owned(),
            revision: 2,
            source: None,
        }
    }

    fn person() -> Person {
        Person {
            metadata: part("80"),
            co: Collaboration { id: "36".to_owned(), name: "Physics".to_owned(), description: None },
            names: vec![Name {
                metadata: part("87"),
                given: Some("Bob".to_owned()),
                primary: true,
                ..Name::default()
            }],
            ..Person::default()
        }
    }

    #[test]
    fn a_person_has_the_tables_and_columns_of_the_registry() {
        let document = document(&person(), false);
        assert_eq!(
            document["CoPerson"],
            json!({
                "id": "80", "co_id": "36", "status": "A", "date_of_birth": null, "timezone": null,
                "created": "2026-01-01 00:00:00", "modified": "2026-02-01 00:00:00", "revision": 2, "deleted": false,
            })
        );
        assert_eq!(document["PrimaryName"], document["Name"][0]);
        assert_eq!(document["PrimaryName"]["primary_name"], true);
        assert_eq!(document["Co"]["name"], "Physics");
    }

    #[test]
    fn lists_are_always_arrays() {
        let document = document(&person(), false);
        for table in [
            "Certificate",
            "CoGroupMember",
            "CoOrgIdentityLink",
            "CoPersonRole",
            "CoTAndCAgreement",
            "EmailAddress",
            "Identifier",
            "Password",
            "SshKey",
            "UnixClusterAccount",
            "Url",
        ] {
            assert_eq!(document[table], json!([]), "{table}");
        }
    }

    #[test]
    fn a_person_who_is_not_provisionable_is_a_skeleton() {
        let person = Person { status: Status::PendingApproval, ..person() };
        assert_eq!(
            document(&person, true),
            json!({ "CoPerson": { "id": "80", "co_id": "36", "status": "PA" } })
        );
    }

    #[test]
    fn a_role_carries_its_unit_or_an_empty_list() {
        let unit = CollaborationUnit { id: "7".to_owned(), name: "Optics".to_owned(), path: vec![] };
        let roles = vec![
            Role { metadata: part("15"), status: Status::GracePeriod, ..Role::default() },
            Role { cou: Some(unit), rank: Some(0), addresses: vec![Address::default()], ..Role::default() },
        ];
        let document = document(&Person { roles, ..person() }, false);
        let roles = &document["CoPersonRole"];
        assert_eq!(
            (&roles[0]["Cou"], &roles[0]["cou_id"], &roles[0]["status"]),
            (&json!([]), &json!(null), &json!("GP"))
        );
        assert_eq!(roles[1]["Cou"], json!({ "id": "7", "name": "Optics" }));
        assert_eq!((&roles[1]["cou_id"], &roles[1]["ordr"]), (&json!("7"), &json!(0)));
        assert_eq!(roles[1]["Address"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_membership_carries_its_group_with_the_lists_it_serves() {
        let group = GroupSummary {
            metadata: part("194"),
            name: "g1".to_owned(),
            email_lists: vec![EmailListReference {
                id: "4".to_owned(),
                name: "l1".to_owned(),
                use_: EmailListUse::Members,
            }],
            identifiers: vec![Identifier { identifier: "100".to_owned(), ..Identifier::default() }],
            ..GroupSummary::default()
        };
        let memberships =
            vec![Membership { metadata: part("129"), group, member: true, ..Membership::default() }];
        let document = document(&Person { memberships, ..person() }, false);
        let membership = &document["CoGroupMember"][0];
        assert_eq!((&membership["co_group_id"], &membership["co_person_id"]), (&json!("194"), &json!("80")));
        let group = &membership["CoGroup"];
        assert_eq!((&group["group_type"], &group["co_id"]), (&json!("S"), &json!("36")));
        assert_eq!(group["EmailListMember"], json!([{ "id": "4", "name": "l1" }]));
        assert_eq!(group["EmailListAdmin"], json!([]));
        assert_eq!(group["Identifier"][0]["co_group_id"], "194");
    }

    #[test]
    fn an_org_identity_stands_in_its_link() {
        let org_identities = vec![OrgIdentity {
            metadata: part("3"),
            identity_source: Some("hr".to_owned()),
            source_key: Some("x1".to_owned()),
            ..OrgIdentity::default()
        }];
        let document = document(&Person { org_identities, ..person() }, false);
        let link = &document["CoOrgIdentityLink"][0];
        assert_eq!((&link["co_person_id"], &link["org_identity_id"]), (&json!("80"), &json!("3")));
        assert_eq!(link["OrgIdentity"]["OrgIdentitySourceRecord"]["sorid"], "x1");
    }

    #[test]
    fn secrets_are_left_out_unless_asked_for() {
        let authenticator =
            |credential| Authenticator { metadata: part("1"), authenticator: "main".to_owned(), credential };
        let authenticators = vec![
            authenticator(Credential::Password(PasswordHash {
                scheme: "ssha".to_owned(),
                hash: "s3cret".to_owned(),
            })),
            authenticator(Credential::SshKey(SshKey { key: "AAAA".to_owned(), ..SshKey::default() })),
            authenticator(Credential::Other(Extension {
                name: "TotpToken".to_owned(),
                json: "\"s3cret\"".to_owned(),
            })),
        ];
        let person = Person { authenticators, ..person() };

        let without = document(&person, false);
        assert!(!without.to_string().contains("s3cret"));
        assert_eq!(without["Password"][0]["password_type"], "SH");
        assert_eq!(without["SshKey"][0]["skey"], "AAAA");

        let with = document(&person, true);
        assert_eq!(with["Password"][0]["password"], "s3cret");
        assert_eq!(with["TotpToken"][0]["value"], "\"s3cret\"");
    }
}
