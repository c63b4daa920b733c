//! The form in which a directory keeps a password that it can only compare (RFC 2307, RFC 3112).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provender_sdk::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha_crypt::{PasswordHasher, ShaCrypt};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// How a token is hashed. A token in clear is never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum Scheme {
    /// SHA-512 in 5,000 rounds, as crypt(3) of Linux makes and checks it: the only one that is slow to guess.
    #[default]
    #[serde(rename = "CRYPT")]
    Crypt,
    /// SHA-512; slapd needs the module pw-sha2.
    #[serde(rename = "SSHA512")]
    Ssha512,
    /// SHA-256; slapd needs the module pw-sha2.
    #[serde(rename = "SSHA256")]
    Ssha256,
    /// SHA-1, for directories that know nothing else.
    #[serde(rename = "SSHA")]
    Ssha,
}

/// Bytes of a salt: 16 letters for crypt(3), which takes no more.
pub(crate) const SALT_BYTES: usize = 12;

impl Scheme {
    /// The value of userPassword.
    pub(crate) fn hash(self, token: &str, salt: &[u8]) -> Result<String, Failure> {
        Ok(match self {
            Self::Ssha => salted::<Sha1>("SSHA", token, salt),
            Self::Ssha256 => salted::<Sha256>("SSHA256", token, salt),
            Self::Ssha512 => salted::<Sha512>("SSHA512", token, salt),
            Self::Crypt => {
                let hash = ShaCrypt::SHA512.hash_password_with_salt(token.as_bytes(), salt);
                let hash = hash.map_err(|_| Failure::permanent("the token cannot be hashed"))?;
                format!("{{CRYPT}}{hash}")
            }
        })
    }
}

fn salted<D: Digest>(name: &str, token: &str, salt: &[u8]) -> String {
    let digest = D::new().chain_update(token).chain_update(salt).finalize();
    format!("{{{name}}}{}", STANDARD.encode([digest.as_slice(), salt].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_token_and_salt() {
        assert_eq!(Scheme::Ssha.hash("secret", b"salt").unwrap(), "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0");
        for scheme in [Scheme::Crypt, Scheme::Ssha512, Scheme::Ssha256, Scheme::Ssha] {
            let hash = |token, salt| scheme.hash(token, &[salt; SALT_BYTES]).unwrap();
            assert_eq!(hash("token", 1), hash("token", 1));
            assert_ne!(hash("token", 1), hash("token", 2));
            assert_ne!(hash("token", 1), hash("token2", 1));
            assert!(!hash("token", 1).contains("token"));
        }
        let crypt = Scheme::Crypt.hash("token", &[1; SALT_BYTES]).unwrap();
        assert_eq!(crypt.split('$').nth(3).map(str::len), Some(16), "{crypt}");
    }

    #[test]
    fn no_configuration_asks_for_a_token_in_clear() {
        for word in ["\"CLEARTEXT\"", "\"\"", "\"ssha\"", "null"] {
            assert!(serde_json::from_str::<Scheme>(word).is_err(), "{word}");
        }
    }
}
