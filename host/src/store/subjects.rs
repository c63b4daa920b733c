//! What runs read of their subjects, in one statement: a round trip to a database costs more than what this one reads.

use sqlx::Row;

use super::memberships::membership_of;
use super::records::record_of;
use super::rows::{ManyRows, kind_word};
use super::{Store, StoreError, StoredRecord};
use crate::registry::record::{Membership, SubjectKey};

/// Subjects of a collaboration, all as they were at one moment.
#[derive(Debug, Default)]
pub struct SubjectsRead {
    /// [`Store::configuration_generation`].
    pub generation: i64,
    /// [`Transaction::last_change`](super::Transaction::last_change).
    pub change: i64,
    /// Those that there are, also deleted ones.
    pub records: Vec<StoredRecord>,
    /// Of the people among them.
    pub memberships: Vec<Membership>,
    /// Of these memberships, also deleted ones.
    pub groups: Vec<StoredRecord>,
}

// A cross join keeps SQLite from going through the large table.
pub(super) const READ: ManyRows = ManyRows {
    head: "WITH asked (co, kind, id) AS (",
    columns: 3,
    tail: "), theirs AS (\
           SELECT m.co, m.group_id, m.person_id, m.document FROM asked a CROSS JOIN memberships m \
           WHERE a.kind = 'person' AND m.co = a.co AND m.person_id = a.id\
           ) \
           SELECT '', '', '', (SELECT generation FROM configuration_generations g WHERE g.co = a.co), \
           CAST(NULL AS TEXT), 'generation' FROM (SELECT DISTINCT co FROM asked) a \
           UNION ALL \
           SELECT '', '', '', (SELECT MAX(sequence) FROM changes c WHERE c.co = a.co), \
           NULL, 'change' FROM (SELECT DISTINCT co FROM asked) a \
           UNION ALL \
           SELECT r.kind, r.id, r.document, r.deleted, r.last_memberships, 'record' FROM asked a CROSS JOIN records r \
           WHERE r.co = a.co AND r.kind = a.kind AND r.id = a.id \
           UNION ALL \
           SELECT group_id, person_id, document, NULL, NULL, 'membership' FROM theirs \
           UNION ALL \
           SELECT r.kind, r.id, r.document, r.deleted, r.last_memberships, 'group' \
           FROM (SELECT DISTINCT co, group_id FROM theirs) t CROSS JOIN records r \
           WHERE r.co = t.co AND r.kind = 'group' AND r.id = t.group_id",
};

impl Store {
    /// Reads subjects, each of which is named once, with what they are provisioned by. More than a hundred may be read in
    /// parts, each at its moment; the numbers are those of the first.
    pub async fn read_subjects(&self, co: &str, subjects: &[SubjectKey]) -> Result<SubjectsRead, StoreError> {
        let dialect = self.location.dialect();
        let rows = READ
            .execute(&mut *self.reader().await?, dialect, subjects, |query, subject| {
                query.bind(co).bind(kind_word(subject.kind)).bind(subject.id.as_str())
            })
            .await?;
        let (mut read, mut numbers) = (SubjectsRead::default(), [None, None]);
        for row in &rows {
            match row.try_get(5)? {
                "record" => read.records.push(record_of(row)?),
                "membership" => read.memberships.push(membership_of(row)?),
                "group" => read.groups.push(record_of(row)?),
                number => {
                    let [generation, change] = &mut numbers;
                    let at = if number == "change" { change } else { generation };
                    at.get_or_insert(row.try_get::<Option<i64>, _>(3)?.unwrap_or_default());
                }
            }
        }
        [read.generation, read.change] = numbers.map(Option::unwrap_or_default);
        Ok(read)
    }
}
