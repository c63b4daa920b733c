//! Which name of a person, and how it is written.

use super::{Name, Person};

impl Person {
    /// The name to use when only one is wanted. Only the skeleton of a person has none.
    pub fn primary_name(&self) -> Option<&Name> {
        self.names.iter().find(|name| name.primary)
    }

    /// The first name of the first of `types` that the person has, or else the primary name.
    ///
    /// ```
    /// use provender_sdk::records::{Name, Person};
    ///
    /// let name = |given: &str, name_type: &str, primary| Name {
    ///     given: Some(given.to_owned()),
    ///     name_type: name_type.to_owned(),
    ///     primary,
    ///     ..Name::default()
    /// };
    /// let person = Person {
    ///     names: vec![name("Margaret", "official", true), name("Peggy", "preferred", false)],
    ///     ..Person::default()
    /// };
    /// assert_eq!(person.preferred_name(&["preferred"]).unwrap().formatted(), "Peggy");
    /// assert_eq!(person.preferred_name(&["author"]).unwrap().formatted(), "Margaret");
    /// ```
    pub fn preferred_name(&self, types: &[&str]) -> Option<&Name> {
        types
            .iter()
            .find_map(|wanted| self.names.iter().find(|name| name.name_type == *wanted))
            .or_else(|| self.primary_name())
    }
}

impl Name {
    /// The name in one line, in the order of its language: given, middle, family and suffix, or family and given alone
    /// where the family comes first (Hungarian, Japanese, Korean, Chinese in a Han script).
    pub fn formatted(&self) -> String {
        if self.is_family_first() {
            joined([&self.family, &self.given])
        } else {
            joined([&self.given, &self.middle, &self.family, &self.suffix])
        }
    }

    /// Like [`Name::formatted`], with the honorific in front where the order is the western one.
    pub fn formatted_with_honorific(&self) -> String {
        if self.is_family_first() {
            return self.formatted();
        }
        joined([&self.honorific, &Some(self.formatted())])
    }

    /// Whether the family comes first, by the language of the name. "za", which is Zhuang, is common in registries for
    /// "zh", so both are understood.
    fn is_family_first(&self) -> bool {
        let Some(language) = &self.language else {
            return false;
        };
        let tag = language.to_ascii_lowercase();
        let mut subtags = tag.split('-');
        match subtags.next() {
            Some("hu" | "ja" | "ko") => true,
            Some("za" | "zh") => matches!(subtags.next(), Some("hans" | "hant")),
            _ => false,
        }
    }
}

fn joined<const N: usize>(parts: [&Option<String>; N]) -> String {
    let parts: Vec<&str> =
        parts.into_iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(language: Option<&str>) -> Name {
        Name {
            honorific: Some("Dr".to_owned()),
            given: Some("Anna".to_owned()),
            middle: Some("Mária".to_owned()),
            family: Some("Kovács".to_owned()),
            suffix: Some("Jr.".to_owned()),
            language: language.map(str::to_owned),
            ..Name::default()
        }
    }

    #[test]
    fn a_western_name_is_written_in_the_order_given_middle_family_suffix() {
        assert_eq!(name(None).formatted(), "Anna Mária Kovács Jr.");
        assert_eq!(name(Some("en")).formatted(), "Anna Mária Kovács Jr.");
        assert_eq!(name(Some("zh-Latn")).formatted(), "Anna Mária Kovács Jr.");
    }

    #[test]
    fn the_honorific_is_written_only_when_asked_for() {
        assert_eq!(name(None).formatted_with_honorific(), "Dr Anna Mária Kovács Jr.");
        assert_eq!(name(Some("hu")).formatted_with_honorific(), "Kovács Anna");
    }

    #[test]
    fn the_family_comes_first_in_languages_that_write_it_so() {
        for language in ["hu", "ja", "ko", "hu-HU", "JA", "za-Hans", "za-Hant", "zh-Hans", "zh-hant-TW"] {
            assert_eq!(name(Some(language)).formatted(), "Kovács Anna", "{language}");
        }
    }

    #[test]
    fn missing_parts_leave_no_gap() {
        let single = Name { given: Some("Sukarno".to_owned()), ..Name::default() };
        assert_eq!(single.formatted(), "Sukarno");
        assert_eq!(single.formatted_with_honorific(), "Sukarno");
        assert_eq!(Name::default().formatted(), "");
    }

    #[test]
    fn a_person_without_a_primary_name_has_no_preferred_name_of_another_type() {
        let person = Person { names: vec![name(None)], ..Person::default() };
        assert_eq!(person.preferred_name(&["author"]), None);
    }
}
