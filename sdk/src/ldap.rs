//! Entries of the directory that the operator bound to a slot of kind `ldap`.
//!
//! DNs are built as [`Dn`], which escapes what it is given (RFC 4514); values of filters go through [`escape_filter_value`].
//! [`Error`] becomes a [`Failure`] by `?`: by the result code, where the server answered.
//!
//! ```no_run
//! use provender_sdk::ldap::{self, Dn, Entry, attribute, escape_filter_value};
//! use provender_sdk::Failure;
//!
//! fn add(base: &str, uid: &str) -> Result<(), Failure> {
//!     let dn = Dn::parse(base)?.child("uid", uid)?;
//!     let directory = ldap::open("directory")?;
//!     directory.add(&Entry {
//!         dn: dn.to_string(),
//!         attributes: vec![attribute("objectClass", ["account"]), attribute("uid", [uid])],
//!     })?;
//!     let filter = format!("(uid={})", escape_filter_value(uid));
//!     for entry in ldap::search(&directory, base, &filter, &["uid"])? {
//!         println!("{}", entry?.dn);
//!     }
//!     Ok(())
//! }
//! ```

use crate::Failure;
use crate::pages::pages;

pub use crate::bindings::host::provender::plugin::ldap::{
    Attribute, Directory, Entry, Error, Modification, ResultCode, Scope, Search, SearchRequest, open,
};
pub use provender_ldap_names::{
    AttributeName, Dn, InvalidAttributeName, InvalidDn, Rdn, escape_filter_value,
};

/// Most entries that one look-up gives.
const PAGE: u32 = 500;

/// An attribute with texts as values.
pub fn attribute<V: Into<Vec<u8>>>(name: &str, values: impl IntoIterator<Item = V>) -> Attribute {
    Attribute { name: name.to_owned(), values: values.into_iter().map(Into::into).collect() }
}

/// Entries at or below a base, fetched by page.
pub fn search(
    directory: &Directory,
    base: &str,
    filter: &str,
    attributes: &[&str],
) -> Result<impl Iterator<Item = Result<Entry, Error>> + use<>, Error> {
    let search = directory.search(&request(base, Scope::WholeSubtree, filter, attributes))?;
    Ok(pages(move |_| {
        let entries = search.next()?;
        let next = if entries.is_empty() { None } else { Some(String::new()) };
        Ok((entries, next))
    }))
}

/// One entry, if it is there.
pub fn read(directory: &Directory, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Error> {
    let search = directory.search(&request(dn, Scope::BaseObject, "(objectClass=*)", attributes))?;
    match search.next() {
        Ok(mut entries) => Ok(entries.pop()),
        Err(error) if error.is(NO_SUCH_OBJECT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn request(base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> SearchRequest {
    SearchRequest {
        base: base.to_owned(),
        scope,
        filter: filter.to_owned(),
        attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
        page_size: PAGE,
    }
}

pub const NO_SUCH_OBJECT: u32 = 32;
pub const ENTRY_ALREADY_EXISTS: u32 = 68;

impl Entry {
    /// The values of an attribute, whatever the case of its name.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
        found.map_or(&[], |attribute| &attribute.values)
    }
}

impl Error {
    /// Whether the server answered with this code.
    pub fn is(&self, code: u32) -> bool {
        matches!(self, Self::Answer(answer) if answer.code == code)
    }
}

/// ```
/// use provender_sdk::Failure;
/// use provender_sdk::ldap::{Error, ResultCode};
///
/// let busy = ResultCode {
///     code: 51,
///     name: "busy".to_owned(),
///     matched_dn: String::new(),
///     diagnostic_message: "come back".to_owned(),
///     referrals: Vec::new(),
/// };
/// assert_eq!(Failure::from(Error::Answer(busy)), Failure::transient("the directory answers busy: come back"));
/// ```
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Answer(answer) => answer.into(),
            Error::InvalidArgument(message) => Failure::invalid_data(message),
            Error::Refused(message) => Failure::configuration(message),
            Error::Authentication(message) => Failure::authentication(message),
            Error::Unavailable(message) | Error::ConnectionLost(message) => Failure::transient(message),
            Error::TooLarge(message) | Error::Other(message) => Failure::permanent(message),
        }
    }
}

impl From<ResultCode> for Failure {
    fn from(answer: ResultCode) -> Self {
        let mut message = format!("the directory answers {}", answer.name);
        if answer.name == "other" {
            message.push_str(&format!(" ({})", answer.code));
        }
        if !answer.diagnostic_message.is_empty() {
            message.push_str(&format!(": {}", answer.diagnostic_message));
        }
        match answer.code {
            // timeLimitExceeded, busy, unavailable
            3 | 51 | 52 => Failure::transient(message),
            // authMethodNotSupported to confidentialityRequired, inappropriateAuthentication to insufficientAccessRights
            7 | 8 | 13 | 48 | 49 | 50 => Failure::authentication(message),
            10 | 71 => {
                let elsewhere = answer.referrals.join(", ");
                Failure::configuration(format!(
                    "{message}; it refers to {elsewhere}: bind the server that holds the entries"
                ))
            }
            // sizeLimitExceeded, adminLimitExceeded
            4 | 11 => Failure::configuration(format!(
                "{message}; raise the limit of the directory for the bound entry"
            )),
            // unavailableCriticalExtension, undefinedAttributeType, unwillingToPerform
            12 | 17 | 53 => Failure::configuration(message),
            // constraintViolation, invalidAttributeSyntax, invalidDNSyntax, namingViolation, objectClassViolation
            18 | 19 | 21 | 34 | 64 | 65 | 69 => Failure::invalid_data(message),
            // attributeOrValueExists, notAllowedOnNonLeaf, entryAlreadyExists
            20 | 66 | 68 => Failure::conflict(message),
            _ => Failure::permanent(message),
        }
    }
}

impl From<InvalidDn> for Failure {
    fn from(error: InvalidDn) -> Self {
        Failure::invalid_data(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_failure_by_what_helps() {
        let failure = |code| {
            Failure::from(Error::Answer(ResultCode {
                code,
                name: "x".to_owned(),
                matched_dn: String::new(),
                diagnostic_message: String::new(),
                referrals: vec!["ldap://other".to_owned()],
            }))
        };
        assert!(matches!(failure(49), Failure::Authentication(_)));
        assert!(matches!(failure(52), Failure::Transient(_)));
        assert!(matches!(failure(68), Failure::Conflict(_)));
        assert!(matches!(failure(65), Failure::InvalidData(_)));
        assert!(matches!(failure(80), Failure::Permanent(_)));
        let referred = failure(10);
        assert!(matches!(&referred, Failure::Configuration(_)));
        assert!(referred.message().contains("ldap://other"), "{referred:?}");
    }
}
