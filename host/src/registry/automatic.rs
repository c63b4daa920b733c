//! Automatic groups: which a collaboration has, and who is in them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::record::{Collaboration, Cou, Group, GroupType, Meta, Person, Status};
use super::visible::is_valid_at;

/// Longest `id` of a unit whose automatic groups have an `id` that is not too long.
pub const MAX_COU_BYTES: usize = super::validate::MAX_ID_BYTES - "CO:COU::members:active".len();

/// What the last part of the `id` of an automatic group says.
const KINDS: [(&str, GroupType); 4] = [
    ("members:all", GroupType::AllMembers),
    ("members:active", GroupType::ActiveMembers),
    ("admins", GroupType::Admins),
    ("approvers", GroupType::Approvers),
];

const ALL: &str = "members:all";
const ACTIVE: &str = "members:active";

/// The groups that the host creates for a collaboration and its units. It keeps the members of those of all and active
/// members; who administers and approves is decided by hand. Empty when the collaboration wants none.
pub fn groups(collaboration: &Collaboration) -> Vec<Group> {
    if !collaboration.automatic_groups {
        return Vec::new();
    }
    let units = collaboration.cous.iter().map(Some);
    std::iter::once(None)
        .chain(units)
        .flat_map(|unit: Option<&Cou>| {
            KINDS.map(|(kind, group_type)| Group {
                meta: Meta { id: id_of(unit.map(|unit| unit.id.as_str()), kind), ..Meta::default() },
                name: id_of(unit.map(|unit| unit.name.as_str()), kind),
                group_type,
                cou: unit.map(|unit| unit.id.clone()),
                ..Group::default()
            })
        })
        .collect()
}

/// The group of a collaboration that the host creates under an `id`; none when that is not one of them.
pub fn group(collaboration: &Collaboration, id: &str) -> Option<Group> {
    // Told by the look first: this is asked of every group that is written.
    if !id.starts_with("CO:") {
        return None;
    }
    groups(collaboration).into_iter().find(|group| group.meta.id == id)
}

/// The `id`s of the groups that the host creates for a unit. They go with it.
pub fn ids_of_unit(unit: &str) -> [String; 4] {
    KINDS.map(|(kind, _)| id_of(Some(unit), kind))
}

/// Whether a group with this `id` was created for a unit that is not there any more.
pub fn is_of_former_unit(collaboration: &Collaboration, id: &str) -> bool {
    let unit = |kind: &str| id.strip_prefix("CO:COU:")?.strip_suffix(kind)?.strip_suffix(':');
    let mut units = KINDS.iter().filter_map(|(kind, _)| unit(kind));
    collaboration.automatic_groups && units.any(|unit| !collaboration.has_unit(unit))
}

/// Whether the members of a group with this `id` are kept by the host, in a collaboration that has automatic groups.
pub fn keeps_members(collaboration: &Collaboration, id: &str) -> bool {
    let is_of = |kind: &str| {
        let Some(unit) = id.strip_prefix("CO:").and_then(|rest| rest.strip_suffix(kind)) else {
            return false;
        };
        unit.is_empty() || unit.strip_prefix("COU:").is_some_and(|unit| unit.len() > 1 && unit.ends_with(':'))
    };
    collaboration.automatic_groups && [ALL, ACTIVE].into_iter().any(is_of)
}

/// The groups whose members the host keeps that a person belongs to.
///
/// Everybody whose status is not deleted is among all members, and the active and those in a grace period are among the
/// active ones; in a unit the same goes for the roles there.
pub fn groups_of(person: &Person, collaboration: &Collaboration, now: Timestamp) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    if !collaboration.automatic_groups {
        return groups;
    }
    let mut add = |unit: Option<&str>, is_there: bool, in_force: bool| {
        if is_there {
            groups.insert(id_of(unit, ALL));
        }
        if in_force {
            groups.insert(id_of(unit, ACTIVE));
        }
    };
    add(None, person.status != Status::Deleted, person.status.is_in_force());
    for role in &person.roles {
        let known = |unit: &&str| collaboration.cous.iter().any(|cou| cou.id == **unit);
        if let Some(unit) = role.cou.as_deref().filter(known) {
            let in_force = role.status.is_in_force() && is_valid_at(role.valid_from, role.valid_through, now);
            add(Some(unit), role.status != Status::Deleted, in_force);
        }
    }
    groups
}

