use jiff::Timestamp;
use uuid::Uuid;

use super::{FailureClass, InvocationOutcome, ProvisionedService, ServiceStatus};
use crate::provisioning::Action;
use crate::registry::record::{RecordKind, SubjectKey};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).unwrap()
}

fn never() -> ProvisionedService {
    let subject = SubjectKey { kind: RecordKind::Person, id: "p1".to_owned() };
    ProvisionedService::never("directory".to_owned(), subject)
}

fn applied() -> InvocationOutcome {
    InvocationOutcome::Applied { history: Vec::new() }
}

fn failed() -> InvocationOutcome {
    InvocationOutcome::Failed {
        class: FailureClass::Transient,
        message: "no answer".to_owned(),
        location: None,
        retry_after_seconds: None,
        filter: None,
    }
}

fn after(
    service: ProvisionedService,
    second: i64,
    action: Action,
    outcome: InvocationOutcome,
) -> ProvisionedService {
    service.after(Uuid::from_u128(second.unsigned_abs().into()), action, &outcome, at(second))
}

#[test]
fn a_success_is_provisioned_and_forgets_the_failure_before_it() {
    for outcome in [applied(), InvocationOutcome::Unchanged] {
        let service = after(never(), 1, Action::Added, failed());
        let service = after(service, 2, Action::Updated, outcome);
        let expected = ProvisionedService {
            status: ServiceStatus::Provisioned,
            provisioned: Some(at(2)),
            invocation: Some(Uuid::from_u128(2)),
            ..never()
        };
        assert_eq!(service, expected);
    }
}

#[test]
fn a_failure_is_shown_beside_the_last_success() {
    let service = after(never(), 1, Action::Added, applied());
    let service = after(service, 2, Action::Updated, failed());
    let expected = ProvisionedService {
        status: ServiceStatus::Failed,
        provisioned: Some(at(1)),
        failed: Some(at(2)),
        failure_class: Some(FailureClass::Transient),
        message: Some("no answer".to_owned()),
        invocation: Some(Uuid::from_u128(2)),
        ..never()
    };
    assert_eq!(service, expected);
}

#[test]
fn a_deletion_is_removed_until_the_subject_comes_back() {
    let service = after(never(), 1, Action::Added, applied());
    let service = after(service, 2, Action::Deleted, applied());
    assert_eq!((service.status, service.removed), (ServiceStatus::Removed, Some(at(2))));
    let service = after(service, 3, Action::Added, InvocationOutcome::Unchanged);
    assert_eq!((service.status, service.provisioned), (ServiceStatus::Provisioned, Some(at(3))));
}

#[test]
fn a_deletion_that_fails_is_not_removed() {
    let service = after(never(), 1, Action::Added, applied());
    let service = after(service, 2, Action::Deleted, failed());
    assert_eq!((service.status, service.removed), (ServiceStatus::Failed, None));
}

#[test]
fn a_subject_that_is_skipped_stays_where_it_was() {
    let skipped = || InvocationOutcome::Skipped { reason: "no uid".to_owned() };
    assert_eq!(after(never(), 1, Action::Added, skipped()).status, ServiceStatus::Never);
    let service = after(never(), 1, Action::Added, failed());
    let service = after(service, 2, Action::Updated, skipped());
    assert_eq!((service.status, service.failed), (ServiceStatus::Failed, Some(at(1))));
}

#[test]
fn an_outcome_is_told_by_its_result() {
    let json = serde_json::to_value(failed()).unwrap();
    assert_eq!(json, serde_json::json!({"result": "failed", "class": "transient", "message": "no answer"}));
    assert_eq!(serde_json::from_value::<InvocationOutcome>(json).unwrap(), failed());
}
