//! Writes at random to groups, nestings and memberships, while time passes: after each of them, memberships that come from
//! nesting are those that a naive reckoning from scratch gives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::clock::Clock;
use crate::registry::record::{GroupNesting, NestingMode, Status};
use crate::registry::visible::is_valid_at;
use crate::registry::write::WriteError;

const GROUPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const PEOPLE: [&str; 4] = ["p", "q", "r", "s"];

/// Numbers that look random and are the same each time (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

struct Model {
    scene: Scene,
    clock: Clock,
    nestings: BTreeMap<(String, String), bool>,
}

impl Model {
    async fn new() -> Self {
        let mut scene = Scene::new().await;
        let clock = Clock::standing_at("2026-01-01T00:00:00Z".parse().unwrap());
        scene.registry = Registry::with_clock(scene.store.clone(), clock.clone());
        Self { scene, clock, nestings: BTreeMap::new() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes something, which may be refused, and tells what it was.
    async fn step(&mut self, dice: &mut Dice) -> String {
        let (id, other, member) = (dice.one_of(&GROUPS), dice.one_of(&GROUPS), dice.one_of(&PEOPLE));
        let registry = &self.scene.registry;
        let (what, result) = match dice.below(12) {
            0..=3 => {
                let hours = |dice: &mut Dice| {
                    let hours = dice.below(40) as i64 - 20;
                    (dice.below(2) == 0).then(|| self.now() + SignedDuration::from_hours(hours))
                };
                let (valid_from, valid_through) = (hours(dice), hours(dice));
                let owner_only = dice.below(5) == 0;
                let row = Membership {
                    valid_from,
                    valid_through,
                    member: !owner_only,
                    owner: owner_only,
                    ..membership(id, member)
                };
                (format!("{row:?}"), registry.put_membership(CO, row, &options()).await)
            }
            4 => (
                format!("{member} leaves {id}"),
                registry.delete_membership(CO, id, member, &options()).await,
            ),
            5..=6 => {
                let negate = dice.below(3) == 0;
                let nesting = GroupNesting { group: id.to_owned(), source: other.to_owned(), negate };
                let result = registry.nest(CO, nesting, &options()).await;
                if result.is_ok() {
                    self.nestings.insert((id.to_owned(), other.to_owned()), negate);
                }
                (format!("{other} in {id}, negate {negate}"), result)
            }
            7 => {
                let result = registry.unnest(CO, id, other, &options()).await;
                self.nestings.remove(&(id.to_owned(), other.to_owned()));
                (format!("{other} out of {id}"), result)
            }
            8..=9 => {
                let status = if dice.below(3) == 0 { Status::Suspended } else { Status::Active };
                let nesting_mode = if dice.below(2) == 0 { NestingMode::All } else { NestingMode::Any };
                let record = Group { status, nesting_mode, ..group(id) };
                (format!("{record:?}"), registry.put(CO, group_key(id), record.into(), &options()).await)
            }
            10 if dice.below(3) == 0 => {
                self.nestings.retain(|(group, source), _| group != id && source != id);
                (format!("group {id} goes"), registry.delete(CO, &group_key(id), &options()).await)
            }
            10 => {
                let result = match dice.below(3) {
                    0 => registry.delete(CO, &person_key(member), &options()).await,
                    _ => registry.put(CO, person_key(member), person(member).into(), &options()).await,
                };
                (format!("person {member}"), result)
            }
            _ => {
                self.clock.advance(Duration::from_secs(3_600 * dice.below(12) as u64));
                while registry.pass_time(CO).await.unwrap().more {}
                return format!("{}", self.now());
            }
        };
        match result {
            Err(WriteError::Store(error)) => panic!("{what}: {error}"),
            Err(error) => format!("{what}: {error}"),
            Ok(_) => what,
        }
    }

    async fn live_groups(&self) -> BTreeMap<String, Group> {
        let mut groups = BTreeMap::new();
        for stored in self.scene.store.records(CO, RecordKind::Group, None, 100).await.unwrap() {
            if let Record::Group(group) = stored.record {
                groups.insert(stored.key.id, *group);
            }
        }
        groups
    }

    /// Stored memberships from nesting, and those that should be, as pairs of group and person.
    async fn compare(&self) -> [BTreeSet<(String, String)>; 2] {
        let groups = self.live_groups().await;
        let mut by_hand = BTreeMap::new();
        let mut stored = BTreeSet::new();
        for id in groups.keys() {
            for row in self.scene.store.members_of_group(CO, id, None, 100).await.unwrap() {
                let key = (id.clone(), row.person.clone());
                match &row.nested_from {
                    Some(_) => {
                        assert!(row.member && !by_hand.contains_key(&key));
                        stored.insert(key.clone());
                        if row.owner {
                            by_hand.insert(key, Membership { member: false, nested_from: None, ..row });
                        }
                    }
                    None => {
                        by_hand.insert(key, row);
                    }
                }
            }
        }
        let mut expected = BTreeSet::new();
        // Without cycles, this many rounds reach the end of every chain.
        for _ in 0..=GROUPS.len() {
            expected = self.round(&groups, &by_hand, &expected).await;
        }
        [stored, expected]
    }

    async fn round(
        &self,
        groups: &BTreeMap<String, Group>,
        by_hand: &BTreeMap<(String, String), Membership>,
        nested: &BTreeSet<(String, String)>,
    ) -> BTreeSet<(String, String)> {
        let now = self.now();
        let is_member = |group: &str, person: &str| {
            let key = (group.to_owned(), person.to_owned());
            let counts = |row: &Membership| row.member && is_valid_at(row.valid_from, row.valid_through, now);
            nested.contains(&key) || by_hand.get(&key).is_some_and(counts)
        };
        let mut next = BTreeSet::new();
        for (id, group) in groups {
            let sources: Vec<(&str, bool)> = self
                .nestings
                .iter()
                .filter(|((of, source), _)| {
                    of == id && groups.get(source).is_some_and(|group| group.status == Status::Active)
                })
                .map(|((_, source), negate)| (source.as_str(), *negate))
                .collect();
            for person in PEOPLE {
                let positive: Vec<bool> = sources
                    .iter()
                    .filter(|(_, negate)| !negate)
                    .map(|(source, _)| is_member(source, person))
                    .collect();
                let kept_out = sources.iter().any(|(source, negate)| *negate && is_member(source, person));
                let let_in = match group.nesting_mode {
                    NestingMode::Any => positive.iter().any(|member| *member),
                    NestingMode::All => !positive.is_empty() && positive.iter().all(|member| *member),
                };
                let key = (id.clone(), person.to_owned());
                let stands = by_hand
                    .get(&key)
                    .is_some_and(|row| row.member || row.valid_from.is_some() || row.valid_through.is_some());
                if let_in && !kept_out && !stands {
                    next.insert(key);
                }
            }
        }
        next
    }
}

#[tokio::test]
async fn nested_memberships_are_right_after_any_write_and_at_any_time() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let mut model = Model::new().await;
        for id in PEOPLE {
            model.scene.put(person(id)).await;
        }
        for id in GROUPS {
            model.scene.put(group(id)).await;
        }
        let mut seen = 0;
        let mut done = Vec::new();
        for _ in 0..300 {
            done.push(model.step(&mut dice).await);
            let [stored, expected] = model.compare().await;
            assert_eq!(stored, expected, "seed {seed}: {:#?}", &done[done.len().saturating_sub(4)..]);
            seen += stored.len();
        }
        assert!(seen > 40, "seed {seed} nested {seen} memberships only");
    }
}
