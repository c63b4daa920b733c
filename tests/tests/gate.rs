//! The effect gate against real counterparts: what is granted happens, all else does not, and both are recorded.

mod http {
    use std::sync::Arc;

    use provender::sandbox::{Access, Fault};
    use provender::servers::http::HttpServer;
    use provender_tests::calls::{TestCall, fault, history, http_server, local_server};
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

    async fn refused(receiver: &Receiver, step: Value) -> String {
        let end = call(step).web("web", &below(receiver, "/api"), &["GET", "PUT"]).provision().await;
        let Fault::EffectRefused { export: "provision", capability: "http", reason, .. } = fault(&end) else {
            panic!("not refused: {:?}", end.result)
        };
        assert_eq!(end.effects, 0);
        assert!(end.transcript.effects[0].refused.as_ref().is_some_and(|text| text.contains(&**reason)));
        assert_eq!(end.transcript.effects[0].sequence, 0);
        reason.clone()
    }

    #[tokio::test]
    async fn a_server_that_is_not_bound_is_out_of_reach() {
        let (receiver, other) = (Receiver::start().await, Receiver::start().await);
        let reason = refused(&receiver, json!({"url": format!("{}/api/x", other.url())})).await;
        assert!(
            reason.starts_with(&format!("{}/api/x is not granted: slot `web`: ", other.url())),
            "{reason}"
        );
        let reason = refused(&receiver, json!({"url": "https://example.org/"})).await;
        assert!(reason.starts_with("https://example.org/ is not granted: "), "{reason}");
        assert!(receiver.received().is_empty() && other.received().is_empty());
    }

