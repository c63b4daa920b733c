//! Search filters: read before they are sent, and escaped where they are built.

use crate::AttributeName;

/// A search filter (RFC 4511 section 4.5.1.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    Assertion { attribute: String, matching: Matching, value: Vec<u8> },
    Substrings { attribute: String, initial: Option<Vec<u8>>, any: Vec<Vec<u8>>, end: Option<Vec<u8>> },
    Extensible { rule: Option<String>, attribute: Option<String>, value: Vec<u8>, dn_attributes: bool },
}

/// How an assertion compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    Equality,
    GreaterOrEqual,
    LessOrEqual,
    Approximate,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter: {problem} at {place:?}")]
pub struct InvalidFilter {
    pub problem: &'static str,
    /// The text from there on, shortened.
    pub place: String,
}

/// How deep filters may be nested.
const MAX_DEPTH: usize = 32;

/// A value as it stands in a filter.
///
/// ```
/// assert_eq!(provender_ldap_names::escape_filter_value("a*(b)\\c"), r"a\2a\28b\29\5cc");
/// ```
pub fn escape_filter_value(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '*' | '(' | ')' | '\\' | '\0' => escaped.push_str(&format!("\\{:02x}", u32::from(letter))),
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl Filter {
    /// Reads a filter by RFC 4515.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        match filter(text, 0)? {
            (filter, "") => Ok(filter),
            (_, rest) => Err(invalid("nothing may follow", rest)),
        }
    }
}

fn invalid(problem: &'static str, place: &str) -> InvalidFilter {
    InvalidFilter { problem, place: place.chars().take(32).collect() }
}

