//! What LDAP writes as text: distinguished names (RFC 4514), search filters (RFC 4515), names of attributes (RFC 4512).
//!
//! Pure: the host decides by it what a plugin may reach, and plugins build their names with it.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attribute;
mod dn;
mod filter;

pub use attribute::{AttributeName, InvalidAttributeName};
pub use dn::{Dn, InvalidDn, Rdn};
pub use filter::{Filter, InvalidFilter, Matching, escape_filter_value};