    #[tokio::test]
    async fn another_scheme_or_host_of_the_same_server_is_out_of_reach() {
        let receiver = Receiver::start().await;
        let port = receiver.address().port();
        for url in [
            format!("https://127.0.0.1:{port}/api/x"),
            format!("http://localhost:{port}/api/x"),
            format!("http://127.0.0.2:{port}/api/x"),
            format!("http://someone@127.0.0.1:{port}/api/x"),
        ] {
            let reason = refused(&receiver, json!({"url": url})).await;
            assert!(reason.contains("is not granted: slot `web`: "), "{url}: {reason}");
        }
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn a_path_outside_the_prefix_is_out_of_reach_however_it_is_written() {
        let receiver = Receiver::start().await;
        for path in ["/", "/apiary", "/api/../admin", "/api/%2e%2e/admin", "/api/..%2fadmin", "/API/x"] {
            let reason = refused(&receiver, json!({"url": format!("{}{path}", receiver.url())})).await;
            assert!(reason.contains("is not granted: slot `web`: "), "{path}: {reason}");
        }
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn a_method_that_the_slot_does_not_ask_for_is_refused() {
        let receiver = Receiver::start().await;
        let reason = refused(&receiver, json!({"method": "DELETE", "slot": "web", "url": "/x"})).await;
        assert!(reason.ends_with("slot `web` asks only for GET, PUT"), "{reason}");
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn without_a_bound_server_nothing_is_reached() {
        let receiver = Receiver::start().await;
        let end = call(json!({"url": receiver.url()})).provision().await;
        assert_eq!(
            fault(&end).to_string(),
            format!(
                "effect refused in `provision`: http GET: {}/ is not granted: no server is bound to a slot",
                receiver.url()
            )
        );
    }

    #[tokio::test]
    async fn a_refusal_decides_the_end_of_the_call_whatever_the_plugin_makes_of_it() {
        let receiver = Receiver::start().await;
        let steps = json!([
            {"do": "request", "url": "http://example.org/"},
            {"do": "request", "slot": "web", "url": "/granted"},
            {"do": "finish", "outcome": "unchanged"},
        ]);
        let end = TestCall::of(steps).web("web", &below(&receiver, ""), &[]).provision().await;
        assert!(matches!(fault(&end), Fault::EffectRefused { .. }), "{:?}", end.result);
        assert!(receiver.received().is_empty(), "the gate stays closed");
    }

    #[tokio::test]
    async fn the_credential_is_added_by_the_host_and_seen_by_the_counterpart_alone() {
        let receiver = Receiver::start().await;
        let bearer = json!({
            "base_url": receiver.url(), "allow_private_addresses": true, "authentication": {"kind": "bearer"},
        });
        let bearer = http_server(bearer, &[("token", "s3cr3t-t0k3n")], &[]);
        let basic = json!({
            "base_url": format!("{}/basic", receiver.url()), "allow_private_addresses": true,
            "authentication": {"kind": "basic", "username": "anna"},
        });
        let basic = http_server(basic, &[("password", "s3cr3t-passw0rd")], &[]);
        let steps = json!([
            {"do": "report"},
            {"do": "request", "slot": "web", "url": "/x"},
            {"do": "request", "slot": "another-web", "url": "/x"},
        ]);
        let call = TestCall::of(steps).web("another-web", &basic, &[]).web("web", &bearer, &[]);
        let end = call.provision().await;

        let seen: Vec<_> = receiver
            .received()
            .iter()
            .map(|request| request.header("authorization").map(str::to_owned))
            .collect();
        let expected = ["Bearer s3cr3t-t0k3n", "Basic YW5uYTpzM2NyM3QtcGFzc3cwcmQ="];
        assert_eq!(seen, expected.map(|value| Some(value.to_owned())));
        let transcript = serde_json::to_string(&end.transcript).unwrap();
        let told = format!("{transcript}{:?}", history(end));
        for secret in ["s3cr3t", "YW5uYTpzM2NyM3QtcGFzc3cwcmQ"] {
            assert!(!told.contains(secret), "{told}");
        }
    }

    #[tokio::test]
    async fn a_credential_that_the_counterpart_sends_back_is_blanked() {
        let receiver = Receiver::start().await;
        receiver.answer(|request| {
            let sent = request.header("authorization").unwrap_or_default().to_owned();
            Answer::new(200, format!("you sent {sent}")).header("x-echo", sent)
        });
        let bearer = json!({
            "base_url": receiver.url(), "allow_private_addresses": true, "authentication": {"kind": "bearer"},
        });
        let server = http_server(bearer, &[("token", "s3cr3t-t0k3n")], &[]);
        let end = call(json!({"slot": "web", "url": "/x"})).web("web", &server, &[]).provision().await;
        let transcript = serde_json::to_string(&end.transcript).unwrap();
        let told = format!("{transcript}{:?}", history(end));
        assert!(told.contains("you sent") && !told.contains("s3cr3t"), "{told}");
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
    async fn a_redirect_is_given_to_the_plugin_and_not_followed() {
        let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
        let location = format!("{}/elsewhere", elsewhere.url());
        receiver.answer(move |_| Answer::new(302, "moved").header("location", location.clone()));
        let end = call(json!({"slot": "web", "url": "/x"}))
            .web("web", &below(&receiver, ""), &[])
            .provision()
            .await;
        assert_eq!(history(end), ["302 moved"]);
        assert_eq!((receiver.received().len(), elsewhere.received().len()), (1, 0));
    }

    #[tokio::test]
    async fn an_address_of_this_machine_or_network_is_refused_unless_the_operator_allows_it() {
        let receiver = Receiver::start().await;
        let port = receiver.address().port();
        for (host, address, what) in [
            ("127.0.0.1", None, "loopback"),
            ("directory.example", Some("127.0.0.1"), "loopback"),
            ("directory.example", Some("10.1.2.3"), "private"),
            ("directory.example", Some("169.254.1.1"), "link-local"),
            ("metadata.example", Some("169.254.169.254"), "metadata"),
        ] {
            let names: Vec<_> = address.iter().map(|address| (host, *address)).collect();
            let server = http_server(json!({"base_url": format!("http://{host}:{port}")}), &[], &names);
            let end = call(json!({"slot": "web", "url": "/x"})).web("web", &server, &[]).provision().await;
            let text = fault(&end).to_string();
            let refused = format!("effect refused in `provision`: http GET: connection to {host} refused: ");
            assert!(text.starts_with(&refused) && text.contains(what), "{text}");
        }
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn an_address_that_no_operator_can_allow_stays_refused() {
        let server = json!({"base_url": "http://metadata.example", "allow_private_addresses": true});
        let server = http_server(server, &[], &[("metadata.example", "169.254.169.254")]);
        let end = call(json!({"slot": "web", "url": "/latest"})).web("web", &server, &[]).provision().await;
        assert_eq!(
            fault(&end).to_string(),
            "effect refused in `provision`: http GET: connection to metadata.example refused: 169.254.169.254 is the \
             address of a cloud's metadata service"
        );
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

    #[tokio::test]
    async fn a_counterpart_that_does_not_answer_is_ended_by_the_deadline() {
        let receiver = Receiver::start().await;
        receiver.hold();
        let call = call(json!({"slot": "web", "url": "/x"})).web("web", &below(&receiver, ""), &[]);
        let end = call.limit("deadline_ms", 300).provision().await;
        assert_eq!(
            fault(&end).to_string(),
            "plugin missed its deadline in `provision`: limit `deadline_ms` is 300 milliseconds"
        );
        assert_eq!(receiver.received().len(), 1);
        receiver.release();
    }

    #[tokio::test]
    async fn a_counterpart_slower_than_its_server_allows_is_a_failure_that_passes() {
        let receiver = Receiver::start().await;
        receiver.hold();
        let server =
            json!({"base_url": receiver.url(), "allow_private_addresses": true, "request_timeout_ms": 200});
        let server = http_server(server, &[], &[]);
        let end = call(json!({"slot": "web", "url": "/x"})).web("web", &server, &[]).provision().await;
        assert_eq!(history(end), ["failed: GET /x: no response within the time limit"]);
        receiver.release();
    }

    #[tokio::test]
    async fn a_counterpart_that_is_not_there_is_a_failure_of_the_plugin() {
        let receiver = Receiver::start().await;
        let url = receiver.url();
        drop(receiver);
        let lines = history(
            call(json!({"slot": "web", "url": "/x"})).web("web", &local_server(&url), &[]).provision().await,
        );
        assert!(lines[0].starts_with("failed: GET /x: "), "{lines:?}");
    }

    #[tokio::test]
    async fn a_request_larger_than_the_budget_is_not_sent() {
        let receiver = Receiver::start().await;
        let call = call(json!({"slot": "web", "method": "PUT", "url": "/x", "body-bytes": 5_000}));
        let end = call.web("web", &below(&receiver, ""), &[]).limit("bytes_out", 4_000).provision().await;
        let text = fault(&end).to_string();
        assert!(
            text.starts_with("plugin exceeded limit `bytes_out` in `provision`: limit is 4000, used "),
            "{text}"
        );
        assert!(receiver.received().is_empty());
    }

    #[tokio::test]
    async fn a_response_larger_than_the_budget_ends_the_call() {
        let receiver = Receiver::start().await;
        receiver.answer(|_| Answer::new(200, vec![b'x'; 50_000]));
        let call = call(json!({"slot": "web", "url": "/x"})).web("web", &below(&receiver, ""), &[]);
        let end = call.limit("bytes_in", 10_000).provision().await;
        let text = fault(&end).to_string();
        assert!(
            text.starts_with("plugin exceeded limit `bytes_in` in `provision`: limit is 10000, used "),
            "{text}"
        );
    }
}

mod files {
    use std::os::unix::fs::symlink;

    use provender::sandbox::{Access, Fault};
    use provender_tests::calls::{TestCall, fault, history};
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
    async fn no_path_leads_out_of_the_root() {
        let outside = folder();
        std::fs::write(outside.path().join("secret"), "s3cr3t").unwrap();
        let root = outside.path().join("root");
        std::fs::create_dir(&root).unwrap();
        symlink(outside.path(), root.join("up")).unwrap();
        symlink(outside.path().join("secret"), root.join("link")).unwrap();
        let absolute = outside.path().join("secret");
        for path in [
            "../secret",
            "a/../../secret",
            "up/secret",
            "link",
            "./../secret",
            "",
            absolute.to_str().unwrap(),
        ] {
            for operation in ["read", "append", "list"] {
                let call = steps(&[json!({"operation": operation, "path": path, "text": "x"})]);
                let lines = history(call.folder("folder", &root, &[]).provision().await);
                assert!(lines[0].starts_with("failed: "), "{operation} {path}: {lines:?}");
            }
        }
        for path in ["../secret", "up/secret"] {
            for operation in ["write", "remove", "create-directory"] {
                let call = steps(&[json!({"operation": operation, "path": path, "text": "x"})]);
                let lines = history(call.folder("folder", &root, &[]).provision().await);
                assert!(lines[0].starts_with("failed: "), "{operation} {path}: {lines:?}");
            }
        }
        assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "s3cr3t");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn an_operation_that_the_slot_does_not_ask_for_is_refused() {
        let root = folder();
        std::fs::write(root.path().join("f"), "kept").unwrap();
        let call = steps(&[json!({"operation": "remove", "path": "f"})]);
        let end = call.folder("folder", root.path(), &["append", "list"]).provision().await;
        assert_eq!(
            fault(&end).to_string(),
            "effect refused in `provision`: files remove: slot `folder` asks only for append, list; name `remove` in its \
             operations"
        );
        assert!(root.path().join("f").exists());
    }

    #[tokio::test]
    async fn an_operation_that_the_slot_asks_for_happens() {
        let root = folder();
        let call = steps(&[json!({"operation": "append", "path": "f", "text": "line"})]);
        assert_eq!(history(call.folder("folder", root.path(), &["append"]).provision().await), ["done"]);
    }

    #[tokio::test]
    async fn a_slot_that_is_not_bound_cannot_be_opened() {
        let root = folder();
        let call = steps(&[json!({"operation": "list", "path": ".", "slot": "another-folder"})]);
        let lines = history(call.folder("folder", root.path(), &[]).provision().await);
        assert_eq!(
            lines,
            [
                r#"failed: Error::Refused("no files root is bound to slot `another-folder`; bound are: folder")"#
            ]
        );
    }

    #[tokio::test]
    async fn a_line_with_a_newline_is_refused_and_nothing_is_written() {
        let root = folder();
        let call = steps(&[json!({"operation": "append", "path": "f", "text": "one\ntwo"})]);
        let lines = history(call.folder("folder", root.path(), &[]).provision().await);
        assert!(lines[0].starts_with("failed: "), "{lines:?}");
        assert!(!root.path().join("f").exists());
    }

    #[tokio::test]
    async fn a_file_larger_than_the_budget_ends_the_call() {
        let root = folder();
        std::fs::write(root.path().join("f"), "x".repeat(2_000)).unwrap();
        let call = steps(&[json!({"operation": "read", "path": "f"})]).limit("bytes_in", 1_000);
        let end = call.folder("folder", root.path(), &[]).provision().await;
        let Fault::BudgetExceeded { limit: 1_000, .. } = fault(&end) else { panic!("{:?}", end.result) };
    }
}
