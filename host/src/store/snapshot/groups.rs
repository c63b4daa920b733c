//! Who is in which group, person by person: for rules about memberships that follow from something.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row;

use super::Snapshot;
use crate::registry::record::{Group, GroupNesting, Membership, Person};
use crate::store::StoreError;
use crate::store::memberships::membership_of;
use crate::store::nestings::nesting_of;
use crate::store::rows::document;

/// People read at once.
const PAGE: i64 = 500;

/// A living person with its memberships.
pub struct CheckedPerson {
    pub person: Person,
    pub memberships: Vec<Membership>,
    /// Whether time changed something that the host has not brought about yet.
    pub is_due: bool,
}

impl Snapshot {
    /// All groups nested in groups of a collaboration.
    pub async fn nestings(&mut self, co: &str) -> Result<Vec<GroupNesting>, StoreError> {
        let rows = sqlx::query(
            "SELECT group_id, source_id, negate FROM group_nestings WHERE co = $1 ORDER BY group_id, source_id",
        )
        .bind(co)
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter().map(nesting_of).collect()
    }

    /// A living group.
    pub async fn group(&mut self, co: &str, id: &str) -> Result<Option<Group>, StoreError> {
        let json: Option<String> = sqlx::query_scalar(
            "SELECT document FROM records WHERE co = $1 AND kind = 'group' AND id = $2 AND deleted IS NULL",
        )
        .bind(co)
        .bind(id)
        .fetch_optional(&mut self.connection)
        .await?;
        json.map(|json| document("records", id, &json)).transpose()
    }

    /// Whether people are still to be brought into the automatic groups of a collaboration.
    pub async fn is_unsettled(&mut self, co: &str) -> Result<bool, StoreError> {
        let behind: Option<Option<String>> =
            sqlx::query_scalar("SELECT unsettled FROM collaborations WHERE id = $1")
                .bind(co)
                .fetch_optional(&mut self.connection)
                .await?;
        Ok(behind.flatten().is_some())
    }

    /// A page of the living people of a collaboration, by ascending id, from behind `after`. Those that cannot be read are
    /// left out.
    pub async fn people_in_groups(
        &mut self,
        co: &str,
        after: &str,
        now: Timestamp,
    ) -> Result<(Vec<CheckedPerson>, Option<String>), StoreError> {
        let now = now.as_microsecond();
        let people = sqlx::query(
            "SELECT id, document, due FROM records \
             WHERE co = $1 AND kind = 'person' AND id > $2 AND deleted IS NULL ORDER BY id LIMIT $3",
        )
        .bind(co)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        let Some(last) = people.last() else { return Ok((Vec::new(), None)) };
        let last: String = last.try_get(0)?;
        let rows = sqlx::query(
            "SELECT group_id, person_id, document, due FROM memberships \
             WHERE co = $1 AND person_id > $2 AND person_id <= $3 ORDER BY person_id, group_id",
        )
        .bind(co)
        .bind(after)
        .bind(last.as_str())
        .fetch_all(&mut self.connection)
        .await?;
        let mut memberships: HashMap<String, (Vec<Membership>, bool)> = HashMap::new();
        for row in &rows {
            let Ok(membership) = membership_of(row) else { continue };
            let of = memberships.entry(membership.person.clone()).or_default();
            of.1 |= row.try_get::<Option<i64>, _>(3)?.is_some_and(|due| due <= now);
            of.0.push(membership);
        }
        let mut found = Vec::with_capacity(people.len());
        for row in &people {
            let id: &str = row.try_get(0)?;
            let Ok(person) = document("records", id, row.try_get(1)?) else { continue };
            let (memberships, is_due) = memberships.remove(id).unwrap_or_default();
            let is_due = is_due || row.try_get::<Option<i64>, _>(2)?.is_some_and(|due| due <= now);
            found.push(CheckedPerson { person, memberships, is_due });
        }
        let next = (people.len() as i64 == PAGE).then_some(last);
        Ok((found, next))
    }
}
