//! Where a subject stands at each target.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::dialect::Dialect;
use super::rows::{ManyRows, document, json, kind_word, last_of_each};
use super::{Store, StoreError, Transaction};
use crate::provisioning::ProvisionedService;
use crate::registry::record::SubjectKey;

pub(super) const TABLE: &str = "provisioned_services";

const PUT: ManyRows = ManyRows {
    head: "INSERT INTO provisioned_services (co, subject_kind, subject_id, target, document)",
    columns: 5,
    tail: "ON CONFLICT (co, subject_kind, subject_id, target) DO UPDATE SET document = excluded.document",
};

/// Where some subjects stand: pairs of target and subject.
const AT: ManyRows = ManyRows {
    head: "SELECT subject_kind, subject_id, target, document FROM provisioned_services \
           WHERE (co, subject_kind, subject_id, target) IN (",
    columns: 4,
    tail: ")",
};

impl Store {
    /// Where a subject stands at a target; `None` when it was never provisioned there.
    pub async fn provisioned_service(
        &self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Option<ProvisionedService>, StoreError> {
        provisioned_service(&mut *self.reader().await?, co, target, subject).await
    }

    /// Where a subject stands at the targets that it was provisioned at, by ascending id of the target.
    pub async fn provisioned_services(
        &self,
        co: &str,
        subject: &SubjectKey,
    ) -> Result<Vec<ProvisionedService>, StoreError> {
        let rows = sqlx::query(
            "SELECT subject_kind, subject_id, target, document FROM provisioned_services \
             WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 ORDER BY target",
        )
        .bind(co)
        .bind(kind_word(subject.kind))
        .bind(subject.id.as_str())
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(service_of).collect()
    }

    /// Where subjects stand at targets; those that were never looked at for them are left out.
    pub async fn provisioned_services_at(
        &self,
        co: &str,
        places: &[(String, SubjectKey)],
    ) -> Result<Vec<ProvisionedService>, StoreError> {
        provisioned_services_at(&mut *self.reader().await?, self.location.dialect(), co, places).await
    }
}

impl Transaction<'_> {
    /// Where a subject stands at a target; `None` when it was never provisioned there.
    pub async fn provisioned_service(
        &mut self,
        co: &str,
        target: &str,
        subject: &SubjectKey,
    ) -> Result<Option<ProvisionedService>, StoreError> {
        provisioned_service(self.in_collaboration(co).await?, co, target, subject).await
    }

    /// Where subjects stand at targets; those that were never provisioned there are left out.
    pub async fn provisioned_services_at(
        &mut self,
        co: &str,
        places: &[(String, SubjectKey)],
    ) -> Result<Vec<ProvisionedService>, StoreError> {
        let dialect = self.dialect;
        provisioned_services_at(self.in_collaboration(co).await?, dialect, co, places).await
    }

    /// Stores where subjects stand, in place of what was known. Of two for the same subject and target the last stays.
    pub async fn put_provisioned_services(
        &mut self,
        co: &str,
        services: &[ProvisionedService],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(services.len());
        for service in last_of_each(services.iter(), |service| (&service.target, &service.subject)) {
            rows.push((service, json(service)?));
        }
        let dialect = self.dialect;
        PUT.execute(self.in_collaboration(co).await?, dialect, &rows, |query, (service, document)| {
            let query =
                query.bind(co).bind(kind_word(service.subject.kind)).bind(service.subject.id.as_str());
            query.bind(service.target.as_str()).bind(document.as_str())
        })
        .await?;
        Ok(())
    }
}

async fn provisioned_services_at(
    connection: &mut AnyConnection,
    dialect: Dialect,
    co: &str,
    places: &[(String, SubjectKey)],
) -> Result<Vec<ProvisionedService>, StoreError> {
    let rows = AT
        .execute(connection, dialect, places, |query, (target, subject)| {
            let query = query.bind(co).bind(kind_word(subject.kind)).bind(subject.id.as_str());
            query.bind(target.as_str())
        })
        .await?;
    rows.iter().map(service_of).collect()
}

async fn provisioned_service(
    connection: &mut AnyConnection,
    co: &str,
    target: &str,
    subject: &SubjectKey,
) -> Result<Option<ProvisionedService>, StoreError> {
    let row = sqlx::query(
        "SELECT subject_kind, subject_id, target, document FROM provisioned_services \
         WHERE co = $1 AND subject_kind = $2 AND subject_id = $3 AND target = $4",
    )
    .bind(co)
    .bind(kind_word(subject.kind))
    .bind(subject.id.as_str())
    .bind(target)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(service_of).transpose()
}

fn service_of(row: &AnyRow) -> Result<ProvisionedService, StoreError> {
    let (kind, id, target): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    document(TABLE, &format!("{kind} {id} at {target}"), row.try_get(3)?)
}
