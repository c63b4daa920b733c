//! The visible record: what provisioning may see of a record now.
//!
//! Rules of COmanage Registry 4.6 (ProvisionerBehavior), with what its guide says where the two differ: an inactive
//! person has no roles.

use jiff::Timestamp;

use super::record::{EmailList, Group, GroupType, Identifier, Membership, Person, Status};

/// A person as provisioning sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisiblePerson {
    /// Without the parts that are not in force.
    pub person: Person,
    /// Those in force, by ascending group id.
    pub memberships: Vec<VisibleMembership>,
}

/// A membership with its group.
#[derive(Clone, Debug, PartialEq)]
pub struct VisibleMembership {
    /// As stored; whether the person is a member or only an owner is told by its flags.
    pub membership: Membership,
    /// As stored.
    pub group: Group,
    /// What the group serves; empty for somebody who only owns it.
    pub email_lists: Vec<EmailListReference>,
}

/// A group as provisioning sees it, whatever its status.
#[derive(Clone, Debug, PartialEq)]
pub struct VisibleGroup {
    /// As stored.
    pub group: Group,
    /// What the group serves.
    pub email_lists: Vec<EmailListReference>,
    /// The membership that the provisioning of the group follows from.
    pub cause: Option<MembershipCause>,
}

/// The one membership on whose account a group is provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipCause {
    /// `id` of the person.
    pub person: String,
    /// The membership as it is now, whatever its dates; none when there is none any more.
    pub member: Option<GroupMember>,
}

/// A member or owner as seen from a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMember {
    /// As stored.
    pub membership: Membership,
    /// Status of the person.
    pub person_status: Status,
    /// Active identifiers of the person.
    pub identifiers: Vec<Identifier>,
}

/// An email list that a group serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailListReference {
    /// `id` of the list.
    pub id: String,
    /// Name of the list.
    pub name: String,
    /// What the members of the group are to the list.
    pub list_use: EmailListUse,
}

/// In what role a group serves an email list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailListUse {
    /// Its members administer the list.
    Admins,
    /// Its members receive what is sent to the list.
    Members,
    /// Its members moderate the list.
    Moderators,
}

/// What provisioning sees of a person.
///
/// `memberships` are all of the person's with their groups, `email_lists` at least those that the groups serve. A person
/// whose status is not provisionable is a skeleton: metadata and status.
pub fn visible_person(
    person: Person,
    memberships: Vec<(Membership, Group)>,
    email_lists: &[EmailList],
    now: Timestamp,
) -> VisiblePerson {
    if !person.status.is_provisionable() {
        let skeleton = Person { meta: person.meta, status: person.status, ..Person::default() };
        return VisiblePerson { person: skeleton, memberships: Vec::new() };
    }
    let in_force = person.status.is_in_force();
    let mut memberships: Vec<VisibleMembership> = memberships
        .into_iter()
        .filter(|(membership, group)| membership_is_visible(in_force, membership, group, now))
        .map(|(membership, group)| {
            let email_lists =
                if membership.member { email_lists_of(&group.meta.id, email_lists) } else { Vec::new() };
            VisibleMembership { membership, group, email_lists }
        })
        .collect();
    memberships.sort_by(|a, b| a.group.meta.id.cmp(&b.group.meta.id));
    VisiblePerson { person: visible_parts(person, in_force, now), memberships }
}

/// What provisioning sees of a group. `email_lists` are at least those that it serves.
pub fn visible_group(
    group: Group,
    email_lists: &[EmailList],
    cause: Option<MembershipCause>,
) -> VisibleGroup {
    VisibleGroup { email_lists: email_lists_of(&group.meta.id, email_lists), group, cause }
}

/// What a group shows of a member; identifiers of one type only, if it is given.
pub fn group_member(membership: Membership, person: &Person, identifier_type: Option<&str>) -> GroupMember {
    let identifiers = person
        .identifiers
        .iter()
        .filter(|identifier| identifier.status == Status::Active)
        .filter(|identifier| identifier_type.is_none_or(|wanted| identifier.identifier_type == wanted))
        .cloned()
        .collect();
    GroupMember { membership, person_status: person.status, identifiers }
}

/// Whether a validity window is open: from an instant after `valid_from` up to and including `valid_through`.
pub fn is_valid_at(valid_from: Option<Timestamp>, valid_through: Option<Timestamp>, now: Timestamp) -> bool {
    valid_from.is_none_or(|from| from < now) && valid_through.is_none_or(|through| through >= now)
}

fn visible_parts(mut person: Person, in_force: bool, now: Timestamp) -> Person {
    person.identifiers.retain(|identifier| identifier.status == Status::Active);
    person.roles.retain(|role| {
        in_force && role.status.is_in_force() && is_valid_at(role.valid_from, role.valid_through, now)
    });
    person.roles.sort_by_key(|role| (role.rank.is_none(), role.rank));
    person.org_identities.retain(|identity| is_valid_at(identity.valid_from, identity.valid_through, now));
    person
        .authenticators
        .retain(|authenticator| authenticator.status == Status::Active && !authenticator.locked);
    person.cluster_accounts.retain(|account| {
        account.status.is_in_force() && is_valid_at(account.valid_from, account.valid_through, now)
    });
    person
}

/// A group of all members keeps everybody, so that a record can be maintained for people who are not active.
fn membership_is_visible(in_force: bool, membership: &Membership, group: &Group, now: Timestamp) -> bool {
    group.group_type == GroupType::AllMembers
        || in_force
            && group.status == Status::Active
            && is_valid_at(membership.valid_from, membership.valid_through, now)
}

fn email_lists_of(group: &str, email_lists: &[EmailList]) -> Vec<EmailListReference> {
    let mut references = Vec::new();
    for list in email_lists {
        for (served_by, list_use) in [
            (&list.admins_group, EmailListUse::Admins),
            (&list.members_group, EmailListUse::Members),
            (&list.moderators_group, EmailListUse::Moderators),
        ] {
            if served_by.as_deref() == Some(group) {
                references.push(EmailListReference {
                    id: list.meta.id.clone(),
                    name: list.name.clone(),
                    list_use,
                });
            }
        }
    }
    references
}

#[cfg(test)]
mod tests;
