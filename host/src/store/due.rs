//! Records and memberships whose validity changes at an instant, and collaborations whose automatic groups are still to be
//! filled: what time, and not a request, brings about.

use jiff::Timestamp;
use sqlx::Row;

use super::memberships::membership_of;
use super::rows::timestamp;
use super::{Store, StoreError, Transaction};
use crate::registry::record::Membership;

pub(super) const DUE_PEOPLE: &str =
    "SELECT id, due FROM records WHERE co = $1 AND due <= $2 ORDER BY due, id LIMIT $3";
pub(super) const DUE_MEMBERSHIPS: &str = "SELECT group_id, person_id, document, due FROM memberships \
     WHERE co = $1 AND due <= $2 ORDER BY due, group_id, person_id LIMIT $3";
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
    /// People a part of whom is due, the longest due first, with the instant at which it was; 1970 where that is not known.
    pub async fn due_people(
        &mut self,
        co: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = sqlx::query(DUE_PEOPLE)
            .bind(co)
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(self.in_collaboration(co).await?)
            .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get(0)?;
                let due = timestamp("records", &id, row.try_get(1)?)?;
                Ok((id, due))
            })
            .collect()
    }

    /// Memberships that are due, as [`due_people`](Self::due_people).
    pub async fn due_memberships(
        &mut self,
        co: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Membership, Timestamp)>, StoreError> {
        let rows = sqlx::query(DUE_MEMBERSHIPS)
            .bind(co)
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(self.in_collaboration(co).await?)
            .await?;
        rows.iter()
            .map(|row| {
                let membership = membership_of(row)?;
                let due = timestamp("memberships", &membership.person, row.try_get(3)?)?;
                Ok((membership, due))
            })
            .collect()
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
