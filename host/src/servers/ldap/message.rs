//! Messages of LDAP (RFC 4511): requests written, answers read.

use provender_ldap_names::{Dn, Filter, Matching, Rdn};

use super::ber::{
    BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, SET, nested, put, put_number,
};

/// Tags of operations.
const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const MODIFY: u8 = 0x66;
const ADD: u8 = 0x68;
const DELETE: u8 = 0x4a;
const MODIFY_DN: u8 = 0x6c;
const COMPARE: u8 = 0x6e;
const EXTENDED: u8 = 0x77;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const INTERMEDIATE: u8 = 0x79;

const CONTROLS: u8 = 0xa0;
/// RFC 2696.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// RFC 4511 section 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// A name of an attribute, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub values: Vec<Vec<u8>>,
}

/// An entry as the server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    pub attributes: Vec<Attribute>,
}

impl Entry {
    /// What it takes in memory, about.
    pub(super) fn memory(&self) -> u64 {
        let attributes = self.attributes.iter().map(|Attribute { name, values }| {
            let values = values.iter().map(|value| size_of::<Vec<u8>>() + value.len());
            size_of::<Attribute>() + name.len() + values.sum::<usize>()
        });
        (size_of::<Self>() + self.dn.len() + attributes.sum::<usize>()) as u64
    }
}

/// How far below its base a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Base,
    One,
    Subtree,
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct Search {
    pub base: Dn,
    pub scope: Scope,
    pub filter: Filter,
    pub attributes: Vec<String>,
}

/// A change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modification {
    Add(Attribute),
    Delete(Attribute),
    Replace(Attribute),
}

/// What changes an entry.
#[derive(Clone, Debug)]
pub enum Change {
    Add { dn: Dn, attributes: Vec<Attribute> },
    Modify { dn: Dn, modifications: Vec<Modification> },
    ModifyDn { dn: Dn, new_rdn: Rdn, delete_old_rdn: bool, new_superior: Option<Dn> },
    Delete { dn: Dn },
}

/// What the server says to an operation (RFC 4511 section 4.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdapResult {
    pub code: u32,
    pub matched_dn: String,
    pub diagnostic_message: String,
    pub referrals: Vec<String>,
}

/// A message of the server.
#[derive(Debug)]
pub(super) enum Answer {
    Entry(Entry),
    /// Something on the way that is no answer: a reference to another server, an intermediate response.
    Passing,
    /// The end of an operation; of a search by pages, with the cookie of the next page.
    Done {
        result: LdapResult,
        cookie: Vec<u8>,
    },
}

/// Requests, each without its number.
pub(super) struct Request {
    operation: Vec<u8>,
    controls: Vec<u8>,
}

impl Request {
    fn new(tag: u8, content: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut operation = Vec::new();
        nested(tag, &mut operation, content);
        Self { operation, controls: Vec::new() }
    }

    pub(super) fn simple_bind(dn: &str, password: &str) -> Self {
        Self::new(BIND, |out| {
            put_number(INTEGER, 3, out);
            put(OCTET_STRING, dn.as_bytes(), out);
            put(0x80, password.as_bytes(), out);
        })
    }

    /// SASL EXTERNAL, as whom the certificate says.
    pub(super) fn external_bind() -> Self {
        Self::new(BIND, |out| {
            put_number(INTEGER, 3, out);
            put(OCTET_STRING, b"", out);
            nested(0xa3, out, |out| {
                put(OCTET_STRING, b"EXTERNAL", out);
                put(OCTET_STRING, b"", out);
            });
        })
    }

    pub(super) fn start_tls() -> Self {
        Self::new(EXTENDED, |out| put(0x80, START_TLS.as_bytes(), out))
    }

    pub(super) fn unbind() -> Self {
        Self { operation: vec![UNBIND, 0], controls: Vec::new() }
    }

    /// A search, or a page of it.
    pub(super) fn search(search: &Search, page: Option<(u32, &[u8])>) -> Self {
        let mut request = Self::new(SEARCH, |out| {
            put(OCTET_STRING, search.base.to_string().as_bytes(), out);
            put_number(ENUMERATED, search.scope as u32, out);
            // Aliases are not followed: they could lead out of the base.
            put_number(ENUMERATED, 0, out);
            put_number(INTEGER, 0, out);
            put_number(INTEGER, 0, out);
            put(BOOLEAN, &[0], out);
            put_filter(&search.filter, out);
            nested(SEQUENCE, out, |out| {
                for attribute in &search.attributes {
                    put(OCTET_STRING, attribute.as_bytes(), out);
                }
                if search.attributes.is_empty() {
                    put(OCTET_STRING, b"1.1", out);
                }
            });
        });
        if let Some((size, cookie)) = page {
            let mut value = Vec::new();
            nested(SEQUENCE, &mut value, |out| {
                put_number(INTEGER, size, out);
                put(OCTET_STRING, cookie, out);
            });
            nested(CONTROLS, &mut request.controls, |out| {
                nested(SEQUENCE, out, |out| {
                    put(OCTET_STRING, PAGED_RESULTS.as_bytes(), out);
                    put(BOOLEAN, &[0xff], out);
                    put(OCTET_STRING, &value, out);
                });
            });
        }
        request
    }

