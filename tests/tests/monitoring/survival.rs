//! `kill -9` between an outcome and its way to people; and what operators and other programs see of all this.

use http::Method;
use provender_tests::guests::MISBEHAVING;
use provender_tests::process::{Program, Serving};
use provender_tests::receiver::Receiver;
use provender_tests::smtp::SmtpReceiver;
use provender_tests::waiting::eventually;

use super::*;

/// The program, with a target that fails.
fn program(smtp: &SmtpReceiver, settle_s: u64) -> Program {
    let program = Program::new(env!("CARGO_BIN_EXE_provender-under-test"));
    configure(&program, smtp, settle_s);
    program.file("misbehaving.wasm", MISBEHAVING);
    program.output(&["co", "create", CO, "--name", "Physics", "--no-automatic-groups"]);
    program.output(&["plugin", "install", "misbehaving.wasm"]);
    let steps = json!({"provision": failing("conflict", "uid is taken")}).to_string();
    program.output(&["target", "put", "t", "--co", CO, "--plugin", "misbehaving", "--config-json", &steps]);
    program.output(&["notifications", "set", "--co", CO, "--email", "team@example.org"]);
    program
}

fn configure(program: &Program, smtp: &SmtpReceiver, settle_s: u64) {
    let file = format!(
        "data_directory = \"data\"\n[sandbox]\ninstances = 8\n[syslog]\nenabled = false\n\
         [notifications]\nsettle_s = {settle_s}\nretry_s = 1\ntimeout_s = 2\n\
         [smtp]\nhost = \"localhost\"\nport = {}\nsecurity = \"none\"\nfrom = \"provender@example.org\"\n",
        smtp.port()
    );
    program.file("provender.toml", file);
}

async fn put(serving: &Serving) {
    let person = json!({"names": [{"given": "Anna", "primary": true}]}).to_string().into_bytes();
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1/cos/{CO}/people/anna");
    let answered = serving.api.send(Method::PUT, &path, &headers, person).await.unwrap();
    assert_eq!(answered.expect(201)["provisioning"][0]["outcome"]["result"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_told_when_the_host_was_killed_is_told_by_the_next_one() {
    let smtp = SmtpReceiver::start().await;
    let program = program(&smtp, 3_600);
    let serving = program.serve().await;
    put(&serving).await;
    serving.kill();
    program.output(&["check"]);
    assert!(smtp.mails().is_empty());
    configure(&program, &smtp, 0);
    let _serving = program.serve().await;
    assert!(smtp.wait_for(1).await[0].data.contains("person anna at t"));
    program.output(&["check"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_under_way_when_the_host_was_killed_is_sent_again() {
    let smtp = SmtpReceiver::start().await;
    let program = program(&smtp, 0);
    smtp.hold();
    let serving = program.serve().await;
    put(&serving).await;
    smtp.wait_for_begun(1).await;
    serving.kill();
    program.output(&["check"]);
    smtp.release();
    let _serving = program.serve().await;
    assert!(smtp.wait_for(1).await[0].data.contains("person anna at t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_and_history_are_read_and_acknowledged_by_api_and_command_line() {
    let smtp = SmtpReceiver::start().await;
    let program = program(&smtp, 0);
    let serving = program.serve().await;
    put(&serving).await;
    let cos = format!("/api/v1/cos/{CO}");
    let listed = serving.api.get(&format!("{cos}/notifications?state=open")).await.expect(200);
    let [opened] = &listed["items"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&opened["class"], &opened["count"]), (&json!("conflict"), &json!(1)));
    let id = opened["id"].as_str().unwrap();

    let text = program.output(&["notifications", "list", "--co", CO]);
    assert!(text.contains(id) && text.contains("conflict: uid is taken"), "{text}");
    let path = format!("{cos}/notifications/{id}/acknowledge");
    let known = serving.api.send(Method::POST, &path, &[], Vec::new()).await.unwrap().expect(200);
    assert_eq!((&known["state"], &known["acknowledged_by"]), (&json!("acknowledged"), &json!("local")));
    let again = program.output(&["notifications", "acknowledge", "--co", CO, id]);
    assert!(again.contains("person `anna` at `t`: acknowledged"), "{again}");
    for (state, count) in [("open", 0), ("acknowledged", 1), ("resolved", 0)] {
        let listed = serving.api.get(&format!("{cos}/notifications?state={state}")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{state}");
    }
    let unknown = format!("{cos}/notifications/{}/acknowledge", uuid::Uuid::nil());
    assert_eq!(serving.api.send(Method::POST, &unknown, &[], Vec::new()).await.unwrap().problem().0, 404);

    // Whoever asks is known by the history.
    program.run(&["provision", "--co", CO, "--target", "t", "--person", "anna"]);
    let page = serving.api.get(&format!("{cos}/people/anna/history?limit=1")).await.expect(200);
    assert_eq!((&page["items"][0]["event"], &page["items"][0]["actor"]), (&json!("failed"), &json!("cli")));
    let next = page["next"].as_str().unwrap();
    let page = serving.api.get(&format!("{cos}/people/anna/history?before={next}")).await.expect(200);
    let events: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!((events, &page["next"]), (vec!["failed", "created"], &Value::Null));
    let text = program.output(&["history", "--co", CO, "--person", "anna"]);
    assert!(text.contains("reprovision_requested (PR)") && text.contains("added (PA)"), "{text}");
    for (path, status) in [("people/nobody/history", 404), ("people/anna/history?before=x", 400)] {
        assert_eq!(serving.api.get(&format!("{cos}/{path}")).await.problem().0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_mails_delays_neither_provisioning_nor_the_webhook() {
    let (smtp, receiver) = (SmtpReceiver::start().await, Receiver::start().await);
    let program = program(&smtp, 0);
    receiver.expect_the_operator();
    program.output(&["server", "put", "hook", "--co", CO, "--http", &receiver.url(), "--private"]);
    program.file("key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n");
    let set = ["notifications", "set", "--co", CO, "--email", "team@example.org", "--webhook", "hook"];
    program.output(&[&set[..], &["--password-file", "key"]].concat());
    smtp.hold();
    let serving = program.serve().await;
    put(&serving).await;
    smtp.wait_for_begun(2).await;
    assert_eq!(receiver.wait_for(1).await[0].json()["data"]["co"], CO);
    let settings = eventually("the problem to be shown", async || {
        let settings = program.json(&["notifications", "settings", "--co", CO]);
        let email =
            settings["channels"].as_array()?.iter().find(|report| report["channel"] == "email")?.clone();
        email["problem"].is_string().then_some(settings)
    })
    .await;
    assert!(!settings.to_string().contains("MDEyMzQ1"), "{settings}");
    assert!(!serving.stderr().contains("MDEyMzQ1"));
    smtp.release();
    smtp.wait_for(1).await;
}
