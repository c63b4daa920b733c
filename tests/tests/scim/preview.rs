//! What a preview tells, and that it changes nothing.

use std::sync::Arc;

use provender::capabilities::contract::records::{Identifier, Status, Subject};
use provender::capabilities::contract::types::{Action, Context, Inspection, Invocation, Outcome};
use provender::capabilities::http::{ExpectedAnswer, RequestPattern, Slot};
use provender::capabilities::slots::Slots;
use provender::capabilities::{CallState, Grants, Surroundings, state};
use provender::sandbox::{Limits, Mode};
use provender_tests::calls::{Stored, TIME, http_server, load, person, plugin_host};
use provender_tests::host::{CO, TestHost};
use provender_tests::relay::Relay;
use provender_tests::scim::{TOKEN, tenant};
use serde_json::{Value, json};

use super::life::content;

fn anna(user_name: &str) -> Subject {
    let Subject::Person(mut person) = person("anna") else { panic!("a person") };
    person.identifiers.push(Identifier {
        metadata: person.metadata.clone(),
        identifier: user_name.to_owned(),
        identifier_type: "uid".to_owned(),
        login: false,
        status: Status::Active,
        language: None,
        provisioning_target: None,
    });
    Subject::Person(person)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_goes_through_to_its_end_and_changes_nothing() {
    let manifest = TestHost::start().await.install_bundled("scim").await;
    let plugin = load(provender_bundled_plugins::find("scim").unwrap().wasm).await.unwrap();
    let (address, path) = tenant().unwrap();
    let relay = Relay::to("http", address).await;
    let url = format!("http://{}{path}", relay.address());
    let configuration = json!({
        "base_url": url, "allow_private_addresses": true, "authentication": {"kind": "bearer"},
    });
    let server = http_server(configuration, &[("token", TOKEN)], &[]);
    let expected = manifest.expected_answers.iter().map(|expected| {
        let pattern = RequestPattern { method: expected.method.clone(), path: expected.path.clone() };
        (pattern, ExpectedAnswer { status: expected.status, body: expected.body.clone().into() })
    });
    let slot = Arc::new(Slot {
        name: "service".to_owned(),
        server,
        operations: Vec::new(),
        safe_requests: Vec::new(),
        expected_answers: expected.collect(),
    });
    let call = async |mode: Mode, id: Option<&str>, action: Action, user_name: &str| {
        let state = |mode| {
            let mut slots = Slots::default();
            slots.http.0.push(Arc::clone(&slot));
            let stored =
                id.map(|id| ("id".to_owned(), json!(id).to_string().into_bytes())).into_iter().collect();
            let state = state::Grant { reader: Some(Arc::new(Stored(stored))), subject: true };
            let surroundings =
                Surroundings { limits: Limits::default(), seed: [0; 32], time: TIME.parse().unwrap(), mode };
            CallState::new(surroundings, Grants { slots, state, ..Grants::default() })
        };
        let mut slots = Slots::default();
        slots.http.0.push(Arc::clone(&slot));
        let context = Context {
            co: CO.to_owned(),
            target: "t".to_owned(),
            target_description: String::new(),
            configuration: "{}".to_owned(),
            slots: slots.bindings(),
            time: TIME.to_owned(),
        };
        let subject = anna(user_name);
        let inspection = plugin_host().inspect(&plugin, state(Mode::Live), &context, &subject).await;
        let invocation = Invocation {
            id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
            attempt: 1,
            context,
            action,
            subject,
            extensions: Vec::new(),
        };
        let said = plugin_host().provision(&plugin, state(mode), invocation).await;
        let Ok(Ok(Outcome::Applied(applied))) = said.result else { panic!("{:?}", said.result) };
        let foreseen =
            said.transcript.effects.iter().filter(|effect| effect.foreseen && effect.capability == "http");
        let foreseen: Vec<(String, Value)> = foreseen
            .map(|effect| (effect.operation.to_string(), effect.request.value()["url"].clone()))
            .collect();
        (foreseen, applied, inspection.result.unwrap().unwrap())
    };

    let (foreseen, _, inspection) = call(Mode::Preview, None, Action::Added, "anna").await;
    assert_eq!(foreseen, [("POST".to_owned(), json!(format!("{url}/Users")))]);
    assert_eq!(inspection, Inspection::Absent);
    assert_eq!(content(address, &path), json!({"users": [], "groups": []}));

    let (_, applied, _) = call(Mode::Live, None, Action::Added, "anna").await;
    let id = applied.identifiers[0].identifier.as_str();
    let before = content(address, &path);
    assert_eq!(before["users"].as_array().unwrap().len(), 1);
    for (action, user_name, method) in
        [(Action::Updated, "anna2", "PATCH"), (Action::Deleted, "anna", "DELETE")]
    {
        let (foreseen, _, inspection) = call(Mode::Preview, Some(id), action, user_name).await;
        assert_eq!(foreseen, [(method.to_owned(), json!(format!("{url}/Users/{id}")))]);
        match method {
            "PATCH" => {
                let difference = r#"userName is "anna", should be "anna2""#.to_owned();
                assert_eq!(inspection, Inspection::Different(vec![difference]));
            }
            _ => assert_eq!(inspection, Inspection::Present),
        }
        assert_eq!(content(address, &path), before);
    }
}
