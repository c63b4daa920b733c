//! Units and other entries of a collaboration, departments, and the end of an enrollment.

use serde_json::json;

use super::{Api, person};

#[tokio::test]
async fn units_are_read_written_and_removed_one_by_one() {
    let api = Api::start().await;
    let created = api.put("/cos/demo/cous/science", json!({"name": "Science"})).await;
    assert_eq!(created.header("location"), Some("/api/v1/cos/demo/cous/science"));
    created.with(201);
    let lab = json!({"id": "lab", "name": "Laboratory", "parent": "science"});
    assert_eq!(api.put("/cos/demo/cous/lab", lab.clone()).await.with(201), lab);
    assert_eq!(api.put("/cos/demo/cous/lab", lab.clone()).await.with(200), lab);
    assert_eq!(api.get("/cos/demo/cous/lab").await.with(200), lab);
    assert_eq!(api.get("/cos/demo/cous").await.with(200)["items"][0], lab);
    assert_eq!(api.get("/cos/demo").await.with(200)["cous"].as_array().unwrap().len(), 2);

    api.put("/cos/demo/cous/x", json!({"id": "y", "name": "X"})).await.problem(422);
    api.put("/cos/demo/cous/x", json!({"name": "X", "parent": "nowhere"})).await.problem(422);
    api.delete("/cos/demo/cous/science").await.problem(422);
    api.put("/cos/demo/groups/g", json!({"name": "G", "cou": "lab"})).await.with(201);
    let (kind, body) = api.delete("/cos/demo/cous/lab").await.problem(409);
    assert_eq!(kind, "conflict");
    assert!(body["detail"].as_str().unwrap().contains("group \"g\""), "{body}");
    let whole = json!({"name": "Demo"});
    api.put("/cos/demo", whole).await.problem(409);
    api.delete("/cos/demo/groups/g").await.with(200);
    api.delete("/cos/demo/cous/lab").await.with(204);
    api.delete("/cos/demo/cous/lab").await.problem(404);
    api.get("/cos/demo/cous/lab").await.problem(404);
}

#[tokio::test]
async fn a_reference_to_a_unit_that_is_not_there_is_refused() {
    let api = Api::start().await;
    let mut ada = person("Ada");
    ada["roles"] = json!([{"cou": "lab"}]);
    let (_, body) = api.put("/cos/demo/people/ada", ada.clone()).await.problem(422);
    assert_eq!(body["errors"][0]["pointer"], "/roles/0/cou");
    api.put("/cos/demo/cous/lab", json!({"name": "Laboratory"})).await.with(201);
    api.put("/cos/demo/people/ada", ada).await.with(201);
}

#[tokio::test]
async fn a_provisioning_group_is_suspended_by_who_says_so_and_not_deleted() {
    let (api, _) = Api::with_target().await;
    api.put("/cos/demo/groups/staff", json!({"name": "Staff"})).await.with(201);
    let mut target = api.get("/cos/demo/targets/log").await.with(200);
    target["provisioning_group"] = json!("staff");
    api.put("/cos/demo/targets/log", target).await.with(200);
    for path in ["/cos/demo/groups/staff", "/cos/demo/groups/staff?deprovision=true"] {
        let (_, body) = api.delete(path).await.problem(409);
        assert!(body["detail"].as_str().unwrap().contains("target \"log\" (people there: 0)"), "{body}");
    }
    let suspended = json!({"status": "suspended"});
    let (_, body) = api.patch("/cos/demo/groups/staff", suspended.clone()).await.problem(409);
    assert!(body["detail"].as_str().unwrap().contains("deprovision=true"), "{body}");
    api.patch("/cos/demo/groups/staff?deprovision=true", suspended).await.with(200);
}

