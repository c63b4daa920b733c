//! What an entry is to hold, and what has to be changed for it.

use std::collections::{BTreeMap, BTreeSet};

use provender_sdk::ldap::{Attribute, Dn, Entry, Modification, attribute};

use crate::configuration::Unconfigured;
use crate::schema::Known;

/// Attributes by name with options, each with its values.
pub(crate) type Attributes = BTreeMap<String, Vec<String>>;

/// An entry as it is to be.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) dn: Dn,
    pub(crate) object_classes: Vec<String>,
    pub(crate) attributes: Attributes,
    /// Attributes that the plugin keeps, without options, and whether they are written.
    pub(crate) kept: BTreeMap<&'static str, bool>,
    /// Object classes that are taken away where they are not wanted; those of others are not among them.
    pub(crate) optional_classes: Vec<&'static str>,
    pub(crate) unconfigured: Unconfigured,
    /// Whether options of attributes are the plugin's to keep.
    pub(crate) options: bool,
}

/// Attributes whose values are DNs, which a directory gives back in a form of its own.
const NAMES: [&str; 4] = ["member", "owner", "voPersonCertificateDN", "voPersonCertificateIssuerDN"];

/// Attributes with so many values that only the difference is sent.
const LARGE: [&str; 4] = ["member", "owner", "hasMember", "memberUid"];

fn base(name: &str) -> &str {
    name.split(';').next().unwrap_or_default()
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(base(name)))
}

/// A value as two that are the same have it in common.
fn key(name: &str, value: &[u8]) -> Vec<u8> {
    if is_one_of(&NAMES, name)
        && let Some(dn) = std::str::from_utf8(value).ok().and_then(|text| Dn::parse(text).ok())
    {
        return dn.normalised().into_bytes();
    }
    value.to_vec()
}

fn keys<'v, V: AsRef<[u8]> + 'v>(name: &str, values: impl IntoIterator<Item = &'v V>) -> BTreeSet<Vec<u8>> {
    values.into_iter().map(|value| key(name, value.as_ref())).collect()
}

/// Values that are to be added, and those that are to be removed.
fn differences<'v>(
    name: &str,
    wanted: &'v [String],
    there: &'v [Vec<u8>],
) -> (Vec<&'v String>, Vec<&'v Vec<u8>>) {
    // Most are written in the same way, and names take long to be read.
    let (as_wanted, as_there): (BTreeSet<&[u8]>, BTreeSet<&[u8]>) =
        (wanted.iter().map(String::as_bytes).collect(), there.iter().map(Vec::as_slice).collect());
    let mut added: Vec<_> = wanted.iter().filter(|value| !as_there.contains(value.as_bytes())).collect();
    let mut removed: Vec<_> = there.iter().filter(|value| !as_wanted.contains(value.as_slice())).collect();
    if !added.is_empty() {
        let there = keys(name, there);
        added.retain(|value| !there.contains(&key(name, value.as_bytes())));
    }
    if !removed.is_empty() {
        let wanted = keys(name, wanted);
        removed.retain(|value| !wanted.contains(&key(name, value)));
    }
    (added, removed)
}

/// Puts texts in the form of a directory: without spaces around them, lines separated by "$", none twice.
pub(crate) fn put(attributes: &mut Attributes, name: &str, option: Option<String>, value: &str) {
    let value = value.trim();
    if value.is_empty() {
        return;
    }
    let value = match value.contains(['\n', '\r']) {
        true => value.replace("\r\n", "$").replace(['\n', '\r'], "$"),
        false => value.to_owned(),
    };
    let name = match option {
        Some(option) => format!("{name};{option}"),
        None => name.to_owned(),
    };
    let values = attributes.entry(name).or_default();
    if !values.iter().any(|known| known.to_lowercase() == value.to_lowercase()) {
        values.push(value);
    }
}

/// An option of an attribute, "role-r1". What an option cannot hold (RFC 4512) becomes a hyphen.
pub(crate) fn option(kind: &str, word: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    format!("{kind}-{}", word.chars().map(letter).collect::<String>())
}

