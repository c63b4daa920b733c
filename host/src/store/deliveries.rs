//! What was delivered by a COmanage Registry about each person.

use sqlx::Row;

use super::rows::{document, json};
use super::{StoreError, Transaction};
use crate::registry::ingest::Ledger;

impl Transaction<'_> {
    /// What the documents about a person said so far.
    pub async fn delivery_ledger(&mut self, co: &str, person: &str) -> Result<Option<Ledger>, StoreError> {
        let row = sqlx::query("SELECT document FROM deliveries WHERE co = $1 AND person_id = $2")
            .bind(co)
            .bind(person)
            .fetch_optional(self.in_collaboration(co).await?)
            .await?;
        row.map(|row| document("deliveries", person, row.try_get(0)?)).transpose()
    }

    /// Stores what the documents about a person said so far.
    pub async fn put_delivery_ledger(
        &mut self,
        co: &str,
        person: &str,
        ledger: &Ledger,
    ) -> Result<(), StoreError> {
        let document = json(ledger)?;
        sqlx::query(
            "INSERT INTO deliveries (co, person_id, document) VALUES ($1, $2, $3) \
             ON CONFLICT (co, person_id) DO UPDATE SET document = excluded.document",
        )
        .bind(co)
        .bind(person)
        .bind(document)
        .execute(self.in_collaboration(co).await?)
        .await?;
        Ok(())
    }
}
