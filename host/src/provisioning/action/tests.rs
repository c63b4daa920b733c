use super::{Action, action_for_change};
use crate::registry::record::RecordKind::{self, Department, EmailList, Group, Person, Service};
use crate::registry::record::Status::{
    self, Active, Deleted, Expired, GracePeriod, Locked, Pending, PendingApproval, Suspended,
};

#[test]
fn a_person_is_provisioned_by_the_status_before_and_after() {
    #[rustfmt::skip]
    let table: [(Option<Status>, Option<Status>, Option<Action>); 19] = [
        (None, Some(Active), Some(Action::Added)),
        (None, Some(Expired), Some(Action::Added)),
        (None, Some(Pending), None),
        (Some(Pending), Some(PendingApproval), None),
        (Some(Pending), Some(Active), Some(Action::Added)),
        (Some(Pending), Some(GracePeriod), Some(Action::Added)),
        (Some(Active), Some(Active), Some(Action::Updated)),
        (Some(Active), Some(Suspended), Some(Action::Updated)),
        (Some(Active), Some(Locked), Some(Action::Updated)),
        (Some(Active), Some(GracePeriod), Some(Action::EnteredGracePeriod)),
        (Some(GracePeriod), Some(GracePeriod), Some(Action::Updated)),
        (Some(GracePeriod), Some(Expired), Some(Action::Expired)),
        (Some(Expired), Some(Expired), Some(Action::Updated)),
        (Some(Expired), Some(Locked), Some(Action::Unexpired)),
        (Some(Expired), Some(GracePeriod), Some(Action::EnteredGracePeriod)),
        (Some(Expired), Some(Pending), Some(Action::Deleted)),
        (Some(Active), Some(Deleted), Some(Action::Deleted)),
        (Some(Active), None, Some(Action::Deleted)),
        (Some(Pending), None, None),
    ];
    for (before, after, action) in table {
        assert_eq!(
            action_for_change(Person, before, after, Action::Updated),
            action,
            "{before:?} to {after:?}"
        );
    }
}

#[test]
fn what_a_write_asks_for_gives_way_to_what_the_status_says() {
    for intent in [Action::Pipeline, Action::EnrollmentFinalized, Action::AuthenticatorUpdated] {
        for (before, after, action) in [
            (None, Some(Active), Some(Action::Added)),
            (Some(Pending), Some(Active), Some(Action::Added)),
            (Some(Active), Some(Active), Some(intent)),
            (Some(Suspended), Some(Active), Some(intent)),
            (Some(Active), Some(GracePeriod), Some(Action::EnteredGracePeriod)),
            (Some(Active), Some(Expired), Some(Action::Expired)),
            (Some(Expired), Some(Active), Some(Action::Unexpired)),
            (Some(Expired), Some(Pending), Some(Action::Deleted)),
            (Some(Pending), Some(Pending), None),
        ] {
            let told = action_for_change(Person, before, after, intent);
            assert_eq!(told, action, "{intent:?}: {before:?} to {after:?}");
        }
    }
}

#[test]
fn other_records_are_provisioned_whatever_their_status() {
    for kind in [Group, EmailList, Service, Department] {
        for (before, after, action) in [
            (None, Some(Suspended), Some(Action::Added)),
            (Some(Active), Some(Suspended), Some(Action::Updated)),
            (Some(Expired), Some(Active), Some(Action::Updated)),
            (Some(Pending), None, Some(Action::Deleted)),
            (None, None, None),
        ] {
            assert_eq!(
                action_for_change(kind, before, after, Action::Updated),
                action,
                "{kind:?}: {before:?} to {after:?}"
            );
        }
    }
}

const ACTIONS: [Action; 10] = [
    Action::Added,
    Action::Updated,
    Action::Deleted,
    Action::ReprovisionRequested,
    Action::EnrollmentFinalized,
    Action::Pipeline,
    Action::EnteredGracePeriod,
    Action::Expired,
    Action::Unexpired,
    Action::AuthenticatorUpdated,
];

#[test]
fn the_word_of_an_action_is_the_one_in_json() {
    for action in ACTIONS {
        assert_eq!(serde_json::to_value(action).unwrap(), action.word());
    }
}

#[test]
fn codes_are_those_of_the_registry() {
    let codes = |kind: RecordKind| ACTIONS.map(|action| action.code(kind));
    assert_eq!(codes(Person), ["PA", "PU", "PD", "PR", "PP", "PL", "PG", "PX", "PY", "AU"]);
    assert_eq!(codes(Group), ["GA", "GU", "GD", "GR", "GU", "GU", "GU", "GU", "GU", "GU"]);
    assert_eq!(codes(EmailList)[..4], ["LA", "LU", "LD", "LR"]);
    assert_eq!(codes(Service)[..4], ["SA", "SU", "SD", "SR"]);
    assert_eq!(codes(Department)[..4], ["DA", "DU", "DD", "DR"]);
}
