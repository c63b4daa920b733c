//! The documents of groups, email lists and services.

use provender_sdk::records::{
    CollaborationUnit, EmailList, EmailListReference, EmailListUse, Group, GroupMember, GroupSummary,
    MembershipCause, Service,
};
use serde_json::{Value, json};

use super::{identifiers, optional_timestamp, row};

pub(super) fn document(group: &Group) -> Value {
    let id = group.metadata.id.as_str();
    let mut columns = row(
        &group.metadata,
        json!({
            "co_id": group.co.id,
            "cou_id": unit_id(&group.cou),
            "name": group.name,
            "description": group.description,
            "introduction": group.introduction,
            "open": group.open,
            "status": group.status.code(),
            "group_type": group.group_type.code(),
            "auto": group.automatic,
        }),
    );
    if let (Some(cause), Value::Object(columns)) = (&group.cause, &mut columns) {
        columns.insert("CoPerson".to_owned(), causing_person(cause, &group.co.id));
        let members: Vec<Value> = cause.membership.iter().map(|member| group_member(member, id)).collect();
        columns.insert("CoGroupMember".to_owned(), json!(members));
    }
    json!({
        "CoGroup": columns,
        "Identifier": identifiers(&group.identifiers, "co_group_id", id),
    })
}

fn causing_person(cause: &MembershipCause, co: &str) -> Value {
    let mut person = json!({ "id": cause.person, "co_id": co });
    if let (Some(membership), Some(person)) = (&cause.membership, person.as_object_mut()) {
        person.insert("status".to_owned(), json!(membership.person_status.code()));
    }
    person
}

fn group_member(member: &GroupMember, group: &str) -> Value {
    row(
        &member.metadata,
        json!({
            "co_group_id": group,
            "co_person_id": member.person,
            "member": member.member,
            "owner": member.owner,
            "valid_from": optional_timestamp(&member.valid_from),
            "valid_through": optional_timestamp(&member.valid_through),
        }),
    )
}

/// A group inside a membership.
pub(super) fn summary(group: &GroupSummary, co: &str) -> Value {
    row(
        &group.metadata,
        json!({
            "co_id": co,
            "cou_id": unit_id(&group.cou),
            "name": group.name,
            "description": group.description,
            "open": group.open,
            "status": group.status.code(),
            "group_type": group.group_type.code(),
            "auto": group.automatic,
            "EmailListAdmin": lists_in(&group.email_lists, &EmailListUse::Admins),
            "EmailListMember": lists_in(&group.email_lists, &EmailListUse::Members),
            "EmailListModerator": lists_in(&group.email_lists, &EmailListUse::Moderators),
            "Identifier": identifiers(&group.identifiers, "co_group_id", &group.metadata.id),
        }),
    )
}

fn lists_in(lists: &[EmailListReference], wanted: &EmailListUse) -> Vec<Value> {
    lists
        .iter()
        .filter(|list| list.use_ == *wanted)
        .map(|list| json!({ "id": list.id, "name": list.name }))
        .collect()
}

pub(super) fn email_list(list: &EmailList) -> Value {
    row(
        &list.metadata,
        json!({
            "co_id": list.co.id,
            "name": list.name,
            "description": list.description,
            "status": list.status.code(),
            "admins_co_group_id": list.admins_group,
            "members_co_group_id": list.members_group,
            "moderators_co_group_id": list.moderators_group,
        }),
    )
}

pub(super) fn service(service: &Service) -> Value {
    row(
        &service.metadata,
        json!({
            "co_id": service.co.id,
            "cou_id": unit_id(&service.cou),
            "name": service.name,
            "description": service.description,
            "short_label": service.short_label,
            "co_group_id": service.group,
            "cluster_id": service.cluster,
            "service_url": service.service_url,
            "service_label": service.service_label,
            "contact_email": service.contact_email,
            "logo_url": service.logo_url,
            "entitlement_uri": service.entitlement_uri,
            "visibility": service.visibility.code(),
            "identifier_type": service.identifier_type,
            "authenticator_id": service.authenticator,
            "status": service.status.code(),
        }),
    )
}

fn unit_id(unit: &Option<CollaborationUnit>) -> Option<&str> {
    unit.as_ref().map(|unit| unit.id.as_str())
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{Collaboration, GroupType, Metadata, ServiceVisibility, Status, Subject};

    use super::*;
    use crate::bare;

    fn metadata(id: &str) -> Metadata {
        Metadata { id: id.to_owned(), ..Metadata::default() }
    }

    fn group() -> Group {
        Group {
            metadata: metadata("194"),
            co: Collaboration { id: "36".to_owned(), ..Collaboration::default() },
            name: "g1".to_owned(),
            status: Status::Suspended,
            group_type: GroupType::ActiveMembers,
            automatic: true,
            ..Group::default()
        }
    }

    #[test]
    fn a_group_has_its_columns_and_identifiers() {
        let document = document(&group());
        assert_eq!(document["Identifier"], json!([]));
        let columns = document["CoGroup"].as_object().unwrap();
        assert_eq!((&columns["status"], &columns["group_type"]), (&json!("S"), &json!("MA")));
        assert_eq!((&columns["auto"], &columns["open"]), (&json!(true), &json!(false)));
        assert!(!columns.contains_key("CoPerson") && !columns.contains_key("CoGroupMember"));
    }

    #[test]
    fn the_membership_that_was_the_cause_stands_in_the_group() {
        let member = GroupMember {
            metadata: metadata("129"),
            person: "80".to_owned(),
            person_status: Status::GracePeriod,
            member: true,
            ..GroupMember::default()
        };
        let cause = |membership| Some(MembershipCause { person: "80".to_owned(), membership });

        let joined = document(&Group { cause: cause(Some(member)), ..group() });
        assert_eq!(joined["CoGroup"]["CoPerson"], json!({ "id": "80", "co_id": "36", "status": "GP" }));
        assert_eq!(joined["CoGroup"]["CoGroupMember"][0]["co_group_id"], "194");

        let left = document(&Group { cause: cause(None), ..group() });
        assert_eq!(left["CoGroup"]["CoGroupMember"], json!([]));
    }

    #[test]
    fn email_lists_and_services_are_single_rows() {
        let list = EmailList {
            metadata: metadata("4"),
            members_group: Some("194".to_owned()),
            ..EmailList::default()
        };
        let document = bare::document(&Subject::EmailList(list), false);
        assert_eq!(document["CoEmailList"]["members_co_group_id"], "194");

        let service = Service { visibility: ServiceVisibility::Unauthenticated, ..Service::default() };
        let document = bare::document(&Subject::Service(service), false);
        assert_eq!(
            (&document["CoService"]["visibility"], &document["CoService"]["status"]),
            (&json!("P"), &json!("A"))
        );
    }
}
