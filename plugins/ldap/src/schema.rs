//! The object classes and their attributes that the plugin keeps.

use std::collections::BTreeSet;

use crate::configuration::{Configuration, ObjectClass};

/// An attribute, and whether its object class requires it.
pub(crate) type Known = (&'static str, bool);

/// Of all people.
pub(crate) const PERSON_CLASSES: [&str; 3] = ["person", "organizationalPerson", "inetOrgPerson"];

const PERSON: &[Known] = &[
    ("sn", true),
    ("cn", true),
    ("userPassword", false),
    ("title", false),
    ("ou", false),
    ("telephoneNumber", false),
    ("facsimileTelephoneNumber", false),
    ("street", false),
    ("l", false),
    ("st", false),
    ("postalCode", false),
    ("givenName", true),
    ("displayName", false),
    ("o", false),
    ("labeledURI", false),
    ("mail", false),
    ("mobile", false),
    ("employeeNumber", false),
    ("employeeType", false),
    ("roomNumber", false),
    ("uid", false),
];

/// Kept by the server's password policy, so it is touched only where it is asked for.
pub(crate) const LOCKED: &str = "pwdAccountLockedTime";

const OF_PERSON: &[(ObjectClass, &[Known])] = &[
    (
        ObjectClass::EduPerson,
        &[
            ("eduPersonAffiliation", false),
            ("eduPersonScopedAffiliation", false),
            ("eduPersonEntitlement", false),
            ("eduPersonNickname", false),
            ("eduPersonOrcid", false),
            ("eduPersonPrincipalName", false),
            ("eduPersonPrincipalNamePrior", false),
            ("eduPersonUniqueId", false),
        ],
    ),
    (ObjectClass::EduMember, &[("isMemberOf", false)]),
    (
        ObjectClass::PosixAccount,
        &[
            ("uid", true),
            ("uidNumber", true),
            ("gidNumber", true),
            ("homeDirectory", true),
            ("loginShell", false),
            ("gecos", false),
        ],
    ),
    (ObjectClass::LdapPublicKey, &[("uid", true), ("sshPublicKey", true)]),
    (
        ObjectClass::VoPerson,
        &[
            ("voPersonAffiliation", false),
            ("voPersonApplicationPassword", false),
            ("voPersonApplicationUID", false),
            ("voPersonAuthorName", false),
            ("voPersonCertificateDN", false),
            ("voPersonCertificateIssuerDN", false),
            ("voPersonExternalID", false),
            ("voPersonID", false),
            ("voPersonPolicyAgreement", false),
            ("voPersonSoRID", false),
            ("voPersonStatus", false),
            ("voPersonToken", false),
        ],
    ),
    (
        ObjectClass::VoPosixAccount,
        &[
            ("uid", true),
            ("voPosixAccountUidNumber", true),
            ("voPosixAccountGidNumber", true),
            ("voPosixAccountHomeDirectory", true),
            ("voPosixAccountLoginShell", false),
            ("voPosixAccountGecos", false),
        ],
    ),
];

const OF_GROUP: &[(ObjectClass, &[Known])] = &[
    (ObjectClass::GroupOfNames, &[("cn", true), ("member", true), ("owner", false), ("description", false)]),
    (
        ObjectClass::PosixGroup,
        &[("cn", true), ("gidNumber", true), ("memberUid", false), ("description", false)],
    ),
    (ObjectClass::EduMember, &[("hasMember", false)]),
    (ObjectClass::VoPosixGroup, &[("cn", true), ("voPosixAccountGidNumber", true), ("memberUid", false)]),
];

/// Attributes that end in "@" and the scope.
pub(crate) const SCOPED: [&str; 2] = ["eduPersonScopedAffiliation", "eduPersonUniqueId"];

/// Attributes whose values are told apart by type.
pub(crate) const TYPED: [&str; 19] = [
    "displayName",
    "eduPersonNickname",
    "voPersonAuthorName",
    "telephoneNumber",
    "facsimileTelephoneNumber",
    "mobile",
    "labeledURI",
    "mail",
    "employeeNumber",
    "uid",
    "eduPersonOrcid",
    "eduPersonPrincipalName",
    "eduPersonPrincipalNamePrior",
    "eduPersonUniqueId",
    "voPersonApplicationUID",
    "voPersonExternalID",
    "voPersonID",
    "voPersonSoRID",
    "hasMember",
];

/// Attributes whose values org identities have, too.
pub(crate) const OF_ORG_IDENTITIES: [&str; 11] = [
    "mail",
    "employeeNumber",
    "uid",
    "eduPersonOrcid",
    "eduPersonPrincipalName",
    "eduPersonPrincipalNamePrior",
    "eduPersonUniqueId",
    "voPersonApplicationUID",
    "voPersonExternalID",
    "voPersonID",
    "voPersonSoRID",
];

/// Object classes with their attributes.
pub(crate) type Classes = Vec<(&'static str, &'static [Known])>;

/// What is kept of people by a configuration.
pub(crate) fn of_person(configuration: &Configuration) -> Classes {
    let always = [("inetOrgPerson", PERSON)];
    always.into_iter().chain(chosen(OF_PERSON, |class| configuration.has(class))).collect()
}

/// As [`of_person`], of groups.
pub(crate) fn of_group(configuration: &Configuration) -> Classes {
    chosen(OF_GROUP, |class| configuration.has(class)).collect()
}

/// What an earlier configuration gave an entry.
pub(crate) fn left_over(configuration: &Configuration, before: &BTreeSet<String>) -> Classes {
    let left = |class: ObjectClass| !configuration.has(class) && before.contains(class.name());
    chosen(OF_PERSON, left).chain(chosen(OF_GROUP, left)).collect()
}

fn chosen<F: Fn(ObjectClass) -> bool>(
    all: &'static [(ObjectClass, &'static [Known])],
    choice: F,
) -> impl Iterator<Item = (&'static str, &'static [Known])> + use<F> {
    let chosen = all.iter().filter(move |(class, _)| choice(*class));
    chosen.map(|(class, attributes)| (class.name(), *attributes))
}

/// Whether the plugin can write an attribute.
pub(crate) fn is_known(name: &str) -> bool {
    is_of_all_people(name) || classes_of(name).next().is_some()
}

/// An object class that an attribute needs, and that is not written.
pub(crate) fn missing_class(configuration: &Configuration, name: &str) -> Option<&'static str> {
    if is_of_all_people(name) || classes_of(name).any(|class| configuration.has(class)) {
        return None;
    }
    classes_of(name).next().map(ObjectClass::name)
}

/// Whether the plugin decides by itself which entries have an object class.
pub(crate) fn is_own_class(configuration: &Configuration, name: &str) -> bool {
    let chosen = configuration.object_classes.iter().map(|class| class.name());
    PERSON_CLASSES.into_iter().chain(chosen).any(|own| own.eq_ignore_ascii_case(name))
}

fn is_of_all_people(name: &str) -> bool {
    name == LOCKED || PERSON.iter().any(|(known, _)| *known == name)
}

fn classes_of(name: &str) -> impl Iterator<Item = ObjectClass> {
    let with =
        move |(_, attributes): &&(ObjectClass, &[Known])| attributes.iter().any(|(known, _)| *known == name);
    OF_PERSON.iter().chain(OF_GROUP).filter(with).map(|(class, _)| *class)
}
