//! Ordered rules on names.

use provender_sdk::Failure;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

/// A pattern and what follows from it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// A regular expression, found anywhere in the name unless it is anchored by ^ and $; (?i) ignores case.
    #[schemars(length(min = 1))]
    name_pattern: String,
    presence: Presence,
}

/// What a pattern decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    /// A name that does not match is dropped; one that does goes on to the next rule.
    Required,
    /// A name that matches is kept, and no further rule is looked at.
    Optional,
    /// A name that matches is dropped.
    NotPermitted,
}

/// Rules ready to be applied.
#[derive(Debug)]
pub(crate) struct Rules(Vec<(Regex, Presence)>);

/// Bytes of a compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;

impl Rules {
    /// The failure names the first pattern that is none.
    pub(crate) fn compile(rules: &[Rule]) -> Result<Self, Failure> {
        let compiled = rules.iter().enumerate().map(|(index, rule)| {
            let pattern = RegexBuilder::new(&rule.name_pattern).size_limit(PATTERN_BYTES).build();
            match pattern {
                Ok(pattern) => Ok((pattern, rule.presence)),
                Err(error) => {
                    let message =
                        format!("pattern {:?} is no regular expression: {error}", rule.name_pattern);
                    Err(Failure::configuration(message).at(format!("/rules/{index}/name_pattern")))
                }
            }
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a group of this name is kept. The error says which rule drops it.
    pub(crate) fn keep(&self, name: &str) -> Result<(), String> {
        for (pattern, presence) in &self.0 {
            match (presence, pattern.is_match(name)) {
                (Presence::Optional, true) => return Ok(()),
                (Presence::Required, false) => {
                    return Err(format!("name `{name}` does not match `{pattern}`, which is required"));
                }
                (Presence::NotPermitted, true) => {
                    return Err(format!("name `{name}` matches `{pattern}`, which is not permitted"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What is worth telling of patterns that come from a COmanage Registry, where they have delimiters.
pub(crate) fn advice(rules: &[Rule]) -> Vec<String> {
    let delimited = |pattern: &str| pattern.len() > 1 && pattern.starts_with('/') && pattern.ends_with('/');
    let patterns = rules.iter().map(|rule| rule.name_pattern.as_str()).enumerate();
    patterns
        .filter(|(_, pattern)| delimited(pattern))
        .map(|(index, pattern)| {
            format!("rule {index}: the slashes of `{pattern}` stand for slashes of a name; patterns have no delimiters")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, Presence)]) -> Result<Rules, Failure> {
        let rules: Vec<Rule> = rules
            .iter()
            .map(|(pattern, presence)| Rule { name_pattern: (*pattern).to_owned(), presence: *presence })
            .collect();
        Rules::compile(&rules)
    }

    use Presence::{NotPermitted, Optional, Required};

    #[test]
    fn each_rule_keeps_drops_or_goes_on() {
        for (list, name, kept) in [
            (&[("^lab-", Required)][..], "lab-optics", true),
            (&[("^lab-", Required)], "office", false),
            (&[("-test$", NotPermitted)], "lab-test", false),
            (&[("-test$", NotPermitted)], "lab", true),
            (&[("^lab-", Optional)], "office", true),
            (&[("^lab-optics$", Optional), ("^lab-", NotPermitted)], "lab-optics", true),
            (&[("^lab-optics$", Optional), ("^lab-", NotPermitted)], "lab-acoustics", false),
            (&[("^lab-", NotPermitted), ("^lab-optics$", Optional)], "lab-optics", false),
            (&[("^lab-", Required), ("-test$", NotPermitted)], "lab-test", false),
            (&[("^lab-", Required), ("-test$", NotPermitted)], "lab-optics", true),
            (&[("(?i)^LAB", Required)], "Lab", true),
            (&[("é", NotPermitted)], "café", false),
        ] {
            assert_eq!(rules(list).unwrap().keep(name).is_ok(), kept, "{name}: {list:?}");
        }
    }

    #[test]
    fn a_group_that_is_dropped_is_told_by_which_rule() {
        let list = rules(&[("^a", Required), ("z$", NotPermitted)]).unwrap();
        assert_eq!(list.keep("b").unwrap_err(), "name `b` does not match `^a`, which is required");
        assert_eq!(list.keep("az").unwrap_err(), "name `az` matches `z$`, which is not permitted");
    }

    #[test]
    fn delimiters_around_a_pattern_are_pointed_out() {
        let rule = |pattern: &str| Rule { name_pattern: pattern.to_owned(), presence: Required };
        let told = advice(&[rule("^a/b$"), rule("/^lab/"), rule("/")]);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("rule 1: the slashes of `/^lab/`"), "{told:?}");
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let failure = rules(&[("a", Optional), ("(", Optional)]).unwrap_err();
        let Failure::Configuration(located) = failure else { panic!("{failure:?}") };
        assert_eq!(located.location.as_deref(), Some("/rules/1/name_pattern"));
        assert!(located.message.contains("\"(\""), "{}", located.message);
    }
}
