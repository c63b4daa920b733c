//! Writes to the collaboration itself, as a whole and entry by entry.

use super::{Registry, WriteError, batch};
use crate::provisioning::Target;
use crate::registry::automatic;
use crate::registry::record::{Collaboration, Entry, Reference};
use crate::registry::validate::validate_collaboration;
use crate::store::Transaction;

impl Registry {
    /// Creates or replaces a collaboration, and tells whether it is new. An entry that something refers to must stay.
    pub async fn put_collaboration(
        &self,
        collaboration: Collaboration,
    ) -> Result<(Collaboration, bool), WriteError> {
        validate_collaboration(&collaboration)?;
        let clock = self.clock.clone();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let before = transaction.collaboration(&collaboration.id).await?;
                    if let Some(before) = &before {
                        entries_in_use_stay(transaction, before, &collaboration).await?;
                    }
                    transaction.put_collaboration(&collaboration).await?;
                    if before.is_none() {
                        // There are no people and no targets yet, so that this is all.
                        batch::settle_collaboration(transaction, &collaboration.id, &clock).await?;
                    }
                    Ok((collaboration, before.is_none()))
                })
            })
            .await
    }

    /// Creates or replaces an entry of a collaboration, and tells whether it is new.
    pub async fn put_entry<E: Entry>(&self, co: &str, entry: E) -> Result<bool, WriteError> {
        self.change_collaboration(co, move |collaboration| {
            let entries = E::entries_mut(collaboration);
            match entries.iter_mut().find(|old| old.id() == entry.id()) {
                Some(old) => {
                    *old = entry;
                    Ok(false)
                }
                None => {
                    entries.push(entry);
                    Ok(true)
                }
            }
        })
        .await
    }

    /// Removes an entry that nothing refers to.
    pub async fn delete_entry<E: Entry>(&self, co: &str, id: &str) -> Result<(), WriteError> {
        let id = id.to_owned();
        self.change_collaboration(co, move |collaboration| {
            let entries = E::entries_mut(collaboration);
            let before = entries.len();
            entries.retain(|entry| entry.id() != id);
            match entries.len() == before {
                true => Err(WriteError::NotFound { kind: E::REFERENCE.word(), id }),
                false => Ok(()),
            }
        })
        .await
    }

    async fn change_collaboration<T: Send + 'static>(
        &self,
        co: &str,
        change: impl FnOnce(&mut Collaboration) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        let co = co.to_owned();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let before = transaction.collaboration(&co).await?;
                    let before = before.ok_or(WriteError::UnknownCollaboration(co))?;
                    let mut collaboration = before.clone();
                    let changed = change(&mut collaboration)?;
                    validate_collaboration(&collaboration)?;
                    entries_in_use_stay(transaction, &before, &collaboration).await?;
                    transaction.put_collaboration(&collaboration).await?;
                    Ok(changed)
                })
            })
            .await
    }
}

async fn entries_in_use_stay(
    transaction: &mut Transaction<'_>,
    before: &Collaboration,
    after: &Collaboration,
) -> Result<(), WriteError> {
    for reference in Reference::ALL {
        let removed = reference.ids(before).into_iter().filter(|id| !reference.is_there(after, id));
        for id in removed {
            let own = match reference {
                Reference::Unit if before.automatic_groups => automatic::ids_of_unit(id).to_vec(),
                _ => Vec::new(),
            };
            let by_record = transaction.record_that_refers(&before.id, reference, id, &own).await?;
            let by = match by_record {
                Some(by) => Some(format!("{} \"{}\"", super::kind_name(by.kind), by.id)),
                None => target_that_refers(transaction, &before.id, reference, id, &own).await?,
            };
            if let Some(by) = by {
                return Err(WriteError::InUse { kind: reference.word(), id: id.to_owned(), by });
            }
        }
    }
    Ok(())
}

/// A target that leaves out the people of a source, or provisions the members of one of a unit's `groups`.
async fn target_that_refers(
    transaction: &mut Transaction<'_>,
    co: &str,
    reference: Reference,
    id: &str,
    groups: &[String],
) -> Result<Option<String>, WriteError> {
    let refers = |target: &Target| match reference {
        Reference::Unit => target.provisioning_group.as_ref().is_some_and(|group| groups.contains(group)),
        Reference::OrgIdentitySource => target.skip_source.as_deref() == Some(id),
        Reference::TermsAndConditions => false,
    };
    let targets = transaction.targets(co).await?;
    Ok(targets.into_iter().find(refers).map(|target| format!("target \"{}\"", target.id)))
}