    pub(super) fn compare(dn: &Dn, attribute: &str, value: &[u8]) -> Self {
        Self::new(COMPARE, |out| {
            put(OCTET_STRING, dn.to_string().as_bytes(), out);
            nested(SEQUENCE, out, |out| {
                put(OCTET_STRING, attribute.as_bytes(), out);
                put(OCTET_STRING, value, out);
            });
        })
    }

    pub(super) fn change(change: &Change) -> Self {
        match change {
            Change::Add { dn, attributes } => Self::new(ADD, |out| {
                put(OCTET_STRING, dn.to_string().as_bytes(), out);
                nested(SEQUENCE, out, |out| {
                    attributes.iter().for_each(|attribute| put_attribute(attribute, out))
                });
            }),
            Change::Modify { dn, modifications } => Self::new(MODIFY, |out| {
                put(OCTET_STRING, dn.to_string().as_bytes(), out);
                nested(SEQUENCE, out, |out| {
                    for modification in modifications {
                        let (operation, attribute) = match modification {
                            Modification::Add(attribute) => (0, attribute),
                            Modification::Delete(attribute) => (1, attribute),
                            Modification::Replace(attribute) => (2, attribute),
                        };
                        nested(SEQUENCE, out, |out| {
                            put_number(ENUMERATED, operation, out);
                            put_attribute(attribute, out);
                        });
                    }
                });
            }),
            Change::ModifyDn { dn, new_rdn, delete_old_rdn, new_superior } => Self::new(MODIFY_DN, |out| {
                put(OCTET_STRING, dn.to_string().as_bytes(), out);
                put(OCTET_STRING, new_rdn.to_string().as_bytes(), out);
                put(BOOLEAN, &[if *delete_old_rdn { 0xff } else { 0 }], out);
                if let Some(superior) = new_superior {
                    put(0x80, superior.to_string().as_bytes(), out);
                }
            }),
            Change::Delete { dn } => {
                let mut operation = Vec::new();
                put(DELETE, dn.to_string().as_bytes(), &mut operation);
                Self { operation, controls: Vec::new() }
            }
        }
    }

    /// The message with its number.
    pub(super) fn message(&self, id: u32) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.operation.len() + self.controls.len() + 16);
        nested(SEQUENCE, &mut message, |out| {
            put_number(INTEGER, id, out);
            out.extend_from_slice(&self.operation);
            out.extend_from_slice(&self.controls);
        });
        message
    }
}

fn put_attribute(attribute: &Attribute, out: &mut Vec<u8>) {
    nested(SEQUENCE, out, |out| {
        put(OCTET_STRING, attribute.name.as_bytes(), out);
        nested(SET, out, |out| attribute.values.iter().for_each(|value| put(OCTET_STRING, value, out)));
    });
}

/// Filters are of limited depth.
fn put_filter(filter: &Filter, out: &mut Vec<u8>) {
    match filter {
        Filter::And(filters) => {
            nested(0xa0, out, |out| filters.iter().for_each(|filter| put_filter(filter, out)))
        }
        Filter::Or(filters) => {
            nested(0xa1, out, |out| filters.iter().for_each(|filter| put_filter(filter, out)))
        }
        Filter::Not(filter) => nested(0xa2, out, |out| put_filter(filter, out)),
        Filter::Present(attribute) => put(0x87, attribute.as_bytes(), out),
        Filter::Assertion { attribute, matching, value } => {
            let tag = match matching {
                Matching::Equality => 0xa3,
                Matching::GreaterOrEqual => 0xa5,
                Matching::LessOrEqual => 0xa6,
                Matching::Approximate => 0xa8,
            };
            nested(tag, out, |out| {
                put(OCTET_STRING, attribute.as_bytes(), out);
                put(OCTET_STRING, value, out);
            });
        }
        Filter::Substrings { attribute, initial, any, end } => nested(0xa4, out, |out| {
            put(OCTET_STRING, attribute.as_bytes(), out);
            nested(SEQUENCE, out, |out| {
                initial.iter().for_each(|part| put(0x80, part, out));
                any.iter().for_each(|part| put(0x81, part, out));
                end.iter().for_each(|part| put(0x82, part, out));
            });
        }),
        Filter::Extensible { rule, attribute, value, dn_attributes } => nested(0xa9, out, |out| {
            rule.iter().for_each(|rule| put(0x81, rule.as_bytes(), out));
            attribute.iter().for_each(|attribute| put(0x82, attribute.as_bytes(), out));
            put(0x83, value, out);
            if *dn_attributes {
                put(0x84, &[0xff], out);
            }
        }),
    }
}

