//! Records, memberships and their history.

use serde_json::{Value, json};

use super::{Api, person};
use crate::api::Exposure;

#[tokio::test]
async fn a_person_is_created_read_replaced_and_removed() {
    let api = Api::start().await;
    let path = "/cos/demo/people/ada";
    let created = api.put(path, person("Ada")).await;
    assert_eq!(created.header("location"), Some("/api/v1/cos/demo/people/ada"));
    let created = created.with(201);
    assert_eq!(created["record"]["names"][0]["given"], "Ada");
    assert_eq!(created["record"]["meta"]["id"], "ada");
    assert_eq!(created["provisioning"], json!([]));
    let first = created["change"].as_i64().unwrap();

    let read = api.get(path).await;
    assert_eq!(read.header("etag"), Some("\"0\""));
    let read = read.with(200);
    assert_eq!(read, created["record"]);

    let same = api.put(path, read).await.with(200);
    assert_eq!(same["change"], Value::Null, "nothing changed");
    let replaced = api.put(path, person("Augusta")).await;
    assert_eq!((replaced.header("etag"), replaced.header("location")), (Some("\"1\""), None));
    assert!(replaced.with(200)["change"].as_i64().unwrap() > first);

    let removed = api.delete(path).await.with(200);
    assert_eq!((&removed["record"], &removed["provisioning"]), (&Value::Null, &json!([])));
    for method in ["GET", "DELETE"] {
        let (kind, problem) = api.call(method, path).send().await.problem(404);
        assert_eq!(kind, "not-found");
        assert!(problem["detail"].as_str().unwrap().contains("ada"), "{problem}");
    }
    api.patch(path, json!({})).await.with(404);
}

#[tokio::test]
async fn every_kind_of_record_has_the_same_requests() {
    let api = Api::start().await;
    for (collection, document) in [
        ("people", person("Ada")),
        ("groups", json!({"name": "Staff"})),
        ("email-lists", json!({"name": "all"})),
        ("services", json!({"name": "Wiki"})),
    ] {
        let path = format!("/cos/demo/{collection}/one");
        api.put(&path, document).await.with(201);
        api.patch(&path, json!({"status": "suspended"})).await.with(200);
        assert_eq!(api.get(&path).await.with(200)["status"], "suspended");
        assert_eq!(
            api.get(&format!("/cos/demo/{collection}")).await.with(200)["items"][0]["meta"]["id"],
            "one"
        );
        assert_eq!(api.get(&format!("{path}/provisioned-services")).await.with(200)["items"], json!([]));
        api.delete(&path).await.with(200);
        assert_eq!(api.get(&format!("/cos/demo/{collection}")).await.with(200)["items"], json!([]));
    }
}

#[tokio::test]
async fn a_merge_patch_replaces_lists_and_removes_by_null() {
    let api = Api::start().await;
    let path = "/cos/demo/people/ada";
    let mut document = person("Ada");
    document["timezone"] = "Europe/London".into();
    document["email_addresses"] =
        json!([{"mail": "a@example.org"}, {"mail": "b@example.org", "type": "home"}]);
    api.put(path, document).await.with(201);
    let patch = json!({"timezone": null, "email_addresses": [{"mail": "c@example.org"}]});
    let patched = api
        .call("PATCH", path)
        .bytes("application/merge-patch+json; charset=utf-8", patch.to_string().into_bytes())
        .send()
        .await
        .with(200);
    let record = &patched["record"];
    assert_eq!(record["email_addresses"].as_array().unwrap().len(), 1);
    assert_eq!(record["email_addresses"][0]["mail"], "c@example.org");
    assert_eq!((record.get("timezone"), &record["names"][0]["given"]), (None, &json!("Ada")));

    let (kind, problem) = api.patch(path, json!({"email_addresses": [{"mail": 7}]})).await.problem(422);
    assert_eq!(
        (kind.as_str(), &problem["errors"][0]["pointer"]),
        ("invalid-record", &json!("/email_addresses/0/mail"))
    );
    api.patch(path, json!([])).await.with(422);
}

