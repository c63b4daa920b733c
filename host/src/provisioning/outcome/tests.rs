use super::{FailureClass, InvocationOutcome};

#[test]
fn an_outcome_is_told_by_its_result() {
    let failed = InvocationOutcome::Failed {
        class: FailureClass::Transient,
        message: "no answer".to_owned(),
        location: None,
        retry_after_seconds: None,
        filter: None,
    };
    let json = serde_json::to_value(&failed).unwrap();
    assert_eq!(json, serde_json::json!({"result": "failed", "class": "transient", "message": "no answer"}));
    assert_eq!(serde_json::from_value::<InvocationOutcome>(json).unwrap(), failed);
}
