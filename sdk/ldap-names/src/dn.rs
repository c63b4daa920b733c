//! Distinguished names: read, compared as a directory compares them, and written.

use std::fmt;

use crate::attribute::is_base;

/// A distinguished name, the most specific part first. Two are equal where a directory takes them for the same: names of
/// attributes and values whatever their case, spaces by their number and place, parts of an RDN in any order.
#[derive(Clone, Debug, Default)]
pub struct Dn(Vec<Rdn>);

/// A relative distinguished name: one or more attributes with a value each.
#[derive(Clone, Debug)]
pub struct Rdn(Vec<Assertion>);

#[derive(Clone, Debug, PartialEq)]
struct Assertion {
    attribute: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// A value in BER, "#04024869": only equal to one that is written so too.
    Encoded(String),
}

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("DN {text:?}: {problem}")]
pub struct InvalidDn {
    pub text: String,
    pub problem: String,
}

/// Attributes that names are made of, with all that they are called.
const SYNONYMS: [(&str, &[&str]); 10] = [
    ("cn", &["commonname", "2.5.4.3"]),
    ("sn", &["surname", "2.5.4.4"]),
    ("c", &["countryname", "2.5.4.6"]),
    ("l", &["localityname", "2.5.4.7"]),
    ("st", &["stateorprovincename", "2.5.4.8"]),
    ("street", &["streetaddress", "2.5.4.9"]),
    ("o", &["organizationname", "2.5.4.10"]),
    ("ou", &["organizationalunitname", "2.5.4.11"]),
    ("dc", &["domaincomponent", "0.9.2342.19200300.100.1.25"]),
    ("uid", &["userid", "0.9.2342.19200300.100.1.1"]),
];

impl Dn {
    /// Reads a name by RFC 4514, with spaces around separators. The empty text is the root.
    pub fn parse(text: &str) -> Result<Self, InvalidDn> {
        let invalid = |problem: String| InvalidDn { text: text.to_owned(), problem };
        if text.trim_matches(' ').is_empty() {
            return Ok(Self::default());
        }
        let mut rdns = Vec::new();
        let mut rest = text;
        loop {
            let (rdn, after) = parse_rdn(rest).map_err(invalid)?;
            rdns.push(rdn);
            match after {
                Some(after) => rest = after,
                None => return Ok(Self(rdns)),
            }
        }
    }

    /// The name of an entry below this one.
    pub fn child(&self, attribute: &str, value: &str) -> Result<Self, InvalidDn> {
        let invalid = |problem: &str| {
            Err(InvalidDn { text: format!("{attribute}={value}"), problem: problem.to_owned() })
        };
        if !is_base(attribute) {
            return invalid("the attribute has no valid name");
        }
        if value.contains('\0') {
            return invalid("a value must not hold NUL");
        }
        if value.trim_matches(' ').is_empty() {
            return invalid("a value must not be empty");
        }
        let assertion = Assertion { attribute: attribute.to_owned(), value: Value::Text(value.to_owned()) };
        Ok(self.below(Rdn(vec![assertion])))
    }

    /// The name of the entry that `rdn` stands for below this one.
    pub fn below(&self, rdn: Rdn) -> Self {
        Self(std::iter::once(rdn).chain(self.0.iter().cloned()).collect())
    }

    /// The most specific part; none of the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.0.first()
    }

    /// The name of the entry above; none of the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, above)| Self(above.to_vec()))
    }

    /// One text for all names that are equal to this one.
    pub fn normalised(&self) -> String {
        let parts = self.0.iter().map(|rdn| {
            let key = rdn.key().into_iter().map(|(attribute, value)| format!("{attribute}={value}"));
            key.collect::<Vec<_>>().join("+")
        });
        parts.collect::<Vec<_>>().join(",")
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is `base`, or below it.
    pub fn is_at_or_below(&self, base: &Self) -> bool {
        self.0.len() >= base.0.len()
            && self.0.iter().rev().zip(base.0.iter().rev()).all(|(own, its)| own == its)
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.is_at_or_below(other)
    }
}

impl Eq for Dn {}

impl Rdn {
    /// Reads one part: "uid=anna", "cn=Anna+uid=anna".
    pub fn parse(text: &str) -> Result<Self, InvalidDn> {
        match parse_rdn(text) {
            Ok((rdn, None)) => Ok(rdn),
            Ok((_, Some(_))) => {
                Err(InvalidDn { text: text.to_owned(), problem: "has more than one part".to_owned() })
            }
            Err(problem) => Err(InvalidDn { text: text.to_owned(), problem }),
        }
    }

    /// Its attributes with their values; none for a value that is not a text.
    pub fn values(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|assertion| {
            let value = match &assertion.value {
                Value::Text(text) => Some(text.as_str()),
                Value::Encoded(_) => None,
            };
            (assertion.attribute.as_str(), value)
        })
    }

    /// What two that are the same have in common.
    fn key(&self) -> Vec<(String, Value)> {
        let mut key: Vec<_> = self.0.iter().map(Assertion::key).collect();
        key.sort();
        key.dedup();
        key
    }
}

