//! Records and memberships whose validity changes at an instant, and collaborations whose automatic groups are still to be
//! filled: what time, and not a request, brings about.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::memberships::membership_of;
use super::rows::{AnyQuery, ManyKeys, timestamp};
use super::{Store, StoreError, Transaction};
use crate::registry::record::Membership;

/// What is due, with the instants at which it was; 1970 where that is not known.
#[derive(Debug, Default, PartialEq)]
pub struct Due {
    /// `id` of people a part of whom is due.
    pub people: Vec<(String, Timestamp)>,
    pub memberships: Vec<(Membership, Timestamp)>,
}

pub(super) const DUE_PEOPLE: &str =
    "SELECT id, due FROM records WHERE co = $1 AND due <= $2 ORDER BY due, id LIMIT $3";
pub(super) const DUE_MEMBERSHIPS: &str = "SELECT group_id, person_id, document, due FROM memberships \
     WHERE co = $1 AND due <= $2 ORDER BY due, group_id, person_id LIMIT $3";
pub(super) const IS_DUE: &str = "SELECT co FROM records WHERE co = $1 AND due <= $2 \
     UNION ALL SELECT co FROM memberships WHERE co = $1 AND due <= $2 LIMIT 1";
pub(super) const DUE_AMONG: ManyKeys = ManyKeys {
    head: &["SELECT id, due FROM records WHERE co = ", " AND kind = 'person' AND id IN"],
    tail: "AND due IS NOT NULL",
};
pub(super) const DUE_OF: ManyKeys = ManyKeys {
    head: &["SELECT group_id, person_id, document, due FROM memberships WHERE co = ", " AND person_id IN"],
    tail: "AND due IS NOT NULL",
};
pub(super) const DUE_IN: ManyKeys = ManyKeys {
    head: &["SELECT group_id, person_id, document, due FROM memberships WHERE co = ", " AND group_id IN"],
    tail: "AND due IS NOT NULL",
};
pub(super) const DUE_COLLABORATIONS: &str = "SELECT co FROM records WHERE due <= $1 \
     UNION SELECT co FROM memberships WHERE due <= $1 ORDER BY co";

impl Store {
    /// Collaborations with something that is due.
    pub async fn due_collaborations(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(DUE_COLLABORATIONS).bind(now.as_microsecond());
        Ok(query.fetch_all(&mut *self.reader().await?).await?)
    }

    /// The earliest instant at which something is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.reader().await?;
        let mut next: Option<i64> = None;
        for sql in [
            "SELECT MIN(due) FROM records WHERE due IS NOT NULL",
            "SELECT MIN(due) FROM memberships WHERE due IS NOT NULL",
        ] {
            let due: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut *reader).await?;
            next = match (next, due) {
                (Some(next), Some(due)) => Some(next.min(due)),
                (next, due) => next.or(due),
            };
        }
        next.map(|due| timestamp("records", "that is due next", due)).transpose()
    }

    /// Collaborations whose automatic groups are still to be filled.
    pub async fn unsettled_collaborations(&self) -> Result<Vec<String>, StoreError> {
        let query =
            sqlx::query_scalar("SELECT id FROM collaborations WHERE unsettled IS NOT NULL ORDER BY id");
        Ok(query.fetch_all(&mut *self.reader().await?).await?)
    }
}

impl Transaction<'_> {
    /// What is due in a collaboration, the longest due first: at most `limit` people, and as many memberships.
    pub async fn due(&mut self, co: &str, now: Timestamp, limit: u32) -> Result<Due, StoreError> {
        let connection = self.in_collaboration(co).await?;
        let query = |sql: &'static str| -> AnyQuery {
            sqlx::query(sql).bind(co.to_owned()).bind(now.as_microsecond()).bind(i64::from(limit))
        };
        let people = query(DUE_PEOPLE).fetch_all(&mut *connection).await?;
        let memberships = query(DUE_MEMBERSHIPS).fetch_all(connection).await?;
        Due::of(&people, &memberships)
    }

    /// What of some people is due, of their memberships, and of all memberships in some groups.
    pub async fn due_of(
        &mut self,
        co: &str,
        now: Timestamp,
        people: &[String],
        groups: &[String],
    ) -> Result<Due, StoreError> {
        let dialect = self.dialect;
        let connection = self.in_collaboration(co).await?;
        // There hardly ever is anything.
        let is_due = sqlx::query(IS_DUE).bind(co).bind(now.as_microsecond());
        if is_due.fetch_optional(&mut *connection).await?.is_none() {
            return Ok(Due::default());
        }
        let bind = |query: AnyQuery, id: &String| query.bind(id.clone());
        let found = DUE_AMONG.fetch(connection, dialect, &[co], people, bind).await?;
        let memberships = DUE_OF.fetch(&mut *connection, dialect, &[co], people, bind).await?;
        let mut due = Due::of(&found, &memberships)?;
        let in_groups = DUE_IN.fetch(connection, dialect, &[co], groups, bind).await?;
        let others = Due::of(&[], &in_groups)?.memberships.into_iter();
        due.memberships.extend(others.filter(|(row, _)| !people.contains(&row.person)));
        due.people.retain(|(_, at)| *at <= now);
        due.memberships.retain(|(_, at)| *at <= now);
        Ok(due)
    }

    /// Notes when a person is due next.
    pub async fn set_person_due(
        &mut self,
        co: &str,
        person: &str,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE records SET due = $1 WHERE co = $2 AND kind = 'person' AND id = $3")
            .bind(due.map(Timestamp::as_microsecond))
            .bind(co)
            .bind(person)
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// Notes when a membership is due next.
    pub async fn set_membership_due(
        &mut self,
        co: &str,
        membership: &Membership,
        due: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE memberships SET due = $1 WHERE co = $2 AND group_id = $3 AND person_id = $4")
            .bind(due.map(Timestamp::as_microsecond))
            .bind(co)
            .bind(membership.group.as_str())
            .bind(membership.person.as_str())
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// The `id` behind which people are still to be brought into automatic groups; none when there are none.
    pub async fn unsettled_behind(&mut self, co: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT unsettled FROM collaborations WHERE id = $1").bind(co);
        let found: Option<Option<String>> = query.fetch_optional(self.in_collaboration(co).await?).await?;
        Ok(found.flatten())
    }

    /// Notes behind which `id` people are still to be brought into automatic groups.
    pub async fn set_unsettled_behind(&mut self, co: &str, id: Option<&str>) -> Result<(), StoreError> {
        sqlx::query("UPDATE collaborations SET unsettled = $1 WHERE id = $2")
            .bind(id)
            .bind(co)
            .execute(self.in_collaboration(co).await?)
            .await?;
        Ok(())
    }

    /// A page of the ids of living people, ascending, from behind `after`.
    pub async fn people_behind(
        &mut self,
        co: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let people = sqlx::query_scalar(
            "SELECT id FROM records WHERE co = $1 AND kind = 'person' AND id > $2 AND deleted IS NULL \
             ORDER BY id LIMIT $3",
        )
        .bind(co)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.in_collaboration(co).await?)
        .await?;
        Ok(people)
    }
}

impl Due {
    fn of(people: &[AnyRow], memberships: &[AnyRow]) -> Result<Self, StoreError> {
        let mut due = Self::default();
        for row in people {
            let id: String = row.try_get(0)?;
            let at = timestamp("records", &id, row.try_get(1)?)?;
            due.people.push((id, at));
        }
        for row in memberships {
            let membership = membership_of(row)?;
            let at = timestamp("memberships", &membership.person, row.try_get(3)?)?;
            due.memberships.push((membership, at));
        }
        Ok(due)
    }
}
