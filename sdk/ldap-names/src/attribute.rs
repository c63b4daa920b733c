//! Names of attributes with their options.

/// A name of an attribute with options: "mail", "cn;lang-hu", "2.5.4.3".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeName<'a>(&'a str);

/// A text that names no attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of an attribute: letters, digits and hyphens, or numbers with dots, then options behind \";\""
)]
pub struct InvalidAttributeName(pub String);

impl<'a> AttributeName<'a> {
    /// Reads a name.
    pub fn parse(text: &'a str) -> Result<Self, InvalidAttributeName> {
        let mut parts = text.split(';');
        let base = parts.next().is_some_and(is_base);
        let option = |option: &str| {
            !option.is_empty() && option.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if base && parts.all(option) { Ok(Self(text)) } else { Err(InvalidAttributeName(text.to_owned())) }
    }

    /// The name without options.
    pub fn base(self) -> &'a str {
        self.0.split(';').next().unwrap_or_default()
    }
}

/// Whether a text is a short name or an object identifier.
pub(crate) fn is_base(text: &str) -> bool {
    let mut bytes = text.bytes();
    match bytes.next() {
        Some(b'a'..=b'z' | b'A'..=b'Z') => bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        Some(b'0'..=b'9') => text.contains('.') && text.split('.').all(is_number),
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_options_are_read_and_others_refused() {
        for (text, base) in [
            ("mail", "mail"),
            ("cn;lang-hu", "cn"),
            ("userCertificate;binary;x-1", "userCertificate"),
            ("2.5.4.3", "2.5.4.3"),
        ] {
            assert_eq!(AttributeName::parse(text).unwrap().base(), base);
        }
        for text in
            ["", "*", "1.1.", "1", "01.2", "ma il", "mail;", "mail;a_b", "mail;a;;b", "-a", "é", "a:dn"]
        {
            assert!(AttributeName::parse(text).is_err(), "{text}");
        }
    }
}
