//! Encryption of secrets at rest, and the key that does it. Where sealed secrets are stored is not decided here.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

const KEY_BYTES: usize = 32;
/// Version of the sealed form: AES-256-GCM, a random nonce before the ciphertext.
const VERSION: &str = "v1";

/// What can go wrong with a key or a sealed secret. No text holds key material or a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key file cannot be read or made.
    #[error("secret key file {path}: {reason}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Others can read the key file.
    #[error("secret key file {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    KeyFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is not what it should be; the text says why.
    #[error("secret key from {origin} {reason}; it must be {KEY_BYTES} random bytes in base64")]
    InvalidKey {
        /// A file or "the environment".
        origin: String,
        /// Why.
        reason: String,
    },
    /// The sealed text has no form that this version knows.
    #[error("sealed secret has an unknown form; it was written by a newer version, or is damaged")]
    UnknownForm,
    /// The secret was sealed with another key.
    #[error(
        "secret was sealed with key {sealed_with}, and this host has key {present}: restore that key, or set the secret again"
    )]
    OtherKey {
        /// Identifier of the key that sealed it.
        sealed_with: String,
        /// Identifier of the key at hand.
        present: String,
    },
    /// The ciphertext was altered, or belongs to something else.
    #[error("sealed secret is damaged or belongs to something else than {belongs_to}: set the secret again")]
    Damaged {
        /// What it was opened for.
        belongs_to: String,
    },
    /// The system's source of random numbers, or the cipher, failed.
    #[error("the system's cryptography failed: no random numbers, or a secret too long to be encrypted")]
    Cryptography,
}

/// A secret as it may be stored: `v1:<key identifier>:<nonce and ciphertext in base64url>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(String);

/// The key of this host that seals and opens secrets.
pub struct SecretKey {
    cipher: LessSafeKey,
    identifier: String,
    random: SystemRandom,
    derivation: hmac::Key,
}

impl SecretKey {
    /// Reads the key from a file; makes the file, readable by its owner only, when there is none.
    ///
    /// Hosts that start together on one file agree on one key.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretError> {
        match Self::load(path)? {
            Some(key) => Ok(key),
            None => {
                create_key_file(path)?;
                Self::load(path)?.ok_or_else(|| key_file(path, "vanished after it was created"))
            }
        }
    }

    /// Reads the key from its base64 form, as it stands in a key file or in the environment.
    pub fn from_base64(text: &str) -> Result<Self, SecretError> {
        Self::decode(text, "the environment")
    }

    /// Names the key without giving it away; stands in every secret it sealed.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// A key for another purpose, which gives nothing of this one away.
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        let tag = hmac::sign(&self.derivation, format!("provender derived key\0{purpose}").as_bytes());
        let mut derived = [0; KEY_BYTES];
        for (to, from) in derived.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        derived
    }

    /// Encrypts a secret. It can only be opened with the same `belongs_to`, so that a sealed secret that is moved to
    /// another place in the store is of no use there.
    pub fn seal(&self, belongs_to: &str, secret: &SecretString) -> Result<SealedSecret, SecretError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SecretError::Cryptography)?;
        let mut ciphertext = Zeroizing::new(secret.expose_secret().as_bytes().to_vec());
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                associated_data(&self.identifier, belongs_to),
                &mut *ciphertext,
            )
            .map_err(|_| SecretError::Cryptography)?;
        let sealed = [nonce.as_slice(), ciphertext.as_slice()].concat();
        Ok(SealedSecret(format!("{VERSION}:{}:{}", self.identifier, URL_SAFE_NO_PAD.encode(sealed))))
    }

    /// Decrypts what [`seal`](Self::seal) made for the same `belongs_to`.
    pub fn open(&self, belongs_to: &str, sealed: &SealedSecret) -> Result<SecretString, SecretError> {
        let mut parts = sealed.0.splitn(3, ':');
        let (Some(VERSION), Some(identifier), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SecretError::UnknownForm);
        };
        if identifier != self.identifier {
            return Err(SecretError::OtherKey {
                sealed_with: identifier.to_owned(),
                present: self.identifier.clone(),
            });
        }
        let damaged = || SecretError::Damaged { belongs_to: belongs_to.to_owned() };
        let body = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| damaged())?);
        let (nonce, ciphertext) = body.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut ciphertext = Zeroizing::new(ciphertext.to_vec());
        let secret = self
            .cipher
            .open_in_place(nonce, associated_data(&self.identifier, belongs_to), &mut ciphertext)
            .map_err(|_| damaged())?;
        let secret = std::str::from_utf8(secret).map_err(|_| damaged())?;
        Ok(SecretString::from(secret))
    }

    /// Reads the key from a file, if there is one.
    pub fn load(path: &Path) -> Result<Option<Self>, SecretError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(key_file(path, error)),
        };
        if !metadata.is_file() {
            return Err(key_file(path, "is not a file"));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretError::KeyFileOpen { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(fs::read(path).map_err(|error| key_file(path, error))?);
        let origin = format!("file {}", path.display());
        let text = std::str::from_utf8(&text).map_err(|_| SecretError::InvalidKey {
            origin: origin.clone(),
            reason: "is not text".to_owned(),
        })?;
        Self::decode(text, &origin).map(Some)
    }

    fn decode(text: &str, origin: &str) -> Result<Self, SecretError> {
        let invalid = |reason: String| SecretError::InvalidKey { origin: origin.to_owned(), reason };
        let text = text.trim();
        if text.is_empty() {
            return Err(invalid("is empty".to_owned()));
        }
        let bytes = STANDARD_NO_PAD
            .decode(text.trim_end_matches('='))
            .map(Zeroizing::new)
            // The decoder's own text quotes a symbol of the key.
            .map_err(|_| invalid("is not base64".to_owned()))?;
        if bytes.len() != KEY_BYTES {
            return Err(invalid(format!("has {} bytes", bytes.len())));
        }
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SecretError::Cryptography)?;
        Ok(Self {
            cipher: LessSafeKey::new(key),
            identifier: identify(&bytes),
            random: SystemRandom::new(),
            derivation: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
        })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretKey").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

/// The first bytes of a hash: enough to tell keys apart, useless for finding one.
fn identify(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"provender secret key identifier\0");
    context.update(key);
    context.finish().as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn associated_data(identifier: &str, belongs_to: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{VERSION}:{identifier}:{belongs_to}").into_bytes())
}

/// Writes a new key beside `path` and links it into place, so that no half-written key is ever seen and a key that
/// another host made meanwhile is never replaced.
fn create_key_file(path: &Path) -> Result<(), SecretError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(&mut *key).map_err(|_| SecretError::Cryptography)?;
    let text = Zeroizing::new(STANDARD.encode(*key));
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut file =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o600)).tempfile_in(directory)?;
        writeln!(file, "{}", text.as_str())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => File::open(directory)?.sync_all(),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error),
        }
    };
    write().map_err(|error| key_file(path, error))
}