#[tokio::test]
async fn sources_and_terms_stay_as_long_as_somebody_names_them() {
    let api = Api::start().await;
    api.put("/cos/demo/org-identity-sources/hr", json!({"description": "Payroll"})).await.with(201);
    let terms = json!({"description": "Terms of use", "url": "https://example.org/terms"});
    api.put("/cos/demo/terms-and-conditions/use", terms).await.with(201);
    api.put("/cos/demo/terms-and-conditions/bad", json!({"description": "x", "url": "x"})).await.problem(422);
    let mut ada = person("Ada");
    ada["org_identities"] = json!([{"identity_source": "hr"}]);
    ada["agreements"] = json!([{"terms": "use", "agreed": "2026-01-01T00:00:00Z"}]);
    api.put("/cos/demo/people/ada", ada).await.with(201);
    for path in ["/cos/demo/org-identity-sources/hr", "/cos/demo/terms-and-conditions/use"] {
        api.delete(path).await.problem(409);
        api.get(path).await.with(200);
    }
    api.delete("/cos/demo/people/ada").await.with(200);
    for path in ["/cos/demo/org-identity-sources/hr", "/cos/demo/terms-and-conditions/use"] {
        api.delete(path).await.with(204);
    }
}

#[tokio::test]
async fn a_department_is_a_record_like_the_others() {
    let (api, file) = Api::with_target().await;
    let department = json!({"name": "Theory", "type": "division",
        "email_addresses": [{"mail": "theory@example.org", "type": "official"}]});
    let created = api.put("/cos/demo/departments/theory", department).await.with(201);
    let provisioning = &created["provisioning"][0];
    assert_eq!(
        (&provisioning["action"], &provisioning["code"], &provisioning["outcome"]["result"]),
        (&json!("added"), &json!("DA"), &json!("applied")),
        "{provisioning}"
    );
    let line = super::provisioning::lines(&file).pop().unwrap();
    assert!(line.to_string().contains("theory@example.org"), "{line}");
    let patched = api.patch("/cos/demo/departments/theory", json!({"description": "Ideas"})).await.with(200);
    assert_eq!(patched["provisioning"][0]["code"], "DU");
    assert_eq!(api.get("/cos/demo/departments").await.with(200)["items"][0]["description"], "Ideas");
    let services = api.get("/cos/demo/departments/theory/provisioned-services").await.with(200);
    assert_eq!(services["items"][0]["status"], "provisioned");
    let removed = api.delete("/cos/demo/departments/theory").await.with(200);
    assert_eq!(removed["provisioning"][0]["code"], "DD");
}

#[tokio::test]
async fn the_end_of_an_enrollment_is_told_once_to_the_person_and_each_group() {
    let (api, _) = Api::with_target().await;
    api.put("/cos/demo/people/ada", person("Ada")).await.with(201);
    for group in ["g", "h"] {
        api.put(&format!("/cos/demo/groups/{group}"), json!({"name": group})).await.with(201);
        api.put(&format!("/cos/demo/groups/{group}/members/ada"), json!({})).await.with(201);
    }
    let finalized = api.call("POST", "/cos/demo/people/ada/enrollment-finalized").send().await.with(200);
    let told: Vec<_> = finalized["provisioning"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| [&one["subject"]["id"], &one["action"], &one["code"], &one["outcome"]["result"]])
        .collect();
    let row = |id: &str, code: &str| [id, "enrollment_finalized", code, "applied"].map(|word| json!(word));
    let expected = [row("ada", "PP"), row("g", "GU"), row("h", "GU")];
    assert_eq!(told, expected.iter().map(|row| row.each_ref()).collect::<Vec<_>>());
    assert_eq!(finalized["change"], json!(null));
    api.call("POST", "/cos/demo/people/nobody/enrollment-finalized").send().await.problem(404);
}

#[tokio::test]
async fn the_last_write_of_a_pipeline_is_told_as_such() {
    let (api, _) = Api::with_target().await;
    api.put("/cos/demo/people/ada?provision=false", person("Ada")).await.with(201);
    let last = api.put("/cos/demo/people/ada?pipeline=true", person("Ada")).await.with(200);
    assert_eq!(last["change"], json!(null), "nothing changed");
    let provisioning = &last["provisioning"][0];
    assert_eq!((&provisioning["action"], &provisioning["code"]), (&json!("pipeline"), &json!("PL")));
    let id = provisioning["invocation"].as_str().unwrap();
    assert_eq!(api.get(&format!("/cos/demo/invocations/{id}")).await.with(200)["code"], "PL");
    assert_eq!(api.get("/cos/demo/invocations").await.with(200)["items"][0]["code"], "PL");
}
