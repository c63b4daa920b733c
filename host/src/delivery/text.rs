//! What people read: the line of a log, and the subject and text of a mail. Pure.

use std::fmt::Write;

use jiff::Timestamp;

use crate::provisioning::{Notification, NotificationEvent, NotificationMessage};

/// Characters of a failure's message that are shown.
const MESSAGE_CHARACTERS: usize = 256;

/// What a message comes to: "physics: 3 subjects cannot be provisioned, 1 is resolved".
pub(super) fn headline(message: &NotificationMessage) -> String {
    let opened = match message.count(NotificationEvent::Opened) {
        0 => None,
        1 => Some("1 subject cannot be provisioned".to_owned()),
        many => Some(format!("{many} subjects cannot be provisioned")),
    };
    let reminders = match message.count(NotificationEvent::Reminder) {
        0 => None,
        1 => Some("1 still fails".to_owned()),
        many => Some(format!("{many} still fail")),
    };
    let resolved = match message.count(NotificationEvent::Resolved) {
        0 => None,
        1 => Some("1 is resolved".to_owned()),
        many => Some(format!("{many} are resolved")),
    };
    let parts: Vec<String> = [opened, reminders, resolved].into_iter().flatten().collect();
    format!("{}: {}", message.co, parts.join(", "))
}

/// The headline, with how many at which target for which reason.
pub(super) fn line(message: &NotificationMessage) -> String {
    let counts = message.counts.iter().map(|count| match count.event {
        NotificationEvent::Resolved => format!("{} at {} resolved", count.count, count.target),
        _ => format!("{} at {} {}", count.count, count.target, count.class.word()),
    });
    format!("notifications of {} ({})", headline(message), counts.collect::<Vec<_>>().join("; "))
}

/// The text of a mail.
pub(super) fn mail(message: &NotificationMessage) -> String {
    let mut text = format!("Collaboration {}\n", message.co);
    for (event, title) in [
        (NotificationEvent::Opened, "Cannot be provisioned"),
        (NotificationEvent::Reminder, "Still cannot be provisioned"),
        (NotificationEvent::Resolved, "Resolved"),
    ] {
        section(&mut text, message, event, title);
    }
    let left_out = message.left_out();
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} more are not listed here.\n"));
    }
    let co = &message.co;
    text.push_str(&format!(
        "\nAll that is not resolved:\n  provender notifications list --co {co}\n\
         Once you know of one, it is not repeated; its end is told:\n  \
         provender notifications acknowledge --co {co} NOTIFICATION\n\
         What was tried:\n  provender invocation show --co {co} INVOCATION\n"
    ));
    text
}

fn section(text: &mut String, message: &NotificationMessage, event: NotificationEvent, title: &str) {
    if message.count(event) == 0 {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    for count in message.counts.iter().filter(|count| count.event == event) {
        let class = count.class.word();
        text.push_str(&format!("  {} at target {} ({class})\n", count.count, count.target));
    }
    for told in message.notifications.iter().filter(|told| told.event == event) {
        // Writing to a string does not fail.
        let _ = entry(text, &told.notification);
    }
}

fn entry(text: &mut String, notification: &Notification) -> std::fmt::Result {
    let Notification { id, target, subject, count, class, invocation, .. } = notification;
    writeln!(text, "\n  {} {} at {target}", kind(notification), subject.id)?;
    match (notification.resolved, notification.resolution) {
        (Some(at), Some(resolution)) => {
            writeln!(text, "    {} at {}", word(&resolution), utc(at))?;
            writeln!(text, "    after {} since {}", failures(*count), utc(notification.first))?;
        }
        _ => {
            writeln!(text, "    {}: {}", class.word(), one_line(&notification.message))?;
            writeln!(text, "    {} since {}", failures(*count), utc(notification.first))?;
            writeln!(text, "    last invocation {invocation}")?;
        }
    }
    writeln!(text, "    notification {id}")
}

fn failures(count: u64) -> String {
    if count == 1 { "1 failure".to_owned() } else { format!("{count} failures") }
}

fn kind(notification: &Notification) -> String {
    word(&notification.subject.kind).replace('_', " ")
}

/// A value of the contract as its word in JSON.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Text of a plugin or counterpart without line breaks and what a terminal would obey, and cut.
fn one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(MESSAGE_CHARACTERS).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::provisioning::{EventCount, FailureClass, NotificationState, Resolution, ToldNotification};
    use crate::registry::record::{RecordKind, SubjectKey};

    fn told(event: NotificationEvent, message: &str) -> ToldNotification {
        let over = event == NotificationEvent::Resolved;
        let notification = Notification {
            id: Uuid::from_u128(1),
            target: "directory".to_owned(),
            subject: SubjectKey { kind: RecordKind::EmailList, id: "all".to_owned() },
            state: if over { NotificationState::Resolved } else { NotificationState::Open },
            count: 2,
            first: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
            class: FailureClass::Conflict,
            message: message.to_owned(),
            invocation: Uuid::from_u128(2),
            acknowledged: None,
            acknowledged_by: None,
            resolved: over.then_some(Timestamp::UNIX_EPOCH),
            resolution: over.then_some(Resolution::Provisioned),
            announced: Timestamp::UNIX_EPOCH,
        };
        ToldNotification { event, notification }
    }

    fn message(
        counts: &[(NotificationEvent, u64)],
        notifications: Vec<ToldNotification>,
    ) -> NotificationMessage {
        let count = |(event, count): &(NotificationEvent, u64)| EventCount {
            event: *event,
            target: "directory".to_owned(),
            class: FailureClass::Conflict,
            count: *count,
        };
        let counts = counts.iter().map(count).collect();
        NotificationMessage {
            id: Uuid::nil(),
            co: "physics".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            counts,
            notifications,
        }
    }

    #[test]
    fn a_headline_tells_how_many_of_what() {
        use NotificationEvent::{Opened, Reminder, Resolved};
        for (counts, expected) in [
            (&[(Opened, 1)][..], "physics: 1 subject cannot be provisioned"),
            (
                &[(Opened, 10_000), (Resolved, 1)],
                "physics: 10000 subjects cannot be provisioned, 1 is resolved",
            ),
            (&[(Reminder, 1), (Resolved, 2)], "physics: 1 still fails, 2 are resolved"),
            (&[(Reminder, 3)], "physics: 3 still fail"),
        ] {
            assert_eq!(headline(&message(counts, Vec::new())), expected);
        }
        let counts = [(Opened, 3), (Resolved, 1)];
        let expected = "notifications of physics: 3 subjects cannot be provisioned, 1 is resolved \
                        (3 at directory conflict; 1 at directory resolved)";
        assert_eq!(line(&message(&counts, Vec::new())), expected);
    }

    #[test]
    fn a_mail_tells_what_failed_and_what_helps_on_lines_of_its_own() {
        use NotificationEvent::{Opened, Resolved};
        let notifications = vec![told(Opened, "uid is\r\nSubject: taken"), told(Resolved, "")];
        let text = mail(&message(&[(Opened, 5), (Resolved, 1)], notifications));
        for part in [
            "Cannot be provisioned\n  5 at target directory (conflict)\n\n  email list all at directory\n    \
             conflict: uid is  Subject: taken\n    2 failures since 1970-01-01 00:00:00Z\n",
            "Resolved\n  1 at target directory (conflict)\n\n  email list all at directory\n    provisioned at 1970-01-01",
            "\n4 more are not listed here.\n",
            "provender notifications acknowledge --co physics",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
