use super::Reach::{self, Authenticators, Itself, Memberships, MembershipsByStatus};
use super::{intent, reaches_memberships};
use crate::provisioning::Action;
use crate::registry::record::RecordKind::{self, Department, EmailList, Group, Person, Service};
use crate::registry::record::Status::{self, Active, Expired, GracePeriod, Locked, Pending, Suspended};

#[test]
fn memberships_are_told_of_what_their_other_side_shows() {
    type Row = (RecordKind, Option<Status>, Option<Status>, &'static [Reach], bool);
    #[rustfmt::skip]
    let table: [Row; 22] = [
        (Person, None, Some(Active), &[Memberships], false),
        (Person, Some(Active), Some(Active), &[Itself], false),
        (Person, Some(Active), Some(Active), &[Authenticators], false),
        (Person, Some(Active), Some(Active), &[Memberships], true),
        (Person, Some(Active), Some(Active), &[Itself, Memberships], true),
        (Person, Some(Pending), Some(Pending), &[Memberships], true),
        (Person, Some(Active), Some(Suspended), &[MembershipsByStatus], true),
        (Person, Some(Suspended), Some(GracePeriod), &[MembershipsByStatus], true),
        (Person, Some(Active), Some(GracePeriod), &[MembershipsByStatus], true),
        (Person, Some(Suspended), Some(Expired), &[MembershipsByStatus], false),
        (Person, Some(Locked), Some(Pending), &[MembershipsByStatus], false),
        (Person, Some(Active), None, &[], true),
        (Person, Some(Pending), None, &[], true),
        (Group, None, Some(Active), &[Memberships], false),
        (Group, Some(Active), Some(Active), &[Itself], false),
        (Group, Some(Active), Some(Active), &[Memberships], true),
        (Group, Some(Active), Some(Suspended), &[MembershipsByStatus], true),
        (Group, Some(Suspended), Some(GracePeriod), &[MembershipsByStatus], false),
        (Group, Some(Active), None, &[], true),
        (EmailList, Some(Active), None, &[], false),
        (Service, Some(Active), Some(Active), &[Itself], false),
        (Department, Some(Active), None, &[], false),
    ];
    for (kind, before, after, changed, reaches) in table {
        let told = reaches_memberships(kind, before, after, changed.iter().copied());
        assert_eq!(told, reaches, "{kind:?}: {before:?} to {after:?}, {changed:?}");
    }
}

#[test]
fn authenticators_alone_have_an_action_of_their_own() {
    for (changed, action) in [
        (&[Authenticators][..], Action::AuthenticatorUpdated),
        (&[Authenticators, Itself], Action::Updated),
        (&[Itself, Authenticators], Action::Updated),
        (&[MembershipsByStatus, Authenticators], Action::Updated),
        (&[Itself], Action::Updated),
        (&[], Action::Updated),
    ] {
        assert_eq!(intent(changed.iter().copied()), action, "{changed:?}");
    }
}