fn id_of(unit: Option<&str>, kind: &str) -> String {
    match unit {
        Some(unit) => format!("CO:COU:{unit}:{kind}"),
        None => format!("CO:{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::record::Role;

    fn collaboration() -> Collaboration {
        let unit = |id: &str| Cou { id: id.to_owned(), name: format!("The {id}"), parent: None };
        Collaboration {
            cous: vec![unit("lab"), unit("x:y")],
            automatic_groups: true,
            ..Collaboration::default()
        }
    }

    #[test]
    fn groups_of_a_unit_that_is_gone_are_told_from_others() {
        let collaboration = collaboration();
        for (id, former) in [
            ("CO:COU:lab:members:all", false),
            ("CO:COU:x:y:admins", false),
            ("CO:COU:old:members:active", true),
            ("CO:members:all", false),
            ("CO:COU:old:friends", false),
            ("old", false),
        ] {
            assert_eq!(is_of_former_unit(&collaboration, id), former, "{id}");
        }
        assert!(ids_of_unit("old").iter().all(|id| is_of_former_unit(&collaboration, id)));
        let by_hand = Collaboration { automatic_groups: false, ..collaboration };
        assert!(!is_of_former_unit(&by_hand, "CO:COU:old:admins"));
    }

    #[test]
    fn a_collaboration_and_each_of_its_units_have_four_groups() {
        let collaboration = collaboration();
        let groups = groups(&collaboration);
        assert_eq!(groups.len(), 12);
        let lab = group(&collaboration, "CO:COU:lab:members:active").unwrap();
        assert_eq!(
            (lab.name.as_str(), lab.group_type),
            ("CO:COU:The lab:members:active", GroupType::ActiveMembers)
        );
        assert_eq!(lab.cou.as_deref(), Some("lab"));
        for other in ["CO:COU:none:admins", "lab", "CO:", "CO:members"] {
            assert_eq!(group(&collaboration, other), None, "{other}");
        }
        let without = Collaboration { automatic_groups: false, ..collaboration };
        assert_eq!(group(&without, "CO:admins"), None);
        assert!(!keeps_members(&without, "CO:members:all"));
    }

    #[test]
    fn the_host_keeps_members_of_the_groups_of_all_and_active_members() {
        let collaboration = collaboration();
        for (id, kept) in [
            ("CO:members:all", true),
            ("CO:members:active", true),
            ("CO:COU:lab:members:all", true),
            ("CO:COU:x:y:members:active", true),
            ("CO:COU:gone:members:active", true),
            ("CO:admins", false),
            ("CO:COU:lab:approvers", false),
            ("CO:lab:members:all", false),
            ("CO:COU:members:all", false),
            ("staff", false),
        ] {
            assert_eq!(keeps_members(&collaboration, id), kept, "{id}");
        }
    }

    #[test]
    fn people_and_roles_in_force_are_among_the_active_members() {
        use Status::{Active, Deleted, Expired, GracePeriod, Pending, Suspended};
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (status, all, active) in [
            (Active, true, true),
            (GracePeriod, true, true),
            (Suspended, true, false),
            (Expired, true, false),
            (Pending, true, false),
            (Deleted, false, false),
        ] {
            let role = Role { cou: Some("lab".to_owned()), status, ..Role::default() };
            let person = Person { status, roles: vec![role], ..Person::default() };
            let groups = groups_of(&person, &collaboration(), now);
            for prefix in ["CO:", "CO:COU:lab:"] {
                assert_eq!(groups.contains(&format!("{prefix}members:all")), all, "{prefix} {status:?}");
                assert_eq!(
                    groups.contains(&format!("{prefix}members:active")),
                    active,
                    "{prefix} {status:?}"
                );
            }
        }
        let over = Role {
            cou: Some("lab".to_owned()),
            valid_through: Some(Timestamp::UNIX_EPOCH),
            ..Role::default()
        };
        let elsewhere = Role { cou: Some("none".to_owned()), ..Role::default() };
        let person = Person { roles: vec![over, elsewhere], ..Person::default() };
        let groups = groups_of(&person, &collaboration(), now);
        assert_eq!(Vec::from_iter(groups), ["CO:COU:lab:members:all", "CO:members:active", "CO:members:all"]);
    }
}
