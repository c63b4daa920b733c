//! From the registry's records to those of the plugin contract, and from the contract's outcomes to ours.
//!
//! One direction for records: what a plugin gives back stays in the contract's types on its way to the next plugin.

mod outcomes;
mod parts;
mod subjects;

pub use outcomes::{Passed, failed_by_fault, failed_by_plugin, filtered_by_plugin, finished_by_plugin};
pub(super) use subjects::{
    CollaborationView, action, collaboration_units, group, group_member, identifiers_of_target, service,
    subject_department, subject_email_list, subject_group, subject_kind, subject_person, subject_service,
    without_cause,
};

use jiff::Timestamp;

use crate::capabilities::contract::records as wit;
use crate::registry::record::{Extension, Meta, Status};

/// RFC 3339 with whole seconds.
pub(super) fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn timestamp_option(at: Option<Timestamp>) -> Option<String> {
    at.map(timestamp)
}

fn metadata(meta: Meta) -> wit::Metadata {
    wit::Metadata {
        id: meta.id,
        created: timestamp(meta.created),
        modified: timestamp(meta.modified),
        revision: meta.revision,
        source: meta.source,
    }
}

fn extensions(extensions: Vec<Extension>) -> Vec<wit::Extension> {
    extensions
        .into_iter()
        .map(|extension| wit::Extension { name: extension.name, json: extension.value.to_string() })
        .collect()
}

fn status(status: Status) -> wit::Status {
    match status {
        Status::Active => wit::Status::Active,
        Status::Approved => wit::Status::Approved,
        Status::Confirmed => wit::Status::Confirmed,
        Status::Declined => wit::Status::Declined,
        Status::Deleted => wit::Status::Deleted,
        Status::Denied => wit::Status::Denied,
        Status::Duplicate => wit::Status::Duplicate,
        Status::Expired => wit::Status::Expired,
        Status::GracePeriod => wit::Status::GracePeriod,
        Status::Invited => wit::Status::Invited,
        Status::Locked => wit::Status::Locked,
        Status::Pending => wit::Status::Pending,
        Status::PendingApproval => wit::Status::PendingApproval,
        Status::PendingConfirmation => wit::Status::PendingConfirmation,
        Status::PendingVetting => wit::Status::PendingVetting,
        Status::Suspended => wit::Status::Suspended,
    }
}
