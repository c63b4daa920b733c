//! The object classes and their attributes that the plugin keeps.

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
            ("uidNumber", true),
            ("gidNumber", true),
            ("homeDirectory", true),
            ("loginShell", false),
            ("gecos", false),
        ],
    ),
    (ObjectClass::LdapPublicKey, &[("sshPublicKey", true)]),
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
];

/// What is kept of people by a configuration: object classes with their attributes.
pub(crate) fn of_person(configuration: &Configuration) -> Vec<(&'static str, &'static [Known])> {
    let always = [("inetOrgPerson", PERSON)];
    always.into_iter().chain(enabled(OF_PERSON, configuration)).collect()
}

/// As [`of_person`], of groups.
pub(crate) fn of_group(configuration: &Configuration) -> Vec<(&'static str, &'static [Known])> {
    enabled(OF_GROUP, configuration).collect()
}

fn enabled<'c>(
    all: &'static [(ObjectClass, &'static [Known])],
    configuration: &'c Configuration,
) -> impl Iterator<Item = (&'static str, &'static [Known])> + use<'c> {
    let chosen = all.iter().filter(|(class, _)| configuration.has(*class));
    chosen.map(|(class, attributes)| (class.name(), *attributes))
}

/// Object classes that can be switched on and off.
pub(crate) fn optional(of_person: bool) -> impl Iterator<Item = &'static str> {
    let all = if of_person { OF_PERSON } else { OF_GROUP };
    all.iter().map(|(class, _)| class.name())
}

/// Whether the plugin can write an attribute.
pub(crate) fn is_known(name: &str) -> bool {
    let optional = OF_PERSON.iter().chain(OF_GROUP).flat_map(|(_, attributes)| attributes.iter());
    name == LOCKED || PERSON.iter().chain(optional).any(|(known, _)| *known == name)
}
