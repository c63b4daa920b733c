//! Jobs and their histories, to be read.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::jobs::{TABLE, job_columns, job_of};
use super::rows::{kind_word, subject, timestamp};
use super::{Store, StoreError};
use crate::provisioning::{Job, JobKind, JobLine, JobStatus};
use crate::registry::record::SubjectKey;

/// Which jobs of a collaboration to list; the default is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    pub target: Option<String>,
    pub subject: Option<SubjectKey>,
    pub status: Option<JobStatus>,
    pub kind: Option<JobKind>,
    /// Those that failed and were not tried again, as long as nothing succeeded since.
    pub gave_up: bool,
    /// Without those that a waiting job superseded.
    pub without_superseded: bool,
}

impl Store {
    /// One job.
    pub async fn job(&self, co: &str, id: i64) -> Result<Option<Job>, StoreError> {
        job(&mut *self.reader().await?, co, id).await
    }

    /// A page of the jobs of a collaboration, the newest first, from before `before`.
    pub async fn jobs(
        &self,
        co: &str,
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let mut sql = concat!("SELECT ", job_columns!(), " FROM jobs WHERE co = $1 AND id < $2").to_owned();
        let mut values = Vec::new();
        let mut equal = |sql: &mut String, column: &str, value: &str| {
            values.push(value.to_owned());
            sql.push_str(&format!(" AND {column} = ${}", values.len() + 2));
        };
        if let Some(target) = &filter.target {
            equal(&mut sql, "target", target);
        }
        if let Some(subject) = &filter.subject {
            equal(&mut sql, "subject_kind", kind_word(subject.kind));
            equal(&mut sql, "subject_id", &subject.id);
        }
        if let Some(status) = filter.status {
            equal(&mut sql, "status", status.word());
        }
        if let Some(kind) = filter.kind {
            equal(&mut sql, "kind", kind.word());
        }
        if filter.gave_up {
            sql.push_str(" AND gave_up = 1");
        }
        if filter.without_superseded {
            sql.push_str(" AND superseded_by IS NULL");
        }
        sql.push_str(&format!(" ORDER BY id DESC LIMIT {limit}"));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(co).bind(before.unwrap_or(i64::MAX));
        for value in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&mut *self.reader().await?).await?;
        rows.iter().map(job_of).collect()
    }

    /// What happened to a job, in order.
    pub async fn job_history(&self, co: &str, id: i64) -> Result<Vec<JobLine>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, text, subject_kind, subject_id FROM job_history WHERE co = $1 AND job = $2 ORDER BY line",
        )
        .bind(co)
        .bind(id)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let key = id.to_string();
        rows.iter()
            .map(|row| {
                let kind: Option<&str> = row.try_get(2)?;
                Ok(JobLine {
                    at: timestamp(TABLE, &key, row.try_get(0)?)?,
                    text: row.try_get(1)?,
                    subject: kind.map(|kind| subject(TABLE, kind, row.try_get(3)?)).transpose()?,
                })
            })
            .collect()
    }
}

pub(super) async fn job(
    connection: &mut AnyConnection,
    co: &str,
    id: i64,
) -> Result<Option<Job>, StoreError> {
    let row = sqlx::query(concat!("SELECT ", job_columns!(), " FROM jobs WHERE co = $1 AND id = $2"))
        .bind(co)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(job_of).transpose()
}
