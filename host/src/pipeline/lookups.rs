//! Look-ups in one collaboration for one target, read from the store.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::contract::{collaboration_units, group, group_member, identifiers_of_target, service};
use super::targets::CollaborationState;
use crate::capabilities::contract::records::{CollaborationUnit, Group, Identifier};
use crate::capabilities::contract::registry::{Affiliation, GroupPage, MemberPage, ServicePage};
use crate::capabilities::registry::RegistryReader;
use crate::clock::Clock;
use crate::registry::record::{Person, Record, RecordKind, SubjectKey};
use crate::registry::visible::{self, is_valid_at, visible_group};
use crate::store::{Store, StoredRecord};

/// Look-ups of one call.
pub(super) struct Lookups {
    pub(super) store: Store,
    pub(super) co: Arc<CollaborationState>,
    pub(super) target: String,
    pub(super) clock: Clock,
}

/// The `next` of a page: the last `id` when the page is full.
fn next<T>(items: &[T], limit: u32, id: impl Fn(&T) -> &str) -> Option<String> {
    items.last().filter(|_| items.len() >= limit as usize).map(|last| id(last).to_owned())
}

impl Lookups {
    fn co(&self) -> &str {
        &self.co.collaboration.id
    }

    async fn live(&self, kind: RecordKind, id: &str) -> anyhow::Result<Option<Record>> {
        let key = SubjectKey { kind, id: id.to_owned() };
        let stored = self.store.record(self.co(), &key).await?;
        Ok(stored.filter(|stored| stored.deleted.is_none()).map(|stored| stored.record))
    }

    fn group_of(&self, stored: Record) -> Option<Group> {
        match stored {
            Record::Group(found) => {
                Some(group(visible_group(*found, &self.co.email_lists, None), &self.co.view))
            }
            _ => None,
        }
    }

    async fn member_page(
        &self,
        group: &str,
        identifier_type: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> anyhow::Result<Option<MemberPage>> {
        if self.live(RecordKind::Group, group).await?.is_none() {
            return Ok(None);
        }
        let memberships = self.store.members_of_group(self.co(), group, after, limit).await?;
        let next = next(&memberships, limit, |membership| &membership.person);
        let ids: Vec<String> = memberships.iter().map(|membership| membership.person.clone()).collect();
        let people: HashMap<String, Person> = self
            .store
            .records_by_id(self.co(), RecordKind::Person, &ids)
            .await?
            .into_iter()
            .filter_map(|StoredRecord { key, record, .. }| match record {
                Record::Person(person) => Some((key.id, *person)),
                _ => None,
            })
            .collect();
        let now = self.clock.now();
        let members = memberships
            .into_iter()
            .filter(|membership| is_valid_at(membership.valid_from, membership.valid_through, now))
            .filter_map(|membership| {
                let person = people.get(&membership.person)?;
                person
                    .status
                    .is_in_force()
                    .then(|| group_member(visible::group_member(membership, person, identifier_type)))
            })
            .collect();
        Ok(Some(MemberPage { members, next }))
    }
}

impl RegistryReader for Lookups {
    fn members(
        &self,
        group: String,
        identifier_type: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> BoxFuture<'_, anyhow::Result<Option<MemberPage>>> {
        async move { self.member_page(&group, identifier_type.as_deref(), after.as_deref(), limit).await }
            .boxed()
    }

    fn group(&self, group: String) -> BoxFuture<'_, anyhow::Result<Option<Group>>> {
        async move { Ok(self.live(RecordKind::Group, &group).await?.and_then(|record| self.group_of(record))) }.boxed()
    }

    fn groups(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, anyhow::Result<GroupPage>> {
        async move {
            let records = self.store.records(self.co(), RecordKind::Group, after.as_deref(), limit).await?;
            let next = next(&records, limit, |stored| &stored.key.id);
            let groups = records.into_iter().filter_map(|stored| self.group_of(stored.record)).collect();
            Ok(GroupPage { groups, next })
        }
        .boxed()
    }

    fn services(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, anyhow::Result<ServicePage>> {
        async move {
            let records = self.store.records(self.co(), RecordKind::Service, after.as_deref(), limit).await?;
            let next = next(&records, limit, |stored| &stored.key.id);
            let services = records
                .into_iter()
                .filter_map(|stored| match stored.record {
                    Record::Service(found) => Some(service(*found, &self.co.view)),
                    _ => None,
                })
                .collect();
            Ok(ServicePage { services, next })
        }
        .boxed()
    }

    fn collaboration_units(&self) -> BoxFuture<'_, anyhow::Result<Vec<CollaborationUnit>>> {
        async move { Ok(collaboration_units(&self.co.collaboration)) }.boxed()
    }

    fn affiliations(&self) -> BoxFuture<'_, anyhow::Result<Vec<Affiliation>>> {
        async move {
            let defined = &self.co.collaboration.affiliations;
            Ok(defined
                .iter()
                .map(|defined| Affiliation {
                    affiliation: defined.affiliation.clone(),
                    edu_person_affiliation: defined.edu_person_affiliation.clone(),
                })
                .collect())
        }
        .boxed()
    }

    fn written_identifiers(&self, record: String) -> BoxFuture<'_, anyhow::Result<Option<Vec<Identifier>>>> {
        async move {
            for kind in [RecordKind::Person, RecordKind::Group] {
                match self.live(kind, &record).await? {
                    Some(Record::Person(found)) => {
                        return Ok(Some(identifiers_of_target(found.identifiers, &self.target)));
                    }
                    Some(Record::Group(found)) => {
                        return Ok(Some(identifiers_of_target(found.identifiers, &self.target)));
                    }
                    _ => {}
                }
            }
            Ok(None)
        }
        .boxed()
    }
}