impl PartialEq for Rdn {
    fn eq(&self, other: &Self) -> bool {
        // Most that are equal are written alike.
        self.0 == other.0 || self.key() == other.key()
    }
}

impl Eq for Rdn {}

impl Assertion {
    fn key(&self) -> (String, Value) {
        let name = self.attribute.to_ascii_lowercase();
        let known = SYNONYMS.iter().find(|(_, others)| others.contains(&name.as_str()));
        let name = known.map_or(name, |(known, _)| (*known).to_owned());
        let value = match &self.value {
            Value::Encoded(hex) => Value::Encoded(hex.to_ascii_lowercase()),
            Value::Text(text) => {
                let words: Vec<String> =
                    text.split(' ').filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
                Value::Text(words.join(" "))
            }
        };
        (name, value)
    }
}

/// Reads one RDN, and gives what follows its comma.
fn parse_rdn(text: &str) -> Result<(Rdn, Option<&str>), String> {
    let mut assertions = Vec::new();
    let mut rest = text;
    loop {
        let (attribute, after) = rest.split_once('=').ok_or_else(|| {
            format!("{:?} is no attribute with a value", rest.chars().take(64).collect::<String>())
        })?;
        let attribute = attribute.trim_matches(' ');
        if !is_base(attribute) {
            return Err(format!("{attribute:?} is no name of an attribute"));
        }
        let (value, end) = match after.trim_start_matches(' ') {
            encoded if encoded.starts_with('#') => parse_encoded(encoded)?,
            text => parse_text(text)?,
        };
        assertions.push(Assertion { attribute: attribute.to_owned(), value });
        match end {
            End::Name => return Ok((Rdn(assertions), None)),
            End::Rdn(after) => return Ok((Rdn(assertions), Some(after))),
            End::Assertion(after) => rest = after,
        }
    }
}

/// What follows a value.
enum End<'a> {
    Assertion(&'a str),
    Rdn(&'a str),
    Name,
}

impl<'a> End<'a> {
    fn of(rest: &'a str) -> Result<Self, String> {
        match rest.chars().next() {
            None => Ok(Self::Name),
            Some(',') => Ok(Self::Rdn(rest.get(1..).unwrap_or_default())),
            Some('+') => Ok(Self::Assertion(rest.get(1..).unwrap_or_default())),
            Some(other) => Err(format!("{other:?} must be escaped by a backslash")),
        }
    }
}

fn parse_encoded(text: &str) -> Result<(Value, End<'_>), String> {
    let end = text.find([',', '+']).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let hex = value.trim_matches(' ').trim_start_matches('#');
    if hex.is_empty() || hex.len() % 2 != 0 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("a value behind \"#\" must be pairs of hexadecimal digits".to_owned());
    }
    Ok((Value::Encoded(hex.to_owned()), End::of(rest)?))
}

fn parse_text(text: &str) -> Result<(Value, End<'_>), String> {
    let mut value = Vec::new();
    // Spaces at the end belong to the value only where they are escaped.
    let mut escaped = 0;
    let mut rest = text;
    loop {
        let end = rest.find([',', '+', '"', ';', '<', '>', '\0', '\\']).unwrap_or(rest.len());
        let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        value.extend_from_slice(plain.as_bytes());
        rest = after;
        let Some(sequence) = after.strip_prefix('\\') else { break };
        let (byte, after) = unescape(sequence)?;
        value.push(byte);
        escaped = value.len();
        rest = after;
    }
    while value.len() > escaped && value.last() == Some(&b' ') {
        value.pop();
    }
    let value = String::from_utf8(value).map_err(|_| "a value is not UTF-8".to_owned())?;
    Ok((Value::Text(value), End::of(rest)?))
}

