//! Codes of COmanage's enumerations.

use crate::registry::record::Status;

/// StatusEnum.
const STATUSES: [(&str, Status); 16] = [
    ("A", Status::Active),
    ("Y", Status::Approved),
    ("C", Status::Confirmed),
    ("X", Status::Declined),
    ("D", Status::Deleted),
    ("N", Status::Denied),
    ("D2", Status::Duplicate),
    ("XP", Status::Expired),
    ("GP", Status::GracePeriod),
    ("I", Status::Invited),
    ("LK", Status::Locked),
    ("P", Status::Pending),
    ("PA", Status::PendingApproval),
    ("PC", Status::PendingConfirmation),
    ("PV", Status::PendingVetting),
    ("S", Status::Suspended),
];

/// The status of a code.
pub(super) fn status(code: &str) -> Result<Status, String> {
    match STATUSES.iter().find(|(known, _)| *known == code) {
        Some((_, status)) => Ok(*status),
        None => {
            let known: Vec<&str> = STATUSES.iter().map(|(known, _)| *known).collect();
            Err(format!("\"{code}\" is not a status code; there are {}", known.join(", ")))
        }
    }
}

/// The scheme of a password's encoding (PasswordEncodingEnum); an error for a password in clear.
pub(super) fn password_scheme(code: &str) -> Result<String, String> {
    match code {
        "CR" => Ok("crypt".to_owned()),
        "SH" => Ok("ssha".to_owned()),
        "NO" => Err("a password in clear is not stored: leave it out".to_owned()),
        other => Ok(other.to_lowercase()),
    }
}
