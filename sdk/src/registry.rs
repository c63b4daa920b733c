//! Read-only look-ups in the collaboration of the call: what provisioning needs and what does not fit into a record.
//!
//! Lists come as iterators that fetch page by page:
//!
//! ```no_run
//! use provender_sdk::{Failure, registry};
//!
//! fn member_uids(group: &str) -> Result<Vec<String>, Failure> {
//!     let mut uids = Vec::new();
//!     for member in registry::members(group, Some("uid")) {
//!         let member = member?;
//!         if member.member {
//!             uids.extend(member.identifiers.into_iter().map(|uid| uid.identifier));
//!         }
//!     }
//!     Ok(uids)
//! }
//! ```

use crate::bindings::host::provender::plugin::registry as contract;
use crate::pages::pages;
use crate::records::{Group, GroupMember, Service};

pub use contract::{Affiliation, Error, affiliations, collaboration_units, get_group, written_identifiers};

/// Most records that one look-up gives.
const PAGE: u32 = 500;

/// Members and owners of a group that are in force, by ascending `id` of the person. Each has its active identifiers of
/// `identifier_type`, or all active ones without it.
pub fn members(
    group: &str,
    identifier_type: Option<&str>,
) -> impl Iterator<Item = Result<GroupMember, Error>> {
    pages(move |after: Option<String>| {
        let page = contract::members(group, identifier_type, after.as_deref(), PAGE)?;
        Ok((page.members, page.next))
    })
}

/// All groups of the CO, by ascending `id`.
pub fn groups() -> impl Iterator<Item = Result<Group, Error>> {
    pages(|after: Option<String>| {
        let page = contract::groups(after.as_deref(), PAGE)?;
        Ok((page.groups, page.next))
    })
}

/// All services of the CO, by ascending `id`.
pub fn services() -> impl Iterator<Item = Result<Service, Error>> {
    pages(|after: Option<String>| {
        let page = contract::services(after.as_deref(), PAGE)?;
        Ok((page.services, page.next))
    })
}
