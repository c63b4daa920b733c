//! How notifications reach people: mails, a webhook, the log; and how rarely.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provender::administration::NotificationSettingsInput;
use provender::configuration::{Configuration, SmtpSecurity};
use provender::registry::record::GroupType;
use provender_tests::people::membership;
use provender_tests::receiver::{Answer, Receiver};
use provender_tests::smtp::{Mail, SmtpReceiver};
use provender_tests::waiting::eventually;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef01234567";

/// A host that tells at once, and tries again soon.
pub(super) async fn host(change: impl FnOnce(&mut Configuration)) -> TestHost {
    let host = TestHost::start_with(|configuration| {
        let notifications = &mut configuration.notifications;
        (notifications.settle_s, notifications.retry_s, notifications.timeout_s) = (0, 1, 20);
        notifications.email_interval_s = 0;
        notifications.webhook_interval_s = 0;
        change(configuration);
    })
    .await;
    host.host.deliver_notifications().unwrap();
    host
}

pub(super) fn mailing(configuration: &mut Configuration, port: u16) {
    let smtp = &mut configuration.smtp;
    (smtp.host, smtp.port) = (Some("localhost".to_owned()), Some(port));
    smtp.security = SmtpSecurity::None;
    smtp.from = Some("Provender <provender@example.org>".to_owned());
}

pub(super) async fn settings(host: &TestHost, input: Value) {
    let input: NotificationSettingsInput = serde_json::from_value(input).unwrap();
    host.host.administration.put_notification_settings(CO, input).await.unwrap();
}

async fn webhook(host: &TestHost, receiver: &Receiver) {
    host.server("hook", json!({"kind": "http", "base_url": receiver.url(), "allow_private_addresses": true}))
        .await;
    let webhook = json!({"server": "hook", "path": "/told", "secret": STANDARD.encode(SECRET)});
    settings(host, json!({ "webhook": webhook })).await;
    receiver.expect_the_operator();
}

/// Anna fails.
pub(super) async fn fail(host: &TestHost) {
    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(person_key("anna"), person("anna")).await;
}

pub(super) async fn succeed(host: &TestHost) {
    host.misbehaving_target("t", json!([])).await;
    host.put(person_key("anna"), named("anna", "Anne")).await;
}

fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.header("Subject").unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_tell_the_beginning_and_the_end_and_nothing_between() {
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| mailing(configuration, smtp.port())).await;
    settings(&host, json!({"email": {"recipients": ["team@example.org"]}})).await;
    fail(&host).await;
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(
        (mail.from.as_str(), &mail.to[..]),
        ("provender@example.org", &["team@example.org".to_owned()][..])
    );
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("Message-ID").unwrap().ends_with("@example.org>"), "{mail:?}");
    for part in
        ["person anna at t", "conflict: uid is taken", "provender notifications acknowledge --co physics"]
    {
        assert!(mail.data.contains(part), "{part:?} in {}", mail.data);
    }
    // The same failure again, and again.
    for given in ["Ann", "Anni"] {
        host.put(person_key("anna"), named("anna", given)).await;
    }
    succeed(&host).await;
    let mails = smtp.wait_for(2).await;
    let expected =
        ["[Provender] physics: 1 subject cannot be provisioned", "[Provender] physics: 1 is resolved"];
    assert_eq!(subjects(&mails), expected);
    assert!(mails[1].data.contains("after 3 failures"), "{}", mails[1].data);
    host.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configured_addresses_the_admins_of_the_collaboration_get_mails() {
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| mailing(configuration, smtp.port())).await;
    let Record::Group(mut admins) = group("admins") else { panic!() };
    admins.group_type = GroupType::Admins;
    host.put(group_key("admins"), Record::Group(admins)).await;
    for id in ["boss", "former", "owner", "new"] {
        let mut record = plain_person(id);
        if id == "former" {
            record.status = Status::Suspended;
        }
        record.email_addresses[0].verified = id != "new";
        host.put(person_key(id), Record::Person(Box::new(record))).await;
        let mut membership = membership("admins", id);
        (membership.member, membership.owner) = (id != "owner", id == "owner");
        host.put_membership(membership).await;
    }
    fail(&host).await;
    smtp.wait_for(1).await;
    succeed(&host).await;
    for mail in smtp.wait_for(2).await {
        assert_eq!(mail.to, ["boss@example.org"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_at_once_are_one_mail() {
    const PEOPLE: usize = 150;
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| {
        mailing(configuration, smtp.port());
        configuration.notifications.email_interval_s = 3_600;
    })
    .await;
    settings(&host, json!({"email": {"recipients": ["team@example.org"]}})).await;
    // The first one is told at once; all others wait for the end of the interval.
    fail(&host).await;
    smtp.wait_for(1).await;
    for number in 0..PEOPLE {
        let id = format!("p{number}");
        host.put(person_key(&id), person(&id)).await;
    }
    let due = eventually("the channel to wait", async || {
        let delivery = host.host.administration.notification_delivery(CO).await.unwrap();
        let email = delivery.channels.into_iter().find(|report| report.channel.word() == "email")?;
        email.due.filter(|due| *due > email.delivered.unwrap() + jiff::SignedDuration::from_secs(3_000))
    })
    .await;
    assert!(due > jiff::Timestamp::now());
    assert_eq!(smtp.mails().len(), 1);
    host.assert_healthy().await;

    // What the next one says is one mail, too.
    let later = host.restart_with(|configuration| configuration.notifications.email_interval_s = 0).await;
    later.host.deliver_notifications().unwrap();
    let mails = smtp.wait_for(2).await;
    assert!(subjects(&mails)[1].ends_with("150 subjects cannot be provisioned"), "{:?}", subjects(&mails));
    assert!(mails[1].data.contains("\r\n50 more are not listed here.\r\n"), "{}", mails[1].data);
    later.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_before_it_was_told_is_not_told() {
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| {
        mailing(configuration, smtp.port());
        configuration.notifications.settle_s = 3_600;
    })
    .await;
    settings(&host, json!({"email": {"recipients": ["team@example.org"]}})).await;
    fail(&host).await;
    succeed(&host).await;
    host.put(person_key("bela"), person("bela")).await;
    let host = host.restart_with(|configuration| configuration.notifications.settle_s = 0).await;
    host.host.deliver_notifications().unwrap();
    host.misbehaving_target("t", failing("conflict", "uid is taken")).await;
    host.put(person_key("bela"), named("bela", "Béla")).await;
    let mails = smtp.wait_for(1).await;
    assert!(
        mails[0].data.contains("person bela") && !mails[0].data.contains("person anna"),
        "{}",
        mails[0].data
    );
    host.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_refused_keeps_nobody_else_from_being_told_and_nobody_is_told_twice() {
    let smtp = SmtpReceiver::start().await;
    let host = host(|configuration| mailing(configuration, smtp.port())).await;
    let recipients = ["gone@example.org", "later@example.org", "team@example.org"];
    settings(&host, json!({"email": {"recipients": recipients}})).await;
    smtp.refuse("gone@example.org", 550);
    smtp.refuse("later@example.org", 450);
    fail(&host).await;
    assert_eq!(smtp.wait_for(1).await[0].to, ["team@example.org"]);
    smtp.refuse("later@example.org", 250);
    let mails = smtp.wait_for(2).await;
    assert_eq!(mails[1].to, ["later@example.org"]);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    eventually("the channel to be idle", async || {
        let delivery = host.host.administration.notification_delivery(CO).await.unwrap();
        let email = delivery.channels.into_iter().find(|report| report.channel.word() == "email")?;
        (email.due.is_none() && email.problem.is_none()).then_some(())
    })
    .await;
    assert_eq!(smtp.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_to_the_mail_server_only_by_tls_and_nowhere_else() {
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let smtp = SmtpReceiver::start_tls(&authority.cert.pem(), &authority.signing_key.serialize_pem()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.cert.pem()).unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let host = host(|configuration| {
        mailing(configuration, smtp.port());
        let smtp = &mut configuration.smtp;
        smtp.security = SmtpSecurity::Starttls;
        (smtp.user, smtp.password_file, smtp.ca_file) =
            (Some("provender".to_owned()), Some(password), Some(file));
    })
    .await;
    settings(&host, json!({"email": {"recipients": ["team@example.org"]}})).await;
    fail(&host).await;
    let mail = smtp.wait_for(1).await.remove(0);
    assert!(mail.encrypted);
    assert_eq!(mail.login, Some(("provender".to_owned(), "hunter2".to_owned())));
    assert!(!mail.data.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_sent_in_clear() {
    let host = TestHost::start_with(|configuration| {
        mailing(configuration, 1);
        configuration.smtp.user = Some("provender".to_owned());
        configuration.smtp.password = Some("hunter2".into());
    })
    .await;
    let error = format!("{:?}", host.host.deliver_notifications().unwrap_err());
    assert!(error.contains("`smtp.security`") && !error.contains("hunter2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_a_signed_document_and_the_same_again_until_it_takes_it() {
    let receiver = Receiver::start().await;
    let host = host(|_| {}).await;
    webhook(&host, &receiver).await;
    receiver.answer(|_| Answer::new(503, "not now"));
    fail(&host).await;
    receiver.wait_for(2).await;
    receiver.answer(|_| Answer::new(204, ""));
    eventually("the webhook to be told", async || {
        let delivery = host.host.administration.notification_delivery(CO).await.unwrap();
        let report = delivery.channels.into_iter().find(|report| report.channel.word() == "webhook")?;
        report.delivered.filter(|_| report.problem.is_none())
    })
    .await;
    let received = receiver.received();
    for request in &received {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/told"));
        let header = |name| request.header(name).unwrap();
        assert_eq!(header("webhook-id"), received[0].header("webhook-id").unwrap());
        assert_eq!(request.body, received[0].body);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
        let signed = [
            header("webhook-id").as_bytes(),
            b".",
            header("webhook-timestamp").as_bytes(),
            b".",
            &request.body,
        ];
        let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
        ring::hmac::verify(&key, &signed.concat(), &signature).unwrap();
    }
    let document = received[0].json();
    assert_eq!(document["type"], "provisioning.notifications");
    let told = &document["data"]["notifications"][0];
    assert_eq!((&told["event"], &told["notification"]["subject"]["id"]), (&json!("opened"), &json!("anna")));
    assert_eq!(document["data"]["counts"][0]["count"], 1);
    succeed(&host).await;
    let last = receiver.wait_for(received.len() + 1).await.pop().unwrap().json();
    assert_eq!(last["data"]["notifications"][0]["event"], "resolved");
    host.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_webhook_is_shown_nowhere_and_its_server_is_in_use() {
    let receiver = Receiver::start().await;
    let host = host(|_| {}).await;
    webhook(&host, &receiver).await;
    let secret = STANDARD.encode(SECRET);
    let shown = host.host.administration.notification_delivery(CO).await.unwrap();
    assert!(!serde_json::to_string(&shown).unwrap().contains(&secret));
    let row = host.host.store.notification_settings(CO).await.unwrap();
    assert!(!format!("{row:?}").contains(&secret), "sealed in the store");
    let error = host.host.administration.delete_server(CO, "hook").await.unwrap_err().to_string();
    assert!(error.contains("in use by the webhook"), "{error}");
    // It stays when it is left out, and goes with the webhook.
    settings(&host, json!({"webhook": {"server": "hook"}})).await;
    settings(&host, json!({})).await;
    host.host.administration.delete_server(CO, "hook").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused_with_their_places() {
    let host = host(|_| {}).await;
    let folder = host.folder("folder");
    host.server("folder", json!({"kind": "files", "root": folder})).await;
    for (input, pointer) in [
        (json!({"email": {"recipients": ["nobody"]}}), "/email/recipients/0"),
        (json!({"webhook": {"server": "none", "secret": STANDARD.encode(SECRET)}}), "/webhook/server"),
        (json!({"webhook": {"server": "folder", "secret": STANDARD.encode(SECRET)}}), "not of kind `http`"),
        (json!({"webhook": {"server": "folder"}}), "/webhook/secret is missing"),
        (json!({"webhook": {"server": "folder", "secret": "hunter2"}}), "/webhook/secret"),
        (
            json!({"webhook": {"server": "folder", "secret": STANDARD.encode(SECRET), "path": "x"}}),
            "/webhook/path",
        ),
    ] {
        let read: NotificationSettingsInput = serde_json::from_value(input.clone()).unwrap();
        let refused =
            host.host.administration.put_notification_settings(CO, read).await.unwrap_err().to_string();
        assert!(refused.contains(pointer) && !refused.contains("hunter2"), "{input}: {refused}");
    }
}
