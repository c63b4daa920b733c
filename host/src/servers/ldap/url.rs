//! Where a directory is.

use std::fmt;
use std::str::FromStr;

use crate::servers::authority::Authority;

/// `ldap://HOST:PORT` or `ldaps://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapUrl {
    ldaps: bool,
    authority: Authority,
}

impl LdapUrl {
    pub fn is_ldaps(&self) -> bool {
        self.ldaps
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for LdapUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
        let (ldaps, standard_port) = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => (false, 389),
            "ldaps" => (true, 636),
            _ => return Err("must start with ldap:// or ldaps://".to_owned()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err("must end behind host and port; base DNs are in `base_dns`".to_owned());
        }
        if authority.contains('@') {
            return Err("must not hold user and password; use `authentication`".to_owned());
        }
        Ok(Self { ldaps, authority: Authority::parse(authority, standard_port)? })
    }
}

impl fmt::Display for LdapUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", if self.ldaps { "ldaps" } else { "ldap" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_normalised_and_others_refused() {
        for (text, url) in [
            ("ldap://Directory.Example.org", "ldap://directory.example.org:389"),
            ("LDAPS://127.0.0.1/", "ldaps://127.0.0.1:636"),
            ("ldap://[::1]:3890", "ldap://[::1]:3890"),
            ("ldap://x:80", "ldap://x:80"),
        ] {
            assert_eq!(text.parse::<LdapUrl>().unwrap().to_string(), url);
        }
        for text in [
            "",
            "http://x",
            "ldapi:///run",
            "ldap://",
            "ldap://x/dc=y",
            "ldap://x?y",
            "ldap://a:b@x",
            "ldap://x:99999",
        ] {
            assert!(text.parse::<LdapUrl>().is_err(), "{text}");
        }
    }
}
