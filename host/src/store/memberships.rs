//! Memberships: rows of their own, so that they can be looked up from both sides.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::dialect::Dialect;
use super::rows::{ManyKeys, ManyRows, document, json, last_of_each};
use super::{Store, StoreError, Transaction};
use crate::registry::record::{Group, Membership};
use crate::registry::validity::next_of_membership;

/// A membership with the group it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipInGroup {
    pub membership: Membership,
    pub group: Group,
}

pub(super) const TABLE: &str = "memberships";

const PUT: ManyRows = ManyRows {
    head: "INSERT INTO memberships (co, group_id, person_id, document, due)",
    columns: 5,
    tail: "ON CONFLICT (co, group_id, person_id) DO UPDATE SET document = excluded.document, due = excluded.due",
};
pub(super) const OF_PEOPLE: ManyKeys = ManyKeys {
    head: &["SELECT group_id, person_id, document FROM memberships WHERE co = ", " AND person_id IN"],
    tail: "",
};
pub(super) const DELETE: ManyRows =
    ManyRows { head: "DELETE FROM memberships WHERE (co, group_id, person_id) IN (", columns: 3, tail: ")" };
pub(super) const OF_PERSON: &str = "SELECT memberships.group_id, memberships.person_id, memberships.document, records.document \
     FROM memberships JOIN records ON records.co = memberships.co AND records.kind = 'group' \
     AND records.id = memberships.group_id AND records.deleted IS NULL \
     WHERE memberships.co = $1 AND memberships.person_id = $2 ORDER BY memberships.group_id";
pub(super) const DELETE_OF_PERSON: &str = "DELETE FROM memberships WHERE co = $1 AND person_id = $2";
pub(super) const DELETE_OF_GROUP: &str = "DELETE FROM memberships WHERE co = $1 AND group_id = $2";

impl Store {
    /// The memberships of people, in no order.
    pub async fn memberships_of_people(
        &self,
        co: &str,
        people: &[String],
    ) -> Result<Vec<Membership>, StoreError> {
        memberships_of_people(&mut *self.reader().await?, self.location.dialect(), co, people).await
    }

    /// What a person is part of, by ascending id of the group; groups that were deleted do not count.
    pub async fn memberships_of_person(
        &self,
        co: &str,
        person: &str,
    ) -> Result<Vec<MembershipInGroup>, StoreError> {
        memberships_of_person(&mut *self.reader().await?, co, person).await
    }

    /// A page of a group's memberships, by ascending id of the person, from behind `after`.
    pub async fn members_of_group(
        &self,
        co: &str,
        group: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Membership>, StoreError> {
        members_of_group(&mut *self.reader().await?, co, group, after, limit).await
    }

    /// One membership.
    pub async fn membership(
        &self,
        co: &str,
        group: &str,
        person: &str,
    ) -> Result<Option<Membership>, StoreError> {
        membership(&mut *self.reader().await?, co, group, person).await
    }
}

impl Transaction<'_> {
    /// What a person is part of, by ascending id of the group; groups that were deleted do not count.
    pub async fn memberships_of_person(
        &mut self,
        co: &str,
        person: &str,
    ) -> Result<Vec<MembershipInGroup>, StoreError> {
        memberships_of_person(self.in_collaboration(co).await?, co, person).await
    }

    /// What several people are part of, in no order.
    pub async fn memberships_of_people(
        &mut self,
        co: &str,
        people: &[String],
    ) -> Result<Vec<Membership>, StoreError> {
        let dialect = self.dialect;
        memberships_of_people(self.in_collaboration(co).await?, dialect, co, people).await
    }

    /// A page of a group's memberships, by ascending id of the person, from behind `after`.
    pub async fn members_of_group(
        &mut self,
        co: &str,
        group: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Membership>, StoreError> {
        members_of_group(self.in_collaboration(co).await?, co, group, after, limit).await
    }

    /// A page of the people in a group, by ascending id, from behind `after`.
    pub async fn people_in_group(
        &mut self,
        co: &str,
        group: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let people = sqlx::query_scalar(
            "SELECT person_id FROM memberships WHERE co = $1 AND group_id = $2 AND person_id > $3 \
             ORDER BY person_id LIMIT $4",
        )
        .bind(co)
        .bind(group)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(self.in_collaboration(co).await?)
        .await?;
        Ok(people)
    }

    /// One membership.
    pub async fn membership(
        &mut self,
        co: &str,
        group: &str,
        person: &str,
    ) -> Result<Option<Membership>, StoreError> {
        membership(self.in_collaboration(co).await?, co, group, person).await
    }

    /// Stores memberships in place of those of the same person in the same group. Of two the last stays. What becomes of
    /// their validity after `at` is due then.
    pub async fn put_memberships(
        &mut self,
        co: &str,
        memberships: &[Membership],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(memberships.len());
        for membership in
            last_of_each(memberships.iter(), |membership| (&membership.group, &membership.person))
        {
            let due = next_of_membership(membership, at).map(Timestamp::as_microsecond);
            rows.push((membership, json(membership)?, due));
        }
        let dialect = self.dialect;
        PUT.execute(
            self.in_collaboration(co).await?,
            dialect,
            &rows,
            |query, (membership, document, due)| {
                let query = query.bind(co).bind(membership.group.as_str()).bind(membership.person.as_str());
                query.bind(document.as_str()).bind(*due)
            },
        )
        .await?;
        Ok(())
    }

    /// Removes memberships, each given by group and person.
    pub async fn delete_memberships(
        &mut self,
        co: &str,
        memberships: &[(String, String)],
    ) -> Result<(), StoreError> {
        let dialect = self.dialect;
        DELETE
            .execute(self.in_collaboration(co).await?, dialect, memberships, |query, (group, person)| {
                query.bind(co).bind(group.as_str()).bind(person.as_str())
            })
            .await?;
        Ok(())
    }
}

async fn memberships_of_person(
    connection: &mut AnyConnection,
    co: &str,
    person: &str,
) -> Result<Vec<MembershipInGroup>, StoreError> {
    let rows = sqlx::query(OF_PERSON).bind(co).bind(person).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let group = document("records", row.try_get(0)?, row.try_get(3)?)?;
            Ok(MembershipInGroup { membership: membership_of(row)?, group })
        })
        .collect()
}

async fn memberships_of_people(
    connection: &mut AnyConnection,
    dialect: Dialect,
    co: &str,
    people: &[String],
) -> Result<Vec<Membership>, StoreError> {
    let rows =
        OF_PEOPLE.fetch(connection, dialect, &[co], people, |query, id| query.bind(id.as_str())).await?;
    rows.iter().map(membership_of).collect()
}

async fn members_of_group(
    connection: &mut AnyConnection,
    co: &str,
    group: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Membership>, StoreError> {
    let rows = sqlx::query(
        "SELECT group_id, person_id, document FROM memberships \
         WHERE co = $1 AND group_id = $2 AND person_id > $3 ORDER BY person_id LIMIT $4",
    )
    .bind(co)
    .bind(group)
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(membership_of).collect()
}

async fn membership(
    connection: &mut AnyConnection,
    co: &str,
    group: &str,
    person: &str,
) -> Result<Option<Membership>, StoreError> {
    let row = sqlx::query(
        "SELECT group_id, person_id, document FROM memberships \
         WHERE co = $1 AND group_id = $2 AND person_id = $3",
    )
    .bind(co)
    .bind(group)
    .bind(person)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(membership_of).transpose()
}

pub(super) fn membership_of(row: &AnyRow) -> Result<Membership, StoreError> {
    let (group, person): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    document(TABLE, &format!("{group}/{person}"), row.try_get(2)?)
}
