//! Windows of validity.

use super::{ClusterAccount, Membership, OrgIdentity};

/// Whether `time` is inside a window; both ends belong to it, and an end that is missing is open. All are timestamps of
/// the contract, such as `Context::time`.
///
/// ```
/// use provender_sdk::records::valid_at;
///
/// let until_march = Some("2026-03-01T00:00:00Z");
/// assert!(valid_at(None, until_march, "2026-02-28T12:00:00Z"));
/// assert!(!valid_at(None, until_march, "2026-03-01T00:00:01Z"));
/// ```
pub fn valid_at(from: Option<&str>, through: Option<&str>, time: &str) -> bool {
    // Timestamps of the contract are all UTC in one fixed-width form, so they sort as text.
    from.is_none_or(|from| from <= time) && through.is_none_or(|through| time <= through)
}

impl Membership {
    /// Whether `time` is inside the validity of the membership.
    pub fn is_valid_at(&self, time: &str) -> bool {
        valid_at(self.valid_from.as_deref(), self.valid_through.as_deref(), time)
    }
}

impl OrgIdentity {
    /// Whether `time` is inside the validity of the org identity.
    pub fn is_valid_at(&self, time: &str) -> bool {
        valid_at(self.valid_from.as_deref(), self.valid_through.as_deref(), time)
    }
}

impl ClusterAccount {
    /// Whether `time` is inside the validity of the account.
    pub fn is_valid_at(&self, time: &str) -> bool {
        valid_at(self.valid_from.as_deref(), self.valid_through.as_deref(), time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_window() {
        let (from, through) = (Some("2026-01-01T00:00:00Z"), Some("2026-12-31T23:59:59Z"));
        assert!(valid_at(from, through, "2026-01-01T00:00:00Z"));
        assert!(valid_at(from, through, "2026-12-31T23:59:59Z"));
        assert!(!valid_at(from, through, "2025-12-31T23:59:59Z"));
        assert!(!valid_at(from, through, "2027-01-01T00:00:00Z"));
    }

    #[test]
    fn a_missing_end_is_open() {
        assert!(valid_at(None, None, "2026-01-01T00:00:00Z"));
        assert!(Membership::default().is_valid_at("2026-01-01T00:00:00Z"));
        let ended =
            Membership { valid_through: Some("2025-01-01T00:00:00Z".to_owned()), ..Membership::default() };
        assert!(!ended.is_valid_at("2026-01-01T00:00:00Z"));
    }
}