fn filter(text: &str, depth: usize) -> Result<(Filter, &str), InvalidFilter> {
    if depth >= MAX_DEPTH {
        return Err(invalid("nested too deeply", text));
    }
    let inner = text.strip_prefix('(').ok_or_else(|| invalid("\"(\" is missing", text))?;
    let (found, rest) = match inner.split_at_checked(1) {
        Some(("&", rest)) => list(rest, depth).map(|(filters, rest)| (Filter::And(filters), rest))?,
        Some(("|", rest)) => list(rest, depth).map(|(filters, rest)| (Filter::Or(filters), rest))?,
        Some(("!", rest)) => {
            filter(rest, depth + 1).map(|(inner, rest)| (Filter::Not(Box::new(inner)), rest))?
        }
        _ => {
            let end = inner.find([')', '(']).unwrap_or(inner.len());
            let (item, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
            (self::item(item)?, rest)
        }
    };
    let rest = rest.strip_prefix(')').ok_or_else(|| invalid("\")\" is missing", rest))?;
    Ok((found, rest))
}

fn list(text: &str, depth: usize) -> Result<(Vec<Filter>, &str), InvalidFilter> {
    let (mut filters, mut rest) = (Vec::new(), text);
    while rest.starts_with('(') {
        let (next, after) = filter(rest, depth + 1)?;
        filters.push(next);
        rest = after;
    }
    Ok((filters, rest))
}

fn item(text: &str) -> Result<Filter, InvalidFilter> {
    let (left, value) = text.split_once('=').ok_or_else(|| invalid("\"=\" is missing", text))?;
    if let Some(left) = left.strip_suffix(':') {
        return extensible(left, value);
    }
    let (attribute, matching) = match left.split_at_checked(left.len().saturating_sub(1)) {
        Some((attribute, ">")) => (attribute, Matching::GreaterOrEqual),
        Some((attribute, "<")) => (attribute, Matching::LessOrEqual),
        Some((attribute, "~")) => (attribute, Matching::Approximate),
        _ => (left, Matching::Equality),
    };
    let attribute = name(attribute)?;
    if matching != Matching::Equality || !value.contains('*') {
        return Ok(Filter::Assertion { attribute, matching, value: unescape(value)? });
    }
    if value == "*" {
        return Ok(Filter::Present(attribute));
    }
    let mut parts = value.split('*').map(unescape).collect::<Result<Vec<_>, _>>()?;
    let end = parts.pop().filter(|part| !part.is_empty());
    let mut parts = parts.into_iter();
    let initial = parts.next().filter(|part| !part.is_empty());
    let any: Vec<_> = parts.collect();
    if any.iter().any(Vec::is_empty) {
        return Err(invalid("two \"*\" without anything between them", value));
    }
    Ok(Filter::Substrings { attribute, initial, any, end })
}

/// "cn:dn:2.4.6.8.10", without the colon before the equals sign.
fn extensible(left: &str, value: &str) -> Result<Filter, InvalidFilter> {
    let mut parts = left.split(':');
    let attribute = parts.next().filter(|text| !text.is_empty()).map(name).transpose()?;
    let mut rest: Vec<&str> = parts.collect();
    let dn_attributes = rest.first() == Some(&"dn");
    if dn_attributes {
        rest.remove(0);
    }
    let rule = match rest[..] {
        [] => None,
        [rule] => Some(name(rule)?),
        _ => return Err(invalid("too many colons", left)),
    };
    if attribute.is_none() && rule.is_none() {
        return Err(invalid("neither an attribute nor a rule", left));
    }
    Ok(Filter::Extensible { rule, attribute, value: unescape(value)?, dn_attributes })
}

fn name(text: &str) -> Result<String, InvalidFilter> {
    AttributeName::parse(text).map_err(|_| invalid("no name of an attribute", text))?;
    Ok(text.to_owned())
}

fn unescape(text: &str) -> Result<Vec<u8>, InvalidFilter> {
    let mut value = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '*' | '\0' => return Err(invalid("must be escaped", rest)),
            '\\' => {
                let hex = after.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                value.push(byte.ok_or_else(|| invalid("two hexadecimal digits must follow", rest))?);
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            letter => value.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
        rest = after;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equality(attribute: &str, value: &[u8]) -> Filter {
        Filter::Assertion {
            attribute: attribute.to_owned(),
            matching: Matching::Equality,
            value: value.to_vec(),
        }
    }

    #[test]
    fn filters_are_read() {
        let initial = Filter::Substrings {
            attribute: "cn".to_owned(),
            initial: Some(b"a".to_vec()),
            any: vec![b"b".to_vec()],
            end: None,
        };
        for (text, filter) in [
            ("(objectClass=*)", Filter::Present("objectClass".to_owned())),
            ("(cn=Kov\u{e1}cs)", equality("cn", "Kov\u{e1}cs".as_bytes())),
            (r"(cn=\2a\00\ff)", equality("cn", b"*\0\xff")),
            ("(cn=)", equality("cn", b"")),
            ("(cn=a=b)", equality("cn", b"a=b")),
            ("(cn=a*b*)", initial.clone()),
            ("(&)", Filter::And(Vec::new())),
            (
                "(&(cn=a*b*)(!(uid=x)))",
                Filter::And(vec![initial, Filter::Not(Box::new(equality("uid", b"x")))]),
            ),
            (
                "(cn:dn:2.5.13.5:=a)",
                Filter::Extensible {
                    rule: Some("2.5.13.5".to_owned()),
                    attribute: Some("cn".to_owned()),
                    value: b"a".to_vec(),
                    dn_attributes: true,
                },
            ),
        ] {
            assert_eq!(Filter::parse(text).as_ref(), Ok(&filter), "{text}");
        }
        assert!(matches!(
            Filter::parse("(a>=1)"),
            Ok(Filter::Assertion { matching: Matching::GreaterOrEqual, .. })
        ));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "cn=a",
            "(cn=a",
            "(cn=a))",
            "(cn)",
            "(=a)",
            "(c n=a)",
            "(cn=a(b)",
            r"(cn=\2)",
            r"(cn=\zz)",
            "(cn=a**b)",
            "(!(a=b)(c=d))",
            "(:=a)",
            "(cn:a:b:=x)",
            "(&(a=b)x)",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(100_000), ")".repeat(100_000));
        assert_eq!(Filter::parse(&deep).unwrap_err().problem, "nested too deeply");
    }

    #[test]
    fn an_escaped_value_is_read_as_it_was() {
        let value = "a*b(c)d\\e\0f";
        let read = Filter::parse(&format!("(cn={})", escape_filter_value(value)));
        assert_eq!(read, Ok(equality("cn", value.as_bytes())));
    }
}
