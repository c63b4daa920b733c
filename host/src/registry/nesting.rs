//! Nested groups: who is a member of a group by the groups nested in it, and in which order groups follow from others.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::record::{GroupNesting, Membership, NestingMode};
use super::visible::is_valid_at;

/// The groups nested in one group, as far as they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestingRule {
    /// `id` of the group that the others are nested in.
    pub group: String,
    pub mode: NestingMode,
    /// `id` of each active nested group, and whether its members are kept out; by ascending id.
    pub sources: BTreeMap<String, bool>,
}

impl NestingRule {
    /// The nested group that makes somebody a member: the first of those they are in. None when they are to be no member
    /// by nesting.
    ///
    /// Members of a negated group are kept out. Of the others one is enough, or all are needed. Where there are none,
    /// nobody follows.
    pub fn nested_from(&self, is_member: impl Fn(&str) -> bool) -> Option<&str> {
        let mut from = None;
        for (source, negated) in &self.sources {
            match (negated, is_member(source)) {
                (true, true) => return None,
                (false, true) => from = from.or(Some(source.as_str())),
                (false, false) if self.mode == NestingMode::All => return None,
                _ => {}
            }
        }
        from
    }
}

/// Whether a membership counts where its group is nested: that of a member, inside its validity.
pub fn counts(membership: &Membership, now: Timestamp) -> bool {
    membership.member && is_valid_at(membership.valid_from, membership.valid_through, now)
}

/// What becomes of somebody's membership in a group with nested groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It stays as it is.
    Nothing,
    /// The person is a member by the nested group with this `id`.
    Member,
    /// It goes.
    Gone,
    /// The person stays as its owner only.
    OwnerOnly,
}

/// Compares a membership with what follows from nesting. A membership by hand stands, but an owner becomes a member too.
pub fn follows(membership: Option<&Membership>, from: Option<&str>) -> Follows {
    match (membership, from) {
        (None, None) => Follows::Nothing,
        (None, Some(_)) => Follows::Member,
        (Some(row), Some(from)) if row.nested_from.is_some() => {
            if row.nested_from.as_deref() == Some(from) {
                Follows::Nothing
            } else {
                Follows::Member
            }
        }
        (Some(row), None) if row.nested_from.is_some() => {
            if row.owner {
                Follows::OwnerOnly
            } else {
                Follows::Gone
            }
        }
        (Some(row), Some(_)) if !row.member && row.valid_from.is_none() && row.valid_through.is_none() => {
            Follows::Member
        }
        (Some(_), _) => Follows::Nothing,
    }
}

/// Puts rules into an order in which each comes behind those of the groups nested in its group.
pub fn in_order(rules: Vec<NestingRule>) -> Vec<NestingRule> {
    let mut waiting: BTreeMap<String, NestingRule> =
        rules.into_iter().map(|rule| (rule.group.clone(), rule)).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<String> = waiting
            .values()
            .filter(|rule| !rule.sources.keys().any(|source| waiting.contains_key(source)))
            .map(|rule| rule.group.clone())
            .collect();
        if ready.is_empty() {
            // Cycles are refused; were there one, its groups would still be looked at.
            ordered.extend(std::mem::take(&mut waiting).into_values());
        }
        ordered.extend(ready.iter().filter_map(|group| waiting.remove(group)));
    }
    ordered
}

