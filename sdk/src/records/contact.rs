//! Email addresses, postal addresses and telephone numbers: which, and how they are written.

use super::{Address, EmailAddress, Person, TelephoneNumber};

impl Person {
    /// The email address to use: of the first of `types` that the person has one of, a verified one before others.
    /// Without types, of any type. None when the person has no address of these types.
    ///
    /// ```
    /// use provender_sdk::records::{EmailAddress, Person};
    ///
    /// let email = |mail: &str, email_type: &str, verified| EmailAddress {
    ///     mail: mail.to_owned(),
    ///     email_type: email_type.to_owned(),
    ///     verified,
    ///     ..EmailAddress::default()
    /// };
    /// let person = Person {
    ///     email_addresses: vec![
    ///         email("a@home.example", "personal", true),
    ///         email("old@example.org", "official", false),
    ///         email("a@example.org", "official", true),
    ///     ],
    ///     ..Person::default()
    /// };
    /// assert_eq!(person.preferred_email(&["official", "personal"]).unwrap().mail, "a@example.org");
    /// assert_eq!(person.preferred_email(&["delivery"]), None);
    /// ```
    pub fn preferred_email(&self, types: &[&str]) -> Option<&EmailAddress> {
        if types.is_empty() {
            return verified_first(self.email_addresses.iter());
        }
        types.iter().find_map(|wanted| {
            verified_first(self.email_addresses.iter().filter(|address| address.email_type == *wanted))
        })
    }
}

fn verified_first<'a>(addresses: impl Iterator<Item = &'a EmailAddress> + Clone) -> Option<&'a EmailAddress> {
    addresses.clone().find(|address| address.verified).or_else(|| addresses.clone().next())
}

impl Address {
    /// The address in one line: street, room, locality, state, postal code and country, separated by ", ".
    pub fn formatted(&self) -> String {
        let parts = [&self.street, &self.room, &self.locality, &self.state, &self.postal_code, &self.country];
        let parts: Vec<String> = parts
            .into_iter()
            .flatten()
            .flat_map(|part| part.lines())
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        parts.join(", ")
    }
}

impl TelephoneNumber {
    /// The number in one line: "+36 1 2345678 x99".
    pub fn formatted(&self) -> String {
        let mut formatted = String::new();
        if let Some(country_code) = &self.country_code {
            formatted.push('+');
            formatted.push_str(country_code);
            formatted.push(' ');
        }
        if let Some(area_code) = &self.area_code {
            formatted.push_str(area_code);
            formatted.push(' ');
        }
        formatted.push_str(&self.number);
        if let Some(extension) = &self.extension {
            formatted.push_str(" x");
            formatted.push_str(extension);
        }
        formatted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn an_address_is_written_in_one_line_without_gaps() {
        let address = Address {
            street: some("1 Main Street\nBuilding B"),
            locality: some("Budapest"),
            postal_code: some("1111"),
            country: some("HU"),
            ..Address::default()
        };
        assert_eq!(address.formatted(), "1 Main Street, Building B, Budapest, 1111, HU");
        assert_eq!(Address::default().formatted(), "");
    }

    #[test]
    fn a_telephone_number_is_written_with_the_parts_it_has() {
        let whole = TelephoneNumber {
            country_code: some("36"),
            area_code: some("1"),
            number: "2345678".to_owned(),
            extension: some("99"),
            ..TelephoneNumber::default()
        };
        assert_eq!(whole.formatted(), "+36 1 2345678 x99");
        let short = TelephoneNumber { number: "112".to_owned(), ..TelephoneNumber::default() };
        assert_eq!(short.formatted(), "112");
    }

    #[test]
    fn without_types_any_verified_address_comes_first() {
        let email = |mail: &str, verified| EmailAddress {
            mail: mail.to_owned(),
            verified,
            ..EmailAddress::default()
        };
        let person = Person {
            email_addresses: vec![email("a@x.org", false), email("b@x.org", true)],
            ..Person::default()
        };
        assert_eq!(person.preferred_email(&[]).map(|found| found.mail.as_str()), Some("b@x.org"));
        assert_eq!(Person::default().preferred_email(&[]), None);
    }

    #[test]
    fn an_unverified_address_of_an_earlier_type_comes_before_a_verified_one_of_a_later_type() {
        let email = |mail: &str, email_type: &str, verified| EmailAddress {
            mail: mail.to_owned(),
            email_type: email_type.to_owned(),
            verified,
            ..EmailAddress::default()
        };
        let person = Person {
            email_addresses: vec![email("p@x.org", "personal", true), email("o@x.org", "official", false)],
            ..Person::default()
        };
        let found = person.preferred_email(&["official", "personal"]);
        assert_eq!(found.map(|found| found.mail.as_str()), Some("o@x.org"));
    }
}
