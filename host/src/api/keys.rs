//! API keys: made, verified, listed and removed. What a key may do is decided in `auth`.
//!
//! A key is `pvk_<id>_<random>`. The store has its SHA-256 only: 256 random bits need no slow hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use serde::Serialize;

use crate::store::{ApiKeyRow, Store, StoreError};

/// What every key begins with, so that one that leaked is recognised.
const PREFIX: &str = "pvk";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// What a key shall be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The one collaboration it opens; none opens the whole platform.
    pub co: Option<String>,
    /// Whether it may write.
    pub full_access: bool,
    /// For the operator: who has it, what for.
    pub description: String,
}

/// A key just made.
#[derive(Debug)]
pub struct CreatedKey {
    /// Names the key in the list and in the change history.
    pub id: String,
    /// The whole key. It cannot be shown again.
    pub key: SecretString,
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    pub id: String,
    /// None: the whole platform.
    pub co: Option<String>,
    /// Whether it may write.
    pub full_access: bool,
    pub description: String,
    pub created: Timestamp,
}

/// Why a key is not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no collaboration `{0}`; create it first")]
    UnknownCollaboration(String),
    #[error("there is no key `{0}`")]
    Unknown(String),
    #[error("the system gives no random numbers")]
    Random,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key and stores its hash.
pub async fn create(store: &Store, new: NewKey) -> Result<CreatedKey, KeyError> {
    let id: String = random::<ID_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{PREFIX}_{id}_{}", URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?));
    let row = ApiKeyRow {
        id: id.clone(),
        co: new.co,
        full_access: new.full_access,
        description: new.description,
        hash: hash(&key),
        created: Timestamp::now(),
    };
    let stored = store.write(move |transaction| {
        Box::pin(async move {
            if let Some(co) = &row.co
                && transaction.collaboration(co).await?.is_none()
            {
                return Err(KeyError::UnknownCollaboration(co.clone()));
            }
            Ok(transaction.put_api_key(&row).await?)
        })
    });
    stored.await?;
    Ok(CreatedKey { id, key: SecretString::from(key) })
}

/// The stored key that this text is, if it is one.
pub async fn verify(store: &Store, key: &str) -> Result<Option<ApiKeyRow>, StoreError> {
    let mut parts = key.splitn(3, '_');
    let (Some(PREFIX), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let row = store.api_key_by_id(id).await?;
    Ok(row.filter(|row| same(&row.hash, &hash(key))))
}

/// All keys, in the order they were made.
pub async fn list(store: &Store) -> Result<Vec<KeyEntry>, StoreError> {
    let entry = |row: ApiKeyRow| KeyEntry {
        id: row.id,
        co: row.co,
        full_access: row.full_access,
        description: row.description,
        created: row.created,
    };
    Ok(store.api_keys().await?.into_iter().map(entry).collect())
}

/// Removes a key; it opens nothing from then on.
pub async fn delete(store: &Store, id: &str) -> Result<(), KeyError> {
    let id = id.to_owned();
    store
        .write(move |transaction| {
            Box::pin(async move {
                match transaction.delete_api_key(&id).await? {
                    true => Ok(()),
                    false => Err(KeyError::Unknown(id)),
                }
            })
        })
        .await
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

fn hash(key: &str) -> String {
    digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares in a time that tells nothing of where two hashes differ: by their tags under a key of this process.
fn same(stored: &str, presented: &str) -> bool {
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else { return false };
    hmac::verify(&key, presented.as_bytes(), hmac::sign(&key, stored.as_bytes()).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    async fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite://{}", directory.path().join("keys.db").display())).await.unwrap();
        (directory, store)
    }

    fn platform(full_access: bool) -> NewKey {
        NewKey { co: None, full_access, description: "tests".to_owned() }
    }

    #[tokio::test]
    async fn a_key_is_found_by_itself_and_by_nothing_else() {
        let (_directory, store) = store().await;
        let created = create(&store, platform(true)).await.unwrap();
        let other = create(&store, platform(false)).await.unwrap();
        let key = created.key.expose_secret();
        assert!(key.starts_with(&format!("pvk_{}_", created.id)), "{key}");
        assert_eq!(verify(&store, key).await.unwrap().unwrap().id, created.id);
        let swapped = other.key.expose_secret().replace(&other.id, &created.id);
        let altered = format!("{}A", &key[..key.len() - 1]);
        for wrong in ["", "pvk", "pvk__", &key[..key.len() - 1], &format!("{key}="), &swapped, &created.id] {
            assert_eq!(verify(&store, wrong).await.unwrap(), None, "{wrong}");
        }
        assert!(altered == key || verify(&store, &altered).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_store_never_has_the_key_itself() {
        let (_directory, store) = store().await;
        let created = create(&store, platform(true)).await.unwrap();
        let row = store.api_key_by_id(&created.id).await.unwrap().unwrap();
        let secret = created.key.expose_secret().splitn(3, '_').last().unwrap().to_owned();
        assert!(!format!("{row:?} {created:?}").contains(&secret));
        assert_eq!(row.hash.len(), 64);
    }

    #[tokio::test]
    async fn a_removed_key_opens_nothing() {
        let (_directory, store) = store().await;
        let created = create(&store, platform(true)).await.unwrap();
        delete(&store, &created.id).await.unwrap();
        assert_eq!(verify(&store, created.key.expose_secret()).await.unwrap(), None);
        assert_eq!(list(&store).await.unwrap(), []);
        let again = delete(&store, &created.id).await.unwrap_err();
        assert!(again.to_string().contains(&created.id));
    }

    #[tokio::test]
    async fn a_key_of_a_collaboration_needs_that_collaboration() {
        let (_directory, store) = store().await;
        let new = NewKey { co: Some("missing".to_owned()), ..platform(true) };
        let error = create(&store, new).await.unwrap_err();
        assert!(matches!(error, KeyError::UnknownCollaboration(co) if co == "missing"));
    }
}