/// The way from one group to another by nestings, both ends included: each is nested in the next.
pub fn way(nestings: &[GroupNesting], from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::from([from]);
    let mut frontier = vec![from];
    while let Some(group) = frontier.pop() {
        if group == to {
            let mut way: Vec<String> = std::iter::successors(Some(to), |group| before.get(group).copied())
                .map(str::to_owned)
                .collect();
            way.reverse();
            return Some(way);
        }
        for nesting in nestings.iter().filter(|nesting| nesting.source == group) {
            if seen.insert(&nesting.group) {
                before.insert(&nesting.group, group);
                frontier.push(&nesting.group);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples;

    fn rule(mode: NestingMode, sources: &[(&str, bool)]) -> NestingRule {
        let sources = sources.iter().map(|(source, negate)| ((*source).to_owned(), *negate)).collect();
        NestingRule { group: "t".to_owned(), mode, sources }
    }

    fn nesting(source: &str, group: &str) -> GroupNesting {
        GroupNesting { group: group.to_owned(), source: source.to_owned(), negate: false }
    }

    #[test]
    fn members_follow_from_one_or_all_of_the_nested_groups_and_none_of_the_negated() {
        use NestingMode::{All, Any};
        type Row<'a> = (NestingMode, &'a [(&'a str, bool)], &'a [&'a str], Option<&'a str>);
        #[rustfmt::skip]
        let table: [Row<'_>; 14] = [
            (Any, &[], &["a"], None),
            (All, &[], &["a"], None),
            (Any, &[("a", false)], &[], None),
            (Any, &[("a", false)], &["a"], Some("a")),
            (Any, &[("a", false), ("b", false)], &["b"], Some("b")),
            (Any, &[("b", false), ("a", false)], &["a", "b"], Some("a")),
            (All, &[("a", false), ("b", false)], &["b"], None),
            (All, &[("a", false), ("b", false)], &["a", "b"], Some("a")),
            (Any, &[("a", false), ("b", true)], &["a"], Some("a")),
            (Any, &[("a", false), ("b", true)], &["a", "b"], None),
            (All, &[("a", false), ("b", true)], &["a"], Some("a")),
            (All, &[("a", false), ("b", true)], &["a", "b"], None),
            (Any, &[("a", true)], &[], None),
            (All, &[("a", true)], &[], None),
        ];
        for (mode, sources, groups, expected) in table {
            let found = rule(mode, sources);
            let found = found.nested_from(|source| groups.contains(&source));
            assert_eq!(found, expected, "{mode:?} of {sources:?}, in {groups:?}");
        }
    }

    #[test]
    fn a_membership_by_hand_stands_and_an_owner_becomes_a_member_too() {
        let row = |member, owner, nested_from: Option<&str>| Membership {
            member,
            owner,
            nested_from: nested_from.map(str::to_owned),
            valid_from: None,
            valid_through: None,
            ..samples::membership()
        };
        let dated = Membership { valid_through: Some(Timestamp::UNIX_EPOCH), ..row(false, true, None) };
        #[rustfmt::skip]
        let table = [
            (None, None, Follows::Nothing),
            (None, Some("a"), Follows::Member),
            (Some(row(true, false, None)), Some("a"), Follows::Nothing),
            (Some(row(true, false, None)), None, Follows::Nothing),
            (Some(row(false, true, None)), Some("a"), Follows::Member),
            (Some(row(false, true, None)), None, Follows::Nothing),
            (Some(dated), Some("a"), Follows::Nothing),
            (Some(row(true, false, Some("a"))), Some("a"), Follows::Nothing),
            (Some(row(true, false, Some("a"))), Some("b"), Follows::Member),
            (Some(row(true, false, Some("a"))), None, Follows::Gone),
            (Some(row(true, true, Some("a"))), None, Follows::OwnerOnly),
        ];
        for (membership, from, expected) in table {
            assert_eq!(follows(membership.as_ref(), from), expected, "{membership:?}, {from:?}");
        }
    }

    #[test]
    fn a_group_is_looked_at_behind_those_nested_in_it() {
        let of = |group: &str, sources: &[&str]| NestingRule {
            group: group.to_owned(),
            mode: NestingMode::Any,
            sources: sources.iter().map(|source| ((*source).to_owned(), false)).collect(),
        };
        let rules = vec![of("a", &["b", "z"]), of("b", &["c"]), of("c", &["x"]), of("d", &["a", "b"])];
        let order: Vec<String> = in_order(rules).into_iter().map(|rule| rule.group).collect();
        assert_eq!(order, ["c", "b", "a", "d"]);
        assert_eq!(in_order(vec![of("a", &["b"]), of("b", &["a"])]).len(), 2);
    }

    #[test]
    fn the_way_from_a_group_to_another_names_all_between() {
        let nestings = [nesting("a", "b"), nesting("b", "c"), nesting("a", "d"), nesting("c", "e")];
        assert_eq!(way(&nestings, "a", "e").unwrap(), ["a", "b", "c", "e"]);
        assert_eq!(way(&nestings, "a", "a").unwrap(), ["a"]);
        assert_eq!(way(&nestings, "e", "a"), None);
        assert_eq!(way(&nestings, "d", "b"), None);
    }
}