#[tokio::test]
async fn a_write_that_is_based_on_an_older_state_is_refused() {
    let api = Api::start().await;
    let path = "/cos/demo/people/ada";
    api.put(path, person("Ada")).await.with(201);
    let send = |method: &'static str, tag: &'static str, body: Value| {
        api.call(method, path).header("if-match", tag).json(&body).send()
    };
    send("PUT", "\"0\"", person("Augusta")).await.with(200);
    for (method, body) in
        [("PUT", person("Byron")), ("PATCH", json!({"timezone": "UTC"})), ("DELETE", json!({}))]
    {
        let (kind, problem) = send(method, "\"0\"", body).await.problem(412);
        assert_eq!(kind, "precondition-failed");
        assert!(problem["detail"].as_str().unwrap().contains("revision 1"), "{problem}");
    }
    send("PATCH", "\"0\", \"1\"", json!({"timezone": "UTC"})).await.with(200);
    send("PUT", "soon", person("Ada")).await.with(400);
    send("DELETE", "*", json!({})).await.with(200);
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_changes_nothing_and_says_where() {
    let api = Api::start().await;
    let path = "/cos/demo/people/ada";
    for (body, pointer) in [
        (json!({"names": [{"given": "A"}, {"given": "B"}]}), "/names"),
        (
            json!({"names": [{"given": "A"}], "email_addresses": [{"mail": "no address"}]}),
            "/email_addresses/0/mail",
        ),
        (json!({"names": [{"given": "A"}], "shoe_size": 43}), ""),
        (json!({"names": [{"given": "A", "nick": "B"}]}), "/names/0"),
        (json!({"names": [{"given": 1}]}), "/names/0/given"),
        (json!("Ada"), ""),
    ] {
        let (kind, problem) = api.put(path, body.clone()).await.problem(422);
        assert_eq!(kind, "invalid-record", "{body}");
        let pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert!(pointers.iter().any(|given| given.starts_with(pointer)), "{body}: {pointers:?}");
    }
    api.call("PUT", path).bytes("application/json", b"{\"names\": [".to_vec()).send().await.with(422);
    api.put("/cos/demo/people/a%20b", person("Ada")).await.with(422);
    api.get(path).await.with(404);
    assert_eq!(api.get("/cos/demo/changes").await.with(200)["items"], json!([]));
}

#[tokio::test]
async fn a_body_is_json_and_of_a_bounded_size() {
    let api = Api::start_on(Exposure::Loopback, |configuration| configuration.api.body_bytes = 100).await;
    let path = "/cos/demo/people/ada";
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let body = person("Ada").to_string().into_bytes();
        api.call("PUT", path).bytes(content_type, body).send().await.with(415);
    }
    let (kind, problem) = api.put(path, person(&"A".repeat(100))).await.problem(413);
    assert_eq!(kind, "too-large");
    assert!(problem["detail"].as_str().unwrap().contains("at most 100 bytes"), "{problem}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_or_panics_ends_as_a_problem() {
    let api =
        Api::start_on(Exposure::Loopback, |configuration| configuration.api.request_timeout_ms = 0).await;
    // Now and then an answer is there before even the shortest time is over.
    let mut answer = api.get("/cos").await;
    for _ in 0..1_000 {
        if answer.status.as_u16() != 200 {
            break;
        }
        answer = api.get("/cos").await;
    }
    let (kind, problem) = answer.problem(503);
    assert_eq!(kind, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("api.request_timeout_ms"), "{problem}");

    let panicked = crate::api::panicked(Box::new("secret of the inside"));
    assert_eq!(panicked.status(), 500);
    let body = axum::body::to_bytes(panicked.into_body(), 10_000).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let api = Api::start().await;
    for id in ["a", "b", "c"] {
        api.put(&format!("/cos/demo/people/{id}"), person(id)).await.with(201);
    }
    let first = api.get("/cos/demo/people?limit=2").await.with(200);
    assert_eq!((first["items"].as_array().unwrap().len(), &first["next"]), (2, &json!("b")));
    let second = api.get("/cos/demo/people?limit=2&after=b").await.with(200);
    assert_eq!((&second["items"][0]["meta"]["id"], &second["next"]), (&json!("c"), &Value::Null));
    api.get("/cos/demo/people?limit=0").await.with(400);
    api.get("/cos/demo/people?limit=many").await.with(400);
}

#[tokio::test]
async fn the_history_is_read_from_any_point() {
    let api = Api::start().await;
    api.put("/cos/demo/people/a", person("Ada")).await.with(201);
    api.put("/cos/demo/people/a?provision=false", person("Augusta")).await.with(200);
    api.delete("/cos/demo/people/a").await.with(200);
    let all = api.get("/cos/demo/changes").await.with(200);
    let items = all["items"].as_array().unwrap();
    let words: Vec<_> = items.iter().map(|change| change["operation"].as_str().unwrap()).collect();
    assert_eq!(words, ["created", "updated", "deleted"]);
    let provision: Vec<_> = items.iter().map(|change| change["provision"].as_bool().unwrap()).collect();
    assert_eq!(provision, [true, false, true]);
    assert_eq!(items[1]["parts"], json!(["names"]));
    let after = items[1]["sequence"].as_i64().unwrap();
    let rest = api.get(&format!("/cos/demo/changes?after={after}")).await.with(200);
    assert_eq!(rest["items"], json!([items[2]]));
    let page = api.get("/cos/demo/changes?limit=1").await.with(200);
    assert_eq!(page["next"], items[0]["sequence"].to_string());
}

#[tokio::test]
async fn people_join_and_leave_groups() {
    let api = Api::start().await;
    let path = "/cos/demo/groups/staff/members/ada";
    api.put("/cos/demo/groups/staff", json!({"name": "Staff"})).await.with(201);
    api.put(path, json!({})).await.with(404);
    api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    let joined = api.put(path, json!({})).await;
    assert_eq!(joined.header("location"), Some("/api/v1/cos/demo/groups/staff/members/ada"));
    let joined = joined.with(201);
    assert_eq!((&joined["record"]["member"], &joined["record"]["person"]), (&json!(true), &json!("ada")));
    assert!(joined["change"].is_i64());

    api.put(path, json!({"member": true, "owner": true, "group": "staff"})).await.with(200);
    assert_eq!(api.get(path).await.with(200)["owner"], true);
    assert_eq!(api.get("/cos/demo/groups/staff/members").await.with(200)["items"][0]["person"], "ada");

    let (_, problem) = api.put(path, json!({"person": "bob"})).await.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/person");
    api.put(path, json!({"member": false})).await.with(422);

    api.delete(path).await.with(200);
    api.get(path).await.with(404);
    assert_eq!(api.get("/cos/demo/groups/staff/members").await.with(200)["items"], json!([]));
    api.get("/cos/demo/groups/missing/members").await.with(404);
}

#[tokio::test]
async fn collaborations_are_created_once_and_replaced() {
    let api = Api::start().await;
    let lab = json!({"id": "lab", "name": "Lab", "cous": [{"id": "a", "name": "A"}]});
    let created = api.call("POST", "/cos").json(&lab).send().await;
    assert_eq!(created.header("location"), Some("/api/v1/cos/lab"));
    assert_eq!(created.with(201)["cous"][0]["id"], "a");
    let (kind, _) = api.call("POST", "/cos").json(&lab).send().await.problem(409);
    assert_eq!(kind, "conflict");
    assert_eq!(api.put("/cos/lab", json!({"name": "Laboratory"})).await.with(200)["name"], "Laboratory");
    api.put("/cos/new", json!({"name": "New"})).await.with(201);
    let (_, problem) = api.put("/cos/lab", json!({"id": "other", "name": "x"})).await.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/id");
    api.put("/cos/lab", json!({"name": "x", "size": 7})).await.with(422);
    assert_eq!(api.get("/cos").await.with(200)["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let api = Api::start().await;
    api.get("/nothing").await.with(404);
    let refused = api.call("DELETE", "/cos").send().await;
    assert!(refused.header("allow").unwrap().contains("GET"));
    refused.with(405);
    api.get("/cos/demo/invocations/17").await.with(400);
    let description = api.get("/openapi.json").await.with(200);
    assert_eq!(description["openapi"], "3.1.0");
}
