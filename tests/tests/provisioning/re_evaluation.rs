//! What a change of a target's settings would mean for the records.

use super::*;

#[tokio::test]
async fn records_that_would_be_added_updated_and_removed_are_counted_and_nothing_is_sent() {
    let host = TestHost::start().await;
    host.misbehaving_filter("f", json!({"do": "mark", "name": "m"})).await;
    let target = async |settings: Value| {
        host.misbehaving_target_with("t", json!([{"do": "report"}]), settings).await;
    };
    target(json!({"filters": ["f"]})).await;
    host.put(group_key("staff"), group("staff")).await;
    for id in ["anna", "bela", "gone"] {
        host.put(person_key(id), person(id)).await;
    }
    host.put_membership(membership("staff", "anna")).await;
    host.delete(&person_key("gone")).await;
    let before = host.invocations("t").await.len();
    let evaluated = async || {
        let found = host.host.pipeline.re_evaluate(CO, "t").await.unwrap();
        (found.examined, found.added, found.updated, found.unchanged, found.removed, found.left_out)
    };
    assert_eq!(evaluated().await, (4, 0, 0, 3, 0, 1), "nothing changed");

    target(json!({"filters": ["f"], "provisioning_group": "staff"})).await;
    assert_eq!(evaluated().await, (4, 0, 0, 2, 1, 1), "bela is not in the group");

    target(json!({})).await;
    assert_eq!(evaluated().await, (4, 0, 3, 0, 0, 1), "the filter marked all");

    host.misbehaving_target("t2", json!([])).await;
    let found = host.host.pipeline.re_evaluate(CO, "t2").await.unwrap();
    assert_eq!((found.added, found.left_out), (3, 1), "a new target has nothing");

    host.misbehaving_filter("f", json!({"do": "fail", "message": "why"})).await;
    target(json!({"filters": ["f"]})).await;
    let found = host.host.pipeline.re_evaluate(CO, "t").await.unwrap();
    assert_eq!((found.failed, found.failures.len(), found.left_out), (3, 3, 1));
    assert_eq!(found.failures[0].message, "why");
    assert_eq!(host.invocations("t").await.len(), before, "nothing was run");
}

#[tokio::test]
async fn a_write_of_a_target_or_filter_tells_whether_looking_is_advisable() {
    let host = TestHost::start().await;
    let plugin = host.install(provender_tests::guests::MISBEHAVING).await.digest;
    let put = async |settings: Value| {
        let mut input = json!({"plugin": plugin});
        input.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let input = serde_json::from_value(input).unwrap();
        host.host.administration.put_target(CO, "t", input).await.unwrap().0.re_evaluation_advisable
    };
    assert!(!put(json!({})).await, "there is no record");
    host.put(group_key("staff"), group("staff")).await;
    host.misbehaving_filter("f", json!({"do": "mark", "name": "m"})).await;
    assert!(!put(json!({"description": "words", "order": 7})).await);
    for settings in [
        json!({"provisioning_group": "staff"}),
        json!({"skip_source": "hr"}),
        json!({"filters": ["f"]}),
        json!({"filters": ["f"], "mode": "manual"}),
        json!({"configuration": {"provision": []}}),
    ] {
        assert!(put(settings.clone()).await, "{settings}");
        assert!(!put(settings.clone()).await, "the same again: {settings}");
    }
}
