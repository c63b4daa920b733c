//! The words and COmanage codes behind the variants of the contract.
//!
//! A word is the name of the case in snake_case, as in JSON: "grace_period". The case `other` carries its own word and
//! gives it as word and as code.

use super::{GroupType, ServiceVisibility, Status, SubjectKind};
use crate::Action;

static STATUSES: [(Status, &str, &str); 16] = [
    (Status::Active, "A", "active"),
    (Status::Approved, "Y", "approved"),
    (Status::Confirmed, "C", "confirmed"),
    (Status::Declined, "X", "declined"),
    (Status::Deleted, "D", "deleted"),
    (Status::Denied, "N", "denied"),
    (Status::Duplicate, "D2", "duplicate"),
    (Status::Expired, "XP", "expired"),
    (Status::GracePeriod, "GP", "grace_period"),
    (Status::Invited, "I", "invited"),
    (Status::Locked, "LK", "locked"),
    (Status::Pending, "P", "pending"),
    (Status::PendingApproval, "PA", "pending_approval"),
    (Status::PendingConfirmation, "PC", "pending_confirmation"),
    (Status::PendingVetting, "PV", "pending_vetting"),
    (Status::Suspended, "S", "suspended"),
];

impl Status {
    /// The word: "grace_period".
    pub fn word(&self) -> &str {
        match self {
            Status::Other(word) => word,
            status => STATUSES.iter().find(|(known, ..)| known == status).map_or("", |(_, _, word)| word),
        }
    }

    /// The code of the COmanage Core API: "GP".
    pub fn code(&self) -> &str {
        match self {
            Status::Other(word) => word,
            status => STATUSES.iter().find(|(known, ..)| known == status).map_or("", |(_, code, _)| code),
        }
    }

    /// The status of a word; `other` for one that is not known.
    pub fn from_word(word: &str) -> Self {
        let known = STATUSES.iter().find(|(.., known)| *known == word);
        known.map_or_else(|| Status::Other(word.to_owned()), |(status, ..)| status.clone())
    }

    /// The status of a COmanage code; `other` for one that is not known.
    ///
    /// ```
    /// use provender_sdk::records::Status;
    ///
    /// assert_eq!(Status::from_code("GP"), Status::GracePeriod);
    /// assert_eq!(Status::from_code("GP").word(), "grace_period");
    /// ```
    pub fn from_code(code: &str) -> Self {
        let known = STATUSES.iter().find(|(_, known, _)| *known == code);
        known.map_or_else(|| Status::Other(code.to_owned()), |(status, ..)| status.clone())
    }
}

impl GroupType {
    /// The code of COmanage: "MA".
    pub fn code(&self) -> &str {
        match self {
            GroupType::Standard => "S",
            GroupType::ActiveMembers => "MA",
            GroupType::AllMembers => "M",
            GroupType::Admins => "A",
            GroupType::Approvers => "AP",
            GroupType::Clusters => "CL",
            GroupType::Other(word) => word,
        }
    }
}

impl ServiceVisibility {
    /// The code of COmanage: "CP".
    pub fn code(&self) -> &str {
        match self {
            ServiceVisibility::CoAdmins => "CA",
            ServiceVisibility::CoGroupMembers => "CG",
            ServiceVisibility::CoMembers => "CP",
            ServiceVisibility::Unauthenticated => "P",
            ServiceVisibility::Other(word) => word,
        }
    }
}

impl SubjectKind {
    /// All kinds that the contract has a type for.
    pub const ALL: &'static [SubjectKind] =
        &[SubjectKind::Person, SubjectKind::Group, SubjectKind::EmailList, SubjectKind::Service];

    /// The word: "email_list".
    pub fn word(&self) -> &str {
        match self {
            SubjectKind::Person => "person",
            SubjectKind::Group => "group",
            SubjectKind::EmailList => "email_list",
            SubjectKind::Service => "service",
            SubjectKind::Other(word) => word,
        }
    }
}

impl Action {
    /// The word: "reprovision_requested".
    pub fn word(&self) -> &str {
        match self {
            Action::Added => "added",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
            Action::ReprovisionRequested => "reprovision_requested",
            Action::EnrollmentFinalized => "enrollment_finalized",
            Action::Pipeline => "pipeline",
            Action::EnteredGracePeriod => "entered_grace_period",
            Action::Expired => "expired",
            Action::Unexpired => "unexpired",
            Action::AuthenticatorUpdated => "authenticator_updated",
            Action::Other(word) => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_word_and_by_its_code() {
        for (status, code, word) in &STATUSES {
            assert_eq!(&Status::from_code(code), status);
            assert_eq!(&Status::from_word(word), status);
            assert_eq!(status.code(), *code);
            assert_eq!(status.word(), *word);
        }
    }

    #[test]
    fn an_unknown_status_keeps_its_word() {
        assert_eq!(Status::from_code("QQ"), Status::Other("QQ".to_owned()));
        assert_eq!(Status::from_word("asleep").word(), "asleep");
        assert_eq!(Status::from_word("asleep").code(), "asleep");
    }

    #[test]
    fn words_are_those_of_the_json() {
        for (status, _, word) in &STATUSES {
            assert_eq!(serde_json::to_value(status).unwrap(), *word);
        }
        for kind in SubjectKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        for action in [
            Action::Added,
            Action::Updated,
            Action::Deleted,
            Action::ReprovisionRequested,
            Action::EnrollmentFinalized,
            Action::Pipeline,
            Action::EnteredGracePeriod,
            Action::Expired,
            Action::Unexpired,
            Action::AuthenticatorUpdated,
            Action::Other("paused".to_owned()),
        ] {
            assert_eq!(serde_json::to_value(&action).unwrap(), action.word());
        }
    }
}
