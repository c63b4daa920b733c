//! Nested and automatic groups.

use serde_json::json;

use super::{Api, person};

#[tokio::test]
async fn a_group_is_nested_in_another_and_taken_out_of_it() {
    let api = Api::start().await;
    api.put("/cos/demo/people/a", person("Ada")).await.with(201);
    for group in ["s", "t", "u"] {
        api.put(&format!("/cos/demo/groups/{group}"), json!({"name": group})).await.with(201);
    }
    api.put("/cos/demo/groups/s/members/a", json!({})).await.with(201);
    let nested = api.put("/cos/demo/groups/t/nested/s", json!({})).await.with(201);
    assert_eq!(nested["record"], json!({"group": "t", "source": "s", "negate": false}));
    api.put("/cos/demo/groups/t/nested/u", json!({"negate": true})).await.with(201);
    let listed = api.get("/cos/demo/groups/t/nested").await.with(200);
    assert_eq!(listed["items"][1], json!({"group": "t", "source": "u", "negate": true}));
    let member = api.get("/cos/demo/groups/t/members/a").await.with(200);
    assert_eq!(member["nested_from"], "s");

    let (kind, refused) = api.call("DELETE", "/cos/demo/groups/t/members/a").send().await.problem(409);
    assert_eq!(kind, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("nested group \"s\""), "{refused}");
    let (_, cycle) = api.put("/cos/demo/groups/s/nested/t", json!({})).await.problem(409);
    assert!(cycle["detail"].as_str().unwrap().ends_with("which is nested in it: s in t"), "{cycle}");
    let (_, other) = api.put("/cos/demo/groups/t/nested/s", json!({"source": "x"})).await.problem(422);
    assert_eq!(other["errors"][0]["pointer"], "/source");
    api.put("/cos/demo/groups/t/nested/none", json!({})).await.problem(404);
    api.get("/cos/demo/groups/none/nested").await.problem(404);

    api.call("DELETE", "/cos/demo/groups/t/nested/s").send().await.with(200);
    api.get("/cos/demo/groups/t/members/a").await.problem(404);
    api.call("DELETE", "/cos/demo/groups/t/nested/s").send().await.problem(404);
}

#[tokio::test]
async fn a_collaboration_has_automatic_groups_unless_it_wants_none() {
    let api = Api::start().await;
    api.put("/cos/lab", json!({"name": "Lab"})).await.with(201);
    api.put("/cos/lab/people/a", person("Ada")).await.with(201);
    let members = api.get("/cos/lab/groups/CO:members:active/members").await.with(200);
    assert_eq!(members["items"][0]["person"], "a");
    let listed = api.get("/cos/demo/groups").await.with(200);
    assert_eq!(listed["items"], json!([]));
}