/// What stands for an escape sequence, without its backslash, and what follows.
fn unescape(text: &str) -> Result<(u8, &str), String> {
    if let Some(byte) = text.get(..2).and_then(|hex| {
        hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
    }) {
        return Ok((byte, text.get(2..).unwrap_or_default()));
    }
    match text.as_bytes().first() {
        Some(&byte @ (b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\')) => {
            Ok((byte, text.get(1..).unwrap_or_default()))
        }
        _ => Err("a backslash must stand before a special character or two hexadecimal digits".to_owned()),
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, rdn) in self.0.iter().enumerate() {
            write!(formatter, "{}{rdn}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Assertion { attribute, value }) in self.0.iter().enumerate() {
            write!(formatter, "{}{attribute}={value}", if number == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Encoded(hex) => return write!(formatter, "#{hex}"),
            Self::Text(text) => text,
        };
        // Letters that stand for themselves are written at once, up to the next that does not.
        let mut rest = text.as_str();
        let special = |(at, letter): (usize, char)| match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => true,
            ' ' => at == 0 || at + 1 == text.len(),
            '#' => at == 0,
            letter => letter.is_ascii_control(),
        };
        for (at, letter) in text.char_indices().filter(|found| special(*found)) {
            let plain = rest.len() + at - text.len();
            formatter.write_str(rest.get(..plain).unwrap_or_default())?;
            match letter.is_ascii_control() {
                true => write!(formatter, "\\{:02X}", u32::from(letter))?,
                false => write!(formatter, "\\{letter}")?,
            }
            rest = rest.get(plain + letter.len_utf8()..).unwrap_or_default();
        }
        formatter.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    #[test]
    fn names_that_a_directory_takes_for_the_same_are_equal() {
        for (one, other) in [
            ("uid=anna,dc=example,dc=org", "UID=Anna, DC=EXAMPLE , dc=org"),
            ("cn=a  b,dc=x", r"cn=\ a b\20,dc=x"),
            ("cn=a+uid=b,dc=x", "uid=B+cn=A,dc=x"),
            ("cn=Kov\\C3\\A1cs,dc=x", "cn=KOVÁCS,dc=x"),
            ("2.5.4.3=a,0.9.2342.19200300.100.1.25=x", "commonName=a,dc=x"),
            (r"cn=a\,b,dc=x", r"cn=a\2cb,dc=x"),
            (r"cn=\#a,dc=x", r"cn=\23a,dc=x"),
            ("cn=a=b,dc=x", r"cn=a\=b,dc=x"),
            ("cn=#04024869,dc=x", "cn= #04024869 ,dc=x"),
            ("", "   "),
        ] {
            assert_eq!(dn(one), dn(other), "{one} {other}");
            assert_eq!(dn(one).normalised(), dn(other).normalised());
        }
        for (one, other) in [
            ("cn=a,dc=x", "cn=a,dc=y"),
            ("cn=a,dc=x", "cn=a"),
            ("cn=ab,dc=x", "cn=a b,dc=x"),
            ("cn=a+uid=b,dc=x", "cn=a,uid=b,dc=x"),
            (r"cn=a\,dc\=x", "cn=a,dc=x"),
            (r"cn=\#04024869,dc=x", "cn=#04024869,dc=x"),
            ("cn=a", "sn=a"),
        ] {
            assert_ne!(dn(one), dn(other), "{one} {other}");
        }
    }

    #[test]
    fn below_means_by_whole_parts() {
        let base = dn("ou=people,dc=example,dc=org");
        for inside in [
            "ou=people,dc=example,dc=org",
            "uid=anna,ou=people,dc=example,dc=org",
            "cn=x,uid=anna,OU=People, DC=example,DC=org",
            r"uid=a\,b,ou=people,dc=example,dc=org",
        ] {
            assert!(dn(inside).is_at_or_below(&base), "{inside}");
        }
        for outside in [
            "",
            "dc=example,dc=org",
            "uid=anna,ou=groups,dc=example,dc=org",
            "xou=people,dc=example,dc=org",
            "uid=anna\\,ou=people,dc=example,dc=org",
            "uid=anna,ou=people,dc=example,dc=org,dc=evil",
            "ou=people+cn=x,dc=example,dc=org",
            r"uid=x,ou=people\,dc=example,dc=org",
        ] {
            assert!(!dn(outside).is_at_or_below(&base), "{outside}");
        }
        assert!(base.is_at_or_below(&Dn::default()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, part) in [
            ("anna", "no attribute"),
            ("uid=a,", "no attribute"),
            (",uid=a", "no name"),
            ("u_id=a", "no name"),
            ("=a", "no name"),
            ("uid=a;ou=x", "escaped"),
            ("uid=\"a\"", "escaped"),
            ("uid=a<b", "escaped"),
            ("uid=a\0", "escaped"),
            (r"uid=a\", "backslash"),
            (r"uid=a\x", "backslash"),
            (r"uid=\C3", "UTF-8"),
            ("uid=#1", "hexadecimal"),
            ("uid=#", "hexadecimal"),
            ("oid.2.5.4.3=a", "no name"),
            ("cn;lang-de=a", "no name"),
        ] {
            let error = Dn::parse(text).unwrap_err();
            assert!(error.problem.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn any_value_comes_back_from_the_name_that_is_built_of_it() {
        let base = dn("ou=people,dc=x");
        for value in [
            "anna",
            "a,b+c\"d\\e<f>g;h=i#j",
            " leading and trailing ",
            "  ",
            "#hash",
            "Kovács Ágnes",
            "日本",
            "a\nb\u{7f}",
            "\\2c",
        ] {
            let Ok(built) = base.child("uid", value) else {
                assert_eq!(value.trim(), "", "{value:?}");
                continue;
            };
            let read = dn(&built.to_string());
            assert_eq!(read, built);
            assert_eq!(read.rdn().unwrap().values().collect::<Vec<_>>(), [("uid", Some(value))]);
            assert_eq!(read.parent().unwrap(), base);
        }
        for (attribute, value) in [("uid", "a\0b"), ("uid", ""), ("u id", "a"), ("uid;x-y", "a")] {
            assert!(base.child(attribute, value).is_err(), "{attribute} {value:?}");
        }
    }

    #[test]
    fn an_rdn_is_one_part() {
        assert_eq!(Rdn::parse("cn=a+uid=b").unwrap().to_string(), "cn=a+uid=b");
        assert!(Rdn::parse("cn=a,dc=x").is_err());
        assert!(Rdn::parse("").is_err());
    }
}