/// Reads a message: its number, and what it says.
pub(super) fn read(message: &[u8]) -> Result<(u32, Answer), Malformed> {
    let mut message = Reader::new(message).open(SEQUENCE)?;
    let id = message.number(INTEGER)?;
    let (tag, content) = message.element()?;
    let answer = match tag {
        ENTRY => Answer::Entry(entry(content)?),
        REFERENCE | INTERMEDIATE => Answer::Passing,
        // Answers to bind, modify, add, delete, modify DN, compare and extended requests.
        0x61 | SEARCH_DONE | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => {
            Answer::Done { result: result(content)?, cookie: cookie(message)? }
        }
        _ => return Err(Malformed),
    };
    Ok((id, answer))
}

fn entry(content: &[u8]) -> Result<Entry, Malformed> {
    let mut content = Reader::new(content);
    let dn = content.text(OCTET_STRING)?;
    let mut list = content.open(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.open(SEQUENCE)?;
        let name = attribute.text(OCTET_STRING)?;
        let mut set = attribute.open(SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.expect(OCTET_STRING)?.to_vec());
        }
        attributes.push(Attribute { name, values });
    }
    Ok(Entry { dn, attributes })
}

fn result(content: &[u8]) -> Result<LdapResult, Malformed> {
    let mut content = Reader::new(content);
    let code = content.number(ENUMERATED)?;
    let matched_dn = content.text(OCTET_STRING)?;
    let diagnostic_message = content.text(OCTET_STRING)?;
    let mut referrals = Vec::new();
    while !content.is_empty() {
        // Only referrals are of interest, not credentials of SASL or values of extended answers.
        if let (0xa3, urls) = content.element()? {
            let mut urls = Reader::new(urls);
            while !urls.is_empty() {
                referrals.push(urls.text(OCTET_STRING)?);
            }
        }
    }
    Ok(LdapResult { code, matched_dn, diagnostic_message, referrals })
}

/// The cookie of the next page, among the controls; empty where there is none.
fn cookie(mut message: Reader<'_>) -> Result<Vec<u8>, Malformed> {
    if message.is_empty() {
        return Ok(Vec::new());
    }
    let mut controls = message.open(CONTROLS)?;
    while !controls.is_empty() {
        let mut control = controls.open(SEQUENCE)?;
        if control.expect(OCTET_STRING)? != PAGED_RESULTS.as_bytes() {
            continue;
        }
        while !control.is_empty() {
            if let (OCTET_STRING, value) = control.element()? {
                let mut value = Reader::new(value).open(SEQUENCE)?;
                value.element()?;
                return value.expect(OCTET_STRING).map(<[u8]>::to_vec);
            }
        }
    }
    Ok(Vec::new())
}

impl LdapResult {
    /// Whether the server is only busy or unavailable for now.
    pub(super) fn passes(&self) -> bool {
        matches!(self.code, 51 | 52)
    }

    /// The name of the code in RFC 4511 and the registry of IANA.
    pub fn name(&self) -> &'static str {
        match self.code {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            5 => "compareFalse",
            6 => "compareTrue",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            14 => "saslBindInProgress",
            16 => "noSuchAttribute",
            17 => "undefinedAttributeType",
            18 => "inappropriateMatching",
            19 => "constraintViolation",
            20 => "attributeOrValueExists",
            21 => "invalidAttributeSyntax",
            32 => "noSuchObject",
            33 => "aliasProblem",
            34 => "invalidDNSyntax",
            36 => "aliasDereferencingProblem",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            54 => "loopDetect",
            64 => "namingViolation",
            65 => "objectClassViolation",
            66 => "notAllowedOnNonLeaf",
            67 => "notAllowedOnRDN",
            68 => "entryAlreadyExists",
            69 => "objectClassModsProhibited",
            71 => "affectsMultipleDSAs",
            _ => "other",
        }
    }
}
