//! The effect gate against real counterparts: what is granted happens, all else does not, and both are recorded.

mod http {
    use std::sync::Arc;

    use provender::sandbox::Access;
    use provender::servers::http::HttpServer;
    use provender_tests::calls::{TestCall, history, local_server};
    use provender_tests::receiver::{Answer, Receiver};
    use serde_json::{Value, json};

    fn call(step: Value) -> TestCall {
        let mut step = step;
        step["do"] = "request".into();
        TestCall::of(json!([step]))
    }

    fn below(receiver: &Receiver, path: &str) -> Arc<HttpServer> {
        local_server(&format!("{}{path}", receiver.url()))
    }

    #[tokio::test]
    async fn a_request_to_a_bound_server_happens_and_is_recorded() {
        let receiver = Receiver::start().await;
        receiver.answer(|_| Answer::new(201, r#"{"id":7}"#).header("content-type", "application/json"));
        let put = call(json!({
            "slot": "web", "method": "PUT", "url": "/users/anna?x=1", "body-bytes": 5, "headers": {"x-note": "hello"},
        }));
        let end = put.web("web", &below(&receiver, "/api"), &["PUT"]).provision().await;

        let [request] = receiver.received().try_into().unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/api/users/anna?x=1"));
        assert_eq!((request.header("x-note"), &request.body[..]), (Some("hello"), &b"xxxxx"[..]));

        let [entry] = &end.transcript.effects[..] else { panic!("one effect: {:?}", end.transcript) };
        assert_eq!((entry.sequence, &*entry.capability, &*entry.operation), (1, "http", "PUT"));
        assert_eq!(entry.access, Access::Write);
        assert_eq!(entry.request.value()["url"], format!("{}/api/users/anna?x=1", receiver.url()));
        assert_eq!(entry.request.value()["headers"]["x-note"], "hello");
        assert_eq!(entry.request.value()["body"], "xxxxx");
        let result = entry.result.as_ref().unwrap().value();
        assert_eq!((&result["status"], &result["body"]), (&json!(201), &json!("{\"id\":7}")));
        assert!(entry.bytes_out > 5 && entry.bytes_in > 8 && entry.duration_us > 0, "{entry:?}");
        assert_eq!(history(end), [r#"201 {"id":7}"#]);
    }

    #[tokio::test]
    async fn a_request_that_reads_is_told_from_one_that_writes() {
        let receiver = Receiver::start().await;
        let end =
            call(json!({"slot": "web", "url": "/"})).web("web", &below(&receiver, ""), &[]).provision().await;
        assert_eq!(end.transcript.effects[0].access, Access::Read);
    }

    #[tokio::test]
    async fn a_plugin_cannot_set_the_credential_itself() {
        let receiver = Receiver::start().await;
        for header in ["authorization", "Authorization", "proxy-authorization", "host", "connection"] {
            let step = json!({"slot": "web", "url": "/x", "headers": {header: "Bearer forged"}});
            let lines = history(call(step).web("web", &below(&receiver, ""), &[]).provision().await);
            assert!(
                lines[0].starts_with("failed: ") && lines[0].contains("is the host's to set"),
                "{lines:?}"
            );
        }
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn cookies_stay_out_of_the_transcript() {
        let receiver = Receiver::start().await;
        receiver.answer(|_| Answer::new(200, "").header("set-cookie", "session=s3cr3t"));
        let end = call(json!({"slot": "web", "url": "/x"}))
            .web("web", &below(&receiver, ""), &[])
            .provision()
            .await;
        let result = end.transcript.effects[0].result.as_ref().unwrap().value();
        assert_eq!(result["headers"]["set-cookie"], "*".repeat("session=s3cr3t".len()));
    }

    #[tokio::test]
    async fn calls_share_connections() {
        let receiver = Receiver::start().await;
        let server = below(&receiver, "");
        for _ in 0..20 {
            let end = call(json!({"slot": "web", "url": "/x"})).web("web", &server, &[]).provision().await;
            assert_eq!(history(end), ["200 {}"]);
        }
        assert_eq!((receiver.received().len(), receiver.connections()), (20, 1));
    }
}

mod files {
    use provender::sandbox::Access;
    use provender_tests::calls::{TestCall, history};
    use serde_json::{Value, json};
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn steps(steps: &[Value]) -> TestCall {
        let steps = steps.iter().cloned().map(|mut step| {
            step["do"] = "file".into();
            step
        });
        TestCall::of(steps.collect())
    }

    #[tokio::test]
    async fn every_operation_works_below_the_root() {
        let root = folder();
        let call = steps(&[
            json!({"operation": "create-directory", "path": "a/b"}),
            json!({"operation": "write", "path": "a/b/f", "text": "content"}),
            json!({"operation": "read", "path": "a/b/f"}),
            json!({"operation": "append", "path": "log", "text": "line", "times": 2}),
            json!({"operation": "list", "path": "."}),
            json!({"operation": "remove", "path": "a/b/f"}),
            json!({"operation": "list", "path": "a/b"}),
        ]);
        let end = call.folder("folder", root.path(), &[]).provision().await;
        let access: Vec<_> = end
            .transcript
            .effects
            .iter()
            .map(|entry| (entry.operation.clone().into_owned(), entry.access))
            .collect();
        assert_eq!(
            access,
            [
                ("create-directory", Access::Write),
                ("write", Access::Write),
                ("read", Access::Read),
                ("append", Access::Write),
                ("append", Access::Write),
                ("list", Access::Read),
                ("remove", Access::Write),
                ("list", Access::Read),
            ]
            .map(|(operation, access)| (operation.to_owned(), access))
        );
        assert_eq!(
            end.transcript.effects[1].request.value(),
            json!({"path": "a/b/f", "content": "content", "slot": "folder"})
        );
        assert_eq!(history(end), ["done", "done", "content", "done", "done", "a log", "done", ""]);
        assert_eq!(std::fs::read_to_string(root.path().join("log")).unwrap(), "line\nline\n");
    }

    #[tokio::test]
    async fn an_operation_that_the_slot_asks_for_happens() {
        let root = folder();
        let call = steps(&[json!({"operation": "append", "path": "f", "text": "line"})]);
        assert_eq!(history(call.folder("folder", root.path(), &["append"]).provision().await), ["done"]);
    }

    #[tokio::test]
    async fn a_line_with_a_newline_is_refused_and_nothing_is_written() {
        let root = folder();
        let call = steps(&[json!({"operation": "append", "path": "f", "text": "one\ntwo"})]);
        let lines = history(call.folder("folder", root.path(), &[]).provision().await);
        assert!(lines[0].starts_with("failed: "), "{lines:?}");
        assert!(!root.path().join("f").exists());
    }
}