/// The object classes of which there is something to say; one that lacks what it requires is left out.
pub(crate) fn classes_with_content(
    classes: &[(&'static str, &'static [Known])],
    attributes: &Attributes,
) -> Vec<String> {
    let present = |name: &str| attributes.keys().any(|written| base(written) == name);
    let kept = classes.iter().filter(|(_, known)| {
        known.iter().any(|(name, _)| present(name))
            && known.iter().all(|(name, required)| !required || present(name))
    });
    kept.map(|(class, _)| (*class).to_owned()).collect()
}

impl Wanted {
    /// What is read of the entry to compare it.
    pub(crate) fn read(&self) -> Vec<&str> {
        std::iter::once("objectClass").chain(self.kept.keys().copied()).collect()
    }

    /// The object classes that depend on the configuration.
    pub(crate) fn own_classes(&self) -> impl Iterator<Item = &str> {
        let own = |class: &&str| self.optional_classes.contains(class);
        self.object_classes.iter().map(String::as_str).filter(own)
    }

    /// The entry as it is added.
    pub(crate) fn entry(&self) -> Entry {
        let classes = attribute("objectClass", self.object_classes.iter().map(String::as_str));
        let attributes =
            self.attributes.iter().map(|(name, values)| attribute(name, values.iter().map(String::as_str)));
        Entry { dn: self.dn.to_string(), attributes: std::iter::once(classes).chain(attributes).collect() }
    }

    /// What makes the entry that is there the one that is wanted.
    pub(crate) fn changes(&self, current: &Entry) -> Vec<Modification> {
        let mut changes = self.class_changes(current);
        for (name, values) in &self.attributes {
            let known = current.values(name);
            let (added, removed) = differences(name, values, known);
            if added.is_empty() && removed.is_empty() {
                continue;
            }
            if !is_one_of(&LARGE, name) || known.is_empty() {
                changes.push(Modification::Replace(attribute(name, values.iter().map(String::as_str))));
                continue;
            }
            let added = attribute(name, added.into_iter().map(String::as_str));
            let removed = attribute(name, removed.into_iter().cloned());
            // First what is added: a group must not be without members in between.
            changes.extend((!added.values.is_empty()).then_some(Modification::Add(added)));
            changes.extend((!removed.values.is_empty()).then_some(Modification::Delete(removed)));
        }
        let obsolete = current.attributes.iter().filter(|found| self.is_obsolete(found));
        changes.extend(obsolete.map(|found| Modification::Replace(attribute::<String>(&found.name, []))));
        changes
    }

    fn is_obsolete(&self, found: &Attribute) -> bool {
        let wanted = self.attributes.keys().any(|name| name.eq_ignore_ascii_case(&found.name));
        let kept = self.kept.iter().find(|(name, _)| name.eq_ignore_ascii_case(base(&found.name)));
        let removed = kept.is_some_and(|(_, written)| *written || self.unconfigured == Unconfigured::Remove);
        !wanted && removed && (self.options || !found.name.contains(';'))
    }

    fn class_changes(&self, current: &Entry) -> Vec<Modification> {
        let there: Vec<_> =
            current.values("objectClass").iter().map(|class| String::from_utf8_lossy(class)).collect();
        let missing = self
            .object_classes
            .iter()
            .filter(|class| !there.iter().any(|found| found.eq_ignore_ascii_case(class)));
        let missing = attribute("objectClass", missing.map(String::as_str));
        let obsolete = there.iter().filter(|found| {
            self.unconfigured == Unconfigured::Remove
                && self.optional_classes.iter().any(|class| class.eq_ignore_ascii_case(found))
                && !self.object_classes.iter().any(|class| class.eq_ignore_ascii_case(found))
        });
        let obsolete = attribute("objectClass", obsolete.map(|found| found.as_bytes().to_vec()));
        let mut changes = Vec::new();
        changes.extend((!missing.values.is_empty()).then_some(Modification::Add(missing)));
        changes.extend((!obsolete.values.is_empty()).then_some(Modification::Delete(obsolete)));
        changes
    }
}

/// A change in one line.
pub(crate) fn line(change: &Modification) -> String {
    match change {
        Modification::Add(attribute) => format!("{} lacks {} values", attribute.name, attribute.values.len()),
        Modification::Delete(attribute) => {
            format!("{} has {} values too many", attribute.name, attribute.values.len())
        }
        Modification::Replace(attribute) if attribute.values.is_empty() => {
            format!("{} should not be there", attribute.name)
        }
        Modification::Replace(attribute) => format!("{} is not as it should be", attribute.name),
    }
}
