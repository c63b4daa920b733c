//! Reads the subjects of runs. Runs that begin at about the same time share the queries.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::sync::{mpsc, oneshot};

use crate::registry::record::{Group, Membership, Record, RecordKind, SubjectKey};
use crate::store::{Store, StoreError, StoredRecord, SubjectsRead};

/// A subject as stored, and what it is provisioned by.
#[derive(Clone)]
pub(super) struct Loaded {
    /// Number of the configuration of its collaboration, read before the rest.
    pub(super) generation: i64,
    /// Number of its last change, read before the rest: what was read holds all up to there.
    pub(super) change: i64,
    /// None when there is no trace of it.
    pub(super) stored: Option<StoredRecord>,
    /// Those of a person; the last known ones of a person that is gone.
    pub(super) memberships: Vec<(Membership, Group)>,
}

/// Reads subjects.
#[derive(Clone)]
pub(super) struct Loader(mpsc::Sender<Request>);

struct Request {
    co: String,
    subject: SubjectKey,
    loaded: oneshot::Sender<Result<Loaded, StoreError>>,
}

/// Subjects read together, at most.
const GROUP: usize = 64;

impl Loader {
    /// Reads until all clones are dropped.
    pub(super) fn start(store: Store) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Request>(GROUP);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while receiver.recv_many(&mut group, GROUP).await > 0 {
                answer(&store, std::mem::take(&mut group)).await;
            }
        });
        Self(sender)
    }

    /// Reads one subject, together with those that are asked for at the same time.
    pub(super) async fn load(&self, co: &str, subject: &SubjectKey) -> Result<Loaded, StoreError> {
        let (loaded, answer) = oneshot::channel();
        let request = Request { co: co.to_owned(), subject: subject.clone(), loaded };
        self.0.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

async fn answer(store: &Store, group: Vec<Request>) {
    let mut by_collaboration: HashMap<String, Vec<Request>> = HashMap::new();
    for request in group {
        by_collaboration.entry(request.co.clone()).or_default().push(request);
    }
    for (co, requests) in by_collaboration {
        let subjects: Vec<SubjectKey> = requests.iter().map(|request| request.subject.clone()).collect();
        let together = load(store, &co, &subjects).await;
        for request in requests {
            let loaded = match &together {
                Ok(found) => found.get(&request.subject).cloned().ok_or(StoreError::Closed),
                // A document that cannot be read must not keep the others from being provisioned.
                Err(_) => load_one(store, &co, &request.subject).await,
            };
            // A receiver that is gone has been stopped.
            let _ = request.loaded.send(loaded);
        }
    }
}

/// Reads one subject by itself.
pub(super) async fn load_one(store: &Store, co: &str, subject: &SubjectKey) -> Result<Loaded, StoreError> {
    let found = load(store, co, std::slice::from_ref(subject)).await?;
    found.into_values().next().ok_or(StoreError::Closed)
}

/// Reads subjects, all of them or none.
pub(super) async fn load(
    store: &Store,
    co: &str,
    subjects: &[SubjectKey],
) -> Result<HashMap<SubjectKey, Loaded>, StoreError> {
    // Runs at several targets may ask for the same one at once.
    let subjects: Vec<SubjectKey> = subjects.iter().collect::<HashSet<_>>().into_iter().cloned().collect();
    let SubjectsRead { generation, change, records, mut memberships, groups } =
        store.read_subjects(co, &subjects).await?;
    let records: HashMap<SubjectKey, StoredRecord> =
        records.into_iter().map(|stored| (stored.key.clone(), stored)).collect();
    let mut groups = by_id(groups);
    // Those of people that are gone stand in their records.
    memberships.retain(|membership| {
        let stored = records.get(&person(membership));
        stored.is_some_and(|stored| stored.deleted.is_none())
    });
    let last: Vec<Membership> =
        records.values().flat_map(|stored| stored.last_memberships.iter().cloned()).collect();
    let missing: BTreeSet<String> = last
        .iter()
        .map(|membership| membership.group.clone())
        .filter(|id| !groups.contains_key(id))
        .collect();
    if !missing.is_empty() {
        let missing: Vec<String> = missing.into_iter().collect();
        groups.extend(by_id(store.records_by_id(co, RecordKind::Group, &missing).await?));
    }
    let mut found: HashMap<SubjectKey, Vec<(Membership, Group)>> = HashMap::new();
    for membership in memberships.into_iter().chain(last) {
        if let Some(group) = groups.get(&membership.group) {
            found.entry(person(&membership)).or_default().push((membership, group.clone()));
        }
    }
    Ok(subjects
        .into_iter()
        .map(|subject| {
            let stored = records.get(&subject).cloned();
            let memberships = found.remove(&subject).unwrap_or_default();
            (subject, Loaded { generation, change, stored, memberships })
        })
        .collect())
}

fn person(membership: &Membership) -> SubjectKey {
    SubjectKey { kind: RecordKind::Person, id: membership.person.clone() }
}

fn by_id(groups: Vec<StoredRecord>) -> HashMap<String, Group> {
    let group = |stored: StoredRecord| match stored.record {
        Record::Group(group) => Some((stored.key.id, *group)),
        _ => None,
    };
    groups.into_iter().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::registry::record::{Collaboration, Meta, Person};

    #[tokio::test]
    async fn a_subject_that_is_asked_for_twice_at_once_has_its_memberships_once() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("provender.db").display());
        let store = Store::open(&url).await.unwrap();
        let key = |kind, id: &str| SubjectKey { kind, id: id.to_owned() };
        let (anna, staff) = (key(RecordKind::Person, "anna"), key(RecordKind::Group, "staff"));
        let meta = |key: &SubjectKey| Meta { id: key.id.clone(), ..Meta::default() };
        let records = [
            (anna.clone(), Record::Person(Box::new(Person { meta: meta(&anna), ..Person::default() }))),
            (staff.clone(), Record::Group(Box::new(Group { meta: meta(&staff), ..Group::default() }))),
        ];
        let membership = serde_json::from_value(json!({"group": "staff", "person": "anna"}));
        let membership: Membership = membership.unwrap();
        store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move {
                    let collaboration = Collaboration { id: "co".to_owned(), ..Collaboration::default() };
                    transaction.put_collaboration(&collaboration).await?;
                    transaction.put_records("co", &records, Timestamp::UNIX_EPOCH).await?;
                    transaction.put_memberships("co", &[membership], Timestamp::UNIX_EPOCH).await
                })
            })
            .await
            .unwrap();
        let loader = Loader::start(store);
        let (first, second) = tokio::join!(loader.load("co", &anna), loader.load("co", &anna));
        for loaded in [first, second] {
            assert_eq!(loaded.unwrap().memberships.len(), 1);
        }
    }
}