fn key_file(path: &Path, reason: impl fmt::Display) -> SecretError {
    SecretError::KeyFile { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_base64(&STANDARD.encode([byte; KEY_BYTES])).unwrap()
    }

    fn hunter2() -> SecretString {
        SecretString::from("hunter2 ✓")
    }

    #[test]
    fn a_sealed_secret_opens_for_what_it_belongs_to() {
        let key = key(7);
        let sealed = key.seal("co/server/password", &hunter2()).unwrap();
        assert_eq!(key.open("co/server/password", &sealed).unwrap().expose_secret(), "hunter2 ✓");
        assert!(!sealed.0.contains("hunter2"));
        assert!(sealed.0.starts_with(&format!("v1:{}:", key.identifier())));
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        let key = key(7);
        assert_ne!(key.seal("a", &hunter2()).unwrap(), key.seal("a", &hunter2()).unwrap());
    }

    #[test]
    fn a_secret_that_was_moved_altered_or_cut_does_not_open() {
        let key = key(7);
        let sealed = key.seal("co/one/password", &hunter2()).unwrap();
        let moved = key.open("co/two/password", &sealed).unwrap_err();
        assert!(moved.to_string().contains("co/two/password"), "{moved}");

        let (head, body) = sealed.0.rsplit_once(':').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
        for position in 0..bytes.len() {
            bytes[position] ^= 1;
            let altered = SealedSecret(format!("{head}:{}", URL_SAFE_NO_PAD.encode(&bytes)));
            assert!(matches!(key.open("co/one/password", &altered), Err(SecretError::Damaged { .. })));
            bytes[position] ^= 1;
        }
        let cut = SealedSecret(format!("{head}:AAAA"));
        assert!(matches!(key.open("co/one/password", &cut), Err(SecretError::Damaged { .. })));
    }

    #[test]
    fn another_key_and_another_form_are_named() {
        let sealed = key(7).seal("a", &hunter2()).unwrap();
        let error = key(8).open("a", &sealed).unwrap_err();
        assert!(
            matches!(&error, SecretError::OtherKey { sealed_with, .. } if sealed_with == key(7).identifier())
        );
        for form in ["", "v1", "v1:ab", "v2:ab:cd", "hunter2"] {
            let error = key(7).open("a", &SealedSecret(form.to_owned())).unwrap_err();
            assert!(matches!(error, SecretError::UnknownForm), "{form}: {error}");
        }
    }

    #[test]
    fn debug_output_and_errors_hold_no_key() {
        let text = STANDARD.encode([42; KEY_BYTES]);
        let key = SecretKey::from_base64(&text).unwrap();
        assert!(!format!("{key:?}").contains(&text));
        assert!(!format!("{key:?}").contains("42, 42"));
        let error = SecretKey::from_base64(&format!("{text}!")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&text));
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_refused() {
        for (text, part) in [
            ("", "is empty"),
            ("  \n", "is empty"),
            ("not base64 at all!", "is not base64"),
            (&STANDARD.encode([1; 16]), "has 16 bytes"),
            (&STANDARD.encode([1; 33]), "has 33 bytes"),
        ] {
            let error = SecretKey::from_base64(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(error.contains("32 random bytes in base64"), "{error}");
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        let first = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let sealed = first.seal("a", &hunter2()).unwrap();
        let again = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(again.open("a", &sealed).unwrap().expose_secret(), "hunter2 ✓");
        let from_environment = SecretKey::from_base64(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(from_environment.identifier(), first.identifier());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn hosts_that_start_together_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || SecretKey::load_or_create(&path).unwrap().identifier().to_owned())
            })
            .collect();
        let mut identifiers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        identifiers.dedup();
        assert_eq!(identifiers.len(), 1);
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_what_helps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        SecretKey::load_or_create(&path).unwrap();
        for mode in [0o644, 0o640, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = SecretKey::load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn a_key_file_that_is_none_or_nowhere_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = SecretKey::load_or_create(directory.path()).unwrap_err().to_string();
        assert!(error.contains("is not a file"), "{error}");

        let nowhere = directory.path().join("missing/secret.key");
        let error = SecretKey::load_or_create(&nowhere).unwrap_err().to_string();
        assert!(error.contains("missing/secret.key"), "{error}");

        let binary = directory.path().join("binary.key");
        fs::write(&binary, [0xff; 32]).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o600)).unwrap();
        let error = SecretKey::load_or_create(&binary).unwrap_err().to_string();
        assert!(error.contains("is not text"), "{error}");
    }
}
