//! Budgets at their exact edge: the last effect or byte that fits, and the first that does not.

use insta::assert_snapshot;
use provender_tests::calls::{TestCall, history, local_server};
use provender_tests::receiver::{Answer, Receiver};
use serde_json::json;

use super::{Report, told};

#[tokio::test]
async fn the_thousandth_effect_happens_and_the_next_does_not() {
    let receiver = Receiver::start().await;
    let server = local_server(&receiver.url());
    let call = |times: usize| {
        TestCall::of(json!([{"do": "request", "slot": "web", "url": "/x", "times": times}])).web(
            "web",
            &server,
            &[],
        )
    };
    let end = call(1_000).provision().await;
    assert_eq!((end.effects, history(end).len()), (1_000, 1_000));
    assert_eq!((receiver.received().len(), receiver.connections()), (1_000, 1));
    let end = call(1_001).provision().await;
    assert_eq!((end.effects, receiver.received().len()), (1_000, 2_000));
    assert_snapshot!(told(&end));
}

#[tokio::test]
async fn bytes_out_are_counted_to_the_byte_before_anything_is_sent() {
    let receiver = Receiver::start().await;
    let server = local_server(&receiver.url());
    let put = |bytes: usize| {
        let step = json!({"do": "request", "slot": "web", "method": "PUT", "url": "/x", "body-bytes": bytes});
        TestCall::of(json!([step])).web("web", &server, &[])
    };
    let sent = put(5_000).provision().await.transcript.effects[0].bytes_out;
    assert_eq!(receiver.received().len(), 1);
    let end = put(5_000).limit("bytes_out", sent).provision().await;
    assert_eq!((history(end), receiver.received().len()), (vec!["200 {}".to_owned()], 2));

    let mut report = Report::default();
    let end = put(5_000).limit("bytes_out", sent - 1).provision().await;
    report.add(
        "one byte less, by the headers",
        &end,
        &[(&sent.to_string(), "SENT"), (&(sent - 1).to_string(), "SENT - 1")],
    );
    let end = put(5_000).limit("bytes_out", 4_999).provision().await;
    report.add("a body of one byte too many", &end, &[]);
    assert_eq!(receiver.received().len(), 2, "nothing is sent");
    assert_snapshot!(report.0);
}

#[tokio::test]
async fn bytes_in_are_counted_to_the_byte() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| Answer::new(200, vec![b'x'; 5_000]));
    let server = local_server(&receiver.url());
    let get =
        || TestCall::of(json!([{"do": "request", "slot": "web", "url": "/x"}])).web("web", &server, &[]);
    let came = get().provision().await.transcript.effects[0].bytes_in;
    assert!(
        matches!(&history(get().limit("bytes_in", came).provision().await)[..], [line] if line.len() == 5_004)
    );

    let mut report = Report::default();
    let end = get().limit("bytes_in", came - 1).provision().await;
    report.add(
        "one byte less, by the headers",
        &end,
        &[(&came.to_string(), "CAME"), (&(came - 1).to_string(), "CAME - 1")],
    );
    let end = get().limit("bytes_in", 4_999).provision().await;
    report.add("a body of one byte too many", &end, &[]);
    assert_snapshot!(report.0);
}
