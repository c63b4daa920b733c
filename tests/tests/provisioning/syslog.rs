//! What the operator is told.

use std::os::unix::net::UnixDatagram;

use super::*;

#[tokio::test]
async fn a_failed_automatic_provisioning_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("log");
    let received = UnixDatagram::bind(&socket).unwrap();
    received.set_nonblocking(true).unwrap();
    let host = TestHost::start_with(|configuration| {
        configuration.syslog.enabled = true;
        configuration.syslog.socket = socket;
    })
    .await;
    host.misbehaving_target("t", json!([{"do": "fail", "failure": "conflict", "message": "uid is taken"}]))
        .await;
    host.put(person_key("anna"), person("anna")).await;
    // Nobody needs to be told what the one who asked is answered.
    host.host.pipeline.provision(CO, "t", &person_key("anna")).await.unwrap();
    host.misbehaving_target("t", json!([])).await;
    host.put(person_key("anna"), named("anna", "Anne")).await;
    host.host.stop().await;
    // The last one to go waits until everything is sent.
    drop(host);
    let mut lines = Vec::new();
    let mut line = [0; 4096];
    while let Ok(length) = received.recv(&mut line) {
        lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
    }
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert!(line.starts_with("<27>"), "facility daemon, severity err: {line}");
    assert!(
        line.ends_with("provisioning of person anna to target t of physics failed (conflict): uid is taken"),
        "{line}"
    );
}
