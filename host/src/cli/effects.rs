//! Effects at counterparts for people: what was done there, or would be.

use super::answer::printable;
use crate::pipeline::{Happened, ShownEffect};

/// Effects in their order, and why they end where they do.
pub(super) fn list(effects: &[ShownEffect], ends: Option<&str>) -> String {
    let mut text: String = (1..).zip(effects).map(|(number, effect)| one(number, effect)).collect();
    if let Some(reason) = ends {
        text.push_str(&format!("  the end of what can be told: {}\n", printable(reason)));
    }
    text
}

fn one(number: usize, effect: &ShownEffect) -> String {
    let (word, answer) = match effect.happened {
        Happened::Performed => ("done", "answer"),
        Happened::Foreseen => ("would be done", "expected answer"),
        Happened::Refused => ("refused", "since"),
        Happened::Unanswered => ("begun, without an answer", "answer"),
    };
    let mut text = format!("  #{number} {} {}, {word}:\n", effect.capability, printable(&effect.operation));
    for line in effect.text.lines() {
        text.push_str(format!("      {}", printable(line)).trim_end());
        text.push('\n');
    }
    if let Some(told) = &effect.answer {
        text.push_str(&format!("    {answer}: {}\n", printable(told)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Access;

    #[test]
    fn what_was_done_and_what_would_be_are_told_apart() {
        let read = ShownEffect {
            capability: "http".to_owned(),
            operation: "GET".to_owned(),
            access: Access::Read,
            happened: Happened::Performed,
            text: "GET https://example.org/42".to_owned(),
            answer: Some("status 404, 0 bytes".to_owned()),
        };
        let write = ShownEffect {
            operation: "PUT".to_owned(),
            access: Access::Write,
            happened: Happened::Foreseen,
            text: "PUT https://example.org/42\nx: 1\n\nZo\u{1b}".to_owned(),
            answer: None,
            ..read.clone()
        };
        assert_eq!(
            list(&[read, write], Some("no answer is expected")),
            "\x20 #1 http GET, done:\n\
             \x20     GET https://example.org/42\n\
             \x20   answer: status 404, 0 bytes\n\
             \x20 #2 http PUT, would be done:\n\
             \x20     PUT https://example.org/42\n\
             \x20     x: 1\n\
             \n\
             \x20     Zo\u{fffd}\n\
             \x20 the end of what can be told: no answer is expected\n"
        );
    }
}
