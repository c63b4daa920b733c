//! What the entry of a person holds.

use std::collections::{BTreeMap, BTreeSet};

use provender_sdk::Failure;
use provender_sdk::ldap::Dn;
use provender_sdk::records::{
    Address, ClusterAccount, Credential, Identifier, Name, Person, Role, Service, Status,
    edu_person_affiliation,
};
use provender_sdk::registry::Affiliation;

use crate::configuration::{Configuration, Export, ObjectClass};
use crate::entry::{Attributes, Wanted, classes_with_content, option, put};
use crate::schema;

/// What the collaboration knows beside the person.
#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) services: Vec<Service>,
    pub(crate) affiliations: Vec<Affiliation>,
    /// Object classes that the entry was given before.
    pub(crate) classes: BTreeSet<String>,
}

/// Attributes for which services have to be looked up.
const BY_SERVICE: [&str; 3] =
    ["eduPersonEntitlement", "voPersonApplicationUID", "voPersonApplicationPassword"];
const BY_AFFILIATION: [&str; 2] = ["eduPersonAffiliation", "eduPersonScopedAffiliation"];

/// Whether services, and affiliations, are needed.
pub(crate) fn needs(configuration: &Configuration) -> (bool, bool) {
    let any = |names: &[&str]| names.iter().any(|name| configuration.attributes.contains_key(*name));
    (any(&BY_SERVICE) || configuration.has(ObjectClass::VoPosixAccount), any(&BY_AFFILIATION))
}

/// The name of the entry; none where the person has no identifier for it.
pub(crate) fn dn(configuration: &Configuration, person: &Person) -> Result<Option<Dn>, Failure> {
    let Some(value) = person.identifier(&configuration.rdn_identifier_type) else { return Ok(None) };
    named(configuration, value).map(Some)
}

/// The name of the entry of a person with this identifier.
pub(crate) fn named(configuration: &Configuration, value: &str) -> Result<Dn, Failure> {
    let dn = configuration.people()?.child(&configuration.rdn_attribute, value.trim());
    dn.map_err(|error| Failure::invalid_data(error.to_string()).at("identifiers"))
}

/// The entry as it is to be.
pub(crate) fn wanted(
    configuration: &Configuration,
    person: &Person,
    surroundings: &Surroundings,
    dn: Dn,
) -> Wanted {
    let classes = schema::of_person(configuration);
    let mut assembly = Assembly { configuration, person, surroundings, attributes: Attributes::new() };
    let (mut kept, usual) = (BTreeMap::new(), Export::default());
    for (name, required) in classes.iter().flat_map(|(_, attributes)| attributes.iter()) {
        let export = configuration.attributes.get(*name);
        let written = *required || export.is_some();
        *kept.entry(*name).or_default() |= written;
        if written {
            assembly.attribute(name, export.unwrap_or(&usual));
        }
    }
    if configuration.attributes.contains_key(schema::LOCKED) {
        kept.insert(schema::LOCKED, true);
        if matches!(person.status, Status::Expired | Status::Suspended) {
            assembly.put(schema::LOCKED, None, "000001010000Z");
        }
    }
    let left_over = schema::left_over(configuration, &surroundings.classes);
    for (name, _) in left_over.iter().flat_map(|(_, attributes)| attributes.iter()) {
        kept.entry(*name).or_default();
    }
    kept.retain(|name, _| !configuration.kept_by_others.contains(*name));
    let mut attributes = assembly.attributes;
    name_itself(&dn, &mut attributes);
    let mut object_classes: Vec<String> = schema::PERSON_CLASSES.map(str::to_owned).to_vec();
    object_classes.extend(classes_with_content(&classes[1..], &attributes));
    object_classes.extend(configuration.person_object_classes.iter().cloned());
    drop_unclassed(&classes, &object_classes, &mut attributes);
    Wanted {
        dn,
        object_classes,
        attributes,
        kept,
        optional_classes: classes.iter().skip(1).chain(&left_over).map(|(class, _)| *class).collect(),
        unconfigured: configuration.unconfigured_attributes,
        options: configuration.attribute_options,
    }
}

/// An entry must hold what its name is made of.
pub(crate) fn name_itself(dn: &Dn, attributes: &mut Attributes) {
    for (name, value) in dn.rdn().into_iter().flat_map(|rdn| rdn.values()) {
        let known = attributes.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
        put(attributes, known.as_deref().unwrap_or(name), None, value.unwrap_or_default());
    }
}

/// Attributes of an object class that is left out would be refused, unless another has them too.
fn drop_unclassed(
    classes: &[(&'static str, &'static [schema::Known])],
    chosen: &[String],
    attributes: &mut Attributes,
) {
    let (in_use, left_out): (Vec<_>, Vec<_>) =
        classes.iter().partition(|(class, _)| chosen.iter().any(|chosen| chosen == class));
    let of = |classes: &[&(&str, &'static [schema::Known])], name: &str| {
        classes.iter().any(|(_, known)| known.iter().any(|(known, _)| *known == name))
    };
    attributes.retain(|name, _| {
        let base = name.split(';').next().unwrap_or_default();
        !of(&left_out, base) || of(&in_use, base)
    });
}

struct Assembly<'a> {
    configuration: &'a Configuration,
    person: &'a Person,
    surroundings: &'a Surroundings,
    attributes: Attributes,
}

impl<'a> Assembly<'a> {
    fn put(&mut self, name: &str, option: Option<String>, value: &str) {
        let option = option.filter(|_| self.configuration.attribute_options);
        put(&mut self.attributes, name, option, value);
    }

    fn attribute(&mut self, name: &'static str, export: &Export) {
        match name {
            "sn" | "cn" | "givenName" => self.primary_name(name),
            "displayName" => self.names(name, export, "preferred", true),
            "eduPersonNickname" => self.names(name, export, "preferred", false),
            "voPersonAuthorName" => self.names(name, export, "author", false),
            "title" | "ou" | "o" | "employeeType" | "voPersonAffiliation" => self.of_roles(name),
            "telephoneNumber" => self.telephones(name, export, "office"),
            "facsimileTelephoneNumber" => self.telephones(name, export, "fax"),
            "mobile" => self.telephones(name, export, "mobile"),
            "street" | "l" | "st" | "postalCode" | "roomNumber" => self.address(name),
            "labeledURI" => self.urls(name, export),
            "mail" => self.mail(name, export),
            "employeeNumber" | "eduPersonPrincipalName" => self.identifiers(name, export, "eppn", true),
            "uid" => self.identifiers(name, export, "uid", false),
            "eduPersonOrcid" => self.identifiers(name, export, "orcid", false),
            "eduPersonPrincipalNamePrior" | "voPersonExternalID" => {
                self.identifiers(name, export, "eppn", false)
            }
            "voPersonID" => self.identifiers(name, export, "enterprise", false),
            "voPersonSoRID" => self.identifiers(name, export, "sorid", false),
            "eduPersonUniqueId" => self.unique_id(export),
            "eduPersonAffiliation" | "eduPersonScopedAffiliation" => self.affiliations(name),
            "eduPersonEntitlement" => self.entitlements(name),
            "isMemberOf" => self.memberships(name),
            "userPassword"
            | "sshPublicKey"
            | "voPersonToken"
            | "voPersonCertificateDN"
            | "voPersonCertificateIssuerDN" => {
                self.authenticators(name);
            }
            "voPersonApplicationPassword" => self.application_passwords(name),
            "voPersonApplicationUID" => self.application_uids(name, export),
            "voPersonPolicyAgreement" => self.agreements(name),
            "voPersonStatus" => self.statuses(name),
            _ => self.account(name),
        }
    }

    fn primary_name(&mut self, attribute: &str) {
        let name = self.person.primary_name();
        let text = match (attribute, name) {
            ("cn", Some(name)) => Some(name.formatted()),
            ("sn", Some(name)) => name.family.clone(),
            (_, Some(name)) => name.given.clone(),
            (_, None) => None,
        };
        let text = text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| ".".to_owned());
        // These are required without options; with a language they stand there once more.
        self.put(attribute, None, &text);
        if self.configuration.attribute_options
            && let Some(language) = name.and_then(language)
        {
            self.put(attribute, Some(language), &text);
        }
    }

    fn names(&mut self, attribute: &str, export: &Export, usual: &str, single: bool) {
        let of_type = self.person.names.iter().filter(|name| takes(export, &[usual], &name.name_type));
        for name in of_type.take(if single { 1 } else { usize::MAX }) {
            self.put(attribute, language(name), &name.formatted());
        }
    }

    fn of_roles(&mut self, attribute: &str) {
        for role in &self.person.roles {
            let value = match attribute {
                "title" => &role.title,
                "ou" => &role.department,
                "o" => &role.organization,
                _ => &role.affiliation,
            };
            self.put(attribute, of_role(role), value.as_deref().unwrap_or_default());
        }
    }

    fn telephones(&mut self, attribute: &str, export: &Export, usual: &str) {
        for role in &self.person.roles {
            for number in
                role.telephone_numbers.iter().filter(|number| takes(export, &[usual], &number.telephone_type))
            {
                self.put(attribute, of_role(role), &number.formatted());
            }
        }
    }

    /// The first address of the types, of the first role that has one.
    fn address(&mut self, attribute: &str) {
        let types = &self.configuration.address_types;
        let of_type = |address: &&Address| types.is_empty() || types.contains(&address.address_type);
        let found =
            self.person.roles.iter().find_map(|role| Some((role, role.addresses.iter().find(of_type)?)));
        let Some((role, address)) = found else { return };
        let value = match attribute {
            "street" => &address.street,
            "l" => &address.locality,
            "st" => &address.state,
            "postalCode" => &address.postal_code,
            _ => &address.room,
        };
        let language = address.language.as_ref().map(|language| option("lang", language));
        let options: Vec<_> = language.into_iter().chain(of_role(role)).collect();
        self.put(attribute, Some(options.join(";")), value.as_deref().unwrap_or_default());
    }

    fn urls(&mut self, attribute: &str, export: &Export) {
        for url in self.person.urls.iter().filter(|url| takes(export, &["official"], &url.url_type)) {
            let description = url.description.as_deref().unwrap_or_default();
            self.put(attribute, None, &format!("{} {description}", url.url));
        }
    }

    fn mail(&mut self, attribute: &str, export: &Export) {
        let own = self.person.email_addresses.iter().filter(|_| !export.org_identities);
        let foreign = self.person.org_identities.iter().filter(|_| export.org_identities);
        let foreign = foreign.flat_map(|identity| &identity.email_addresses);
        for address in own.chain(foreign).filter(|address| takes(export, &["official"], &address.email_type))
        {
            self.put(attribute, None, &address.mail);
        }
    }

    fn identifiers(&mut self, attribute: &str, export: &Export, usual: &str, single: bool) {
        for identifier in self.chosen(export, usual).take(if single { 1 } else { usize::MAX }) {
            self.put(attribute, None, &identifier.identifier);
        }
    }

    fn chosen(&self, export: &Export, usual: &str) -> impl Iterator<Item = &'a Identifier> + use<'a> {
        let own = (!export.org_identities).then_some(&self.person.identifiers);
        let foreign = self.person.org_identities.iter().filter(|_| export.org_identities);
        let all = own.into_iter().chain(foreign.map(|identity| &identity.identifiers)).flatten();
        let chosen: Vec<_> = all
            .filter(|found| found.status == Status::Active && takes(export, &[usual], &found.identifier_type))
            .collect();
        chosen.into_iter()
    }

    fn unique_id(&mut self, export: &Export) {
        if let (Some(scope), Some(identifier)) =
            (&self.configuration.scope, self.chosen(export, "enterprise").next())
        {
            self.put("eduPersonUniqueId", None, &format!("{}@{scope}", identifier.identifier));
        }
    }

    fn affiliations(&mut self, attribute: &str) {
        for role in &self.person.roles {
            let affiliation = role.affiliation.as_deref().unwrap_or_default();
            let Some(value) = edu_person_affiliation(affiliation, &self.surroundings.affiliations) else {
                continue;
            };
            match (&self.configuration.scope, attribute) {
                (_, "eduPersonAffiliation") => self.put(attribute, of_role(role), value),
                (Some(scope), _) => self.put(attribute, of_role(role), &format!("{value}@{scope}")),
                (None, _) => {}
            }
        }
    }

    /// Those of services that everybody may use, or whose group has the person as a member.
    fn entitlements(&mut self, attribute: &str) {
        let in_force = matches!(self.person.status, Status::Active | Status::GracePeriod);
        if !in_force || !self.person.memberships.iter().any(|membership| membership.member) {
            return;
        }
        for service in self.usable_services() {
            self.put(attribute, None, service.entitlement_uri.as_deref().unwrap_or_default());
        }
    }

    fn usable_services(&self) -> impl Iterator<Item = &'a Service> + use<'a> {
        let memberships = &self.person.memberships;
        self.surroundings.services.iter().filter(move |service| {
            let member = |group: &String| {
                memberships
                    .iter()
                    .any(|membership| membership.member && membership.group.metadata.id == *group)
            };
            service.status == Status::Active && service.group.as_ref().is_none_or(member)
        })
    }

    fn memberships(&mut self, attribute: &str) {
        for membership in self.person.memberships.iter().filter(|membership| membership.member) {
            self.put(attribute, None, &membership.group.name);
        }
    }

    fn authenticators(&mut self, attribute: &str) {
        for authenticator in &self.person.authenticators {
            let scope = option("scope", &authenticator.metadata.id);
            match (&authenticator.credential, attribute) {
                (Credential::Password(password), "userPassword") if is_ssha(&password.scheme) => {
                    self.put(attribute, None, &in_braces("SSHA", &password.hash));
                }
                (Credential::SshKey(key), "sshPublicKey") => {
                    let comment = key.comment.as_deref().unwrap_or_default();
                    self.put(attribute, None, &format!("{} {} {comment}", key.key_type, key.key));
                }
                (Credential::Certificate(certificate), "voPersonCertificateDN") => {
                    self.put(attribute, Some(scope), &certificate.subject_dn);
                }
                (Credential::Certificate(certificate), "voPersonCertificateIssuerDN") => {
                    let issuer = certificate.issuer_dn.as_deref().unwrap_or_default();
                    self.put(attribute, Some(scope), issuer);
                }
                (Credential::Other(other), "voPersonToken") if other.name.starts_with("totp") => {
                    let token = serde_json::from_str::<serde_json::Value>(&other.json).unwrap_or_default();
                    self.put(
                        attribute,
                        Some("type-totp".to_owned()),
                        token["serial"].as_str().unwrap_or_default(),
                    );
                }
                _ => {}
            }
        }
    }

    /// By service, so only where options tell them apart.
    fn application_passwords(&mut self, attribute: &str) {
        if !self.configuration.attribute_options {
            return;
        }
        for service in self.usable_services() {
            let Some(label) = &service.short_label else { continue };
            let of_service =
                self.person.authenticators.iter().filter(|authenticator| {
                    Some(&authenticator.authenticator) == service.authenticator.as_ref()
                });
            for authenticator in of_service {
                let Credential::Password(password) = &authenticator.credential else { continue };
                let value = match password.scheme.to_ascii_lowercase().as_str() {
                    "crypt" => in_braces("CRYPT", &password.hash),
                    scheme if is_ssha(scheme) => in_braces("SSHA", &password.hash),
                    _ => password.hash.clone(),
                };
                self.put(attribute, Some(option("app", label)), &value);
            }
        }
    }

    fn application_uids(&mut self, attribute: &str, export: &Export) {
        self.identifiers(attribute, export, "uid", false);
        if !self.configuration.attribute_options {
            return;
        }
        for service in self.usable_services() {
            let (Some(label), Some(kind)) = (&service.short_label, &service.identifier_type) else {
                continue;
            };
            if let Some(identifier) = self.person.identifier(kind) {
                self.put(attribute, Some(option("app", label)), identifier);
            }
        }
    }

    fn agreements(&mut self, attribute: &str) {
        for agreement in &self.person.agreements {
            let option = epoch(&agreement.agreed).map(|seconds| format!("time-{seconds}"));
            self.put(attribute, option, agreement.url.as_deref().unwrap_or_default());
        }
    }

    fn statuses(&mut self, attribute: &str) {
        self.put(attribute, None, &camel(self.person.status.word()));
        if self.configuration.attribute_options {
            for role in &self.person.roles {
                self.put(attribute, of_role(role), &camel(role.status.word()));
            }
        }
    }

    /// Of posixAccount the first account of the cluster; of voPosixAccount all, by the service that runs on the cluster.
    fn account(&mut self, attribute: &str) {
        let scoped = attribute.starts_with("voPosixAccount");
        for account in &self.person.cluster_accounts {
            if !scoped && Some(&account.cluster) != self.configuration.cluster.as_ref() {
                continue;
            }
            if account.uid_number.is_none()
                || account.gid_number.is_none()
                || account.home_directory.is_none()
            {
                continue;
            }
            let field = attribute.strip_prefix("voPosixAccount").unwrap_or(attribute);
            let value = of_account(account, field);
            if !scoped {
                return self.put(attribute, None, &value);
            }
            let services = &self.surroundings.services;
            let service = services.iter().find(|service| service.cluster.as_ref() == Some(&account.cluster));
            if let Some(label) = service.and_then(|service| service.short_label.as_ref()) {
                self.put(attribute, Some(option("scope", label)), &value);
            }
        }
    }
}

fn of_account(account: &ClusterAccount, field: &str) -> String {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    match field.to_ascii_lowercase().as_str() {
        "uidnumber" => number(account.uid_number),
        "gidnumber" => number(account.gid_number),
        "homedirectory" => account.home_directory.clone().unwrap_or_default(),
        "loginshell" => account.login_shell.clone().unwrap_or_default(),
        _ => account.gecos.clone().unwrap_or_default(),
    }
}

/// Whether something of this type is taken.
fn takes(export: &Export, usual: &[&str], found: &str) -> bool {
    match &export.types {
        Some(types) => types.is_empty() || types.iter().any(|wanted| wanted == found),
        None => usual.contains(&found),
    }
}

fn language(name: &Name) -> Option<String> {
    name.language.as_ref().map(|language| option("lang", language))
}

fn of_role(role: &Role) -> Option<String> {
    Some(option("role", &role.metadata.id))
}

fn is_ssha(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("ssha")
}

fn in_braces(scheme: &str, hash: &str) -> String {
    if hash.starts_with('{') { hash.to_owned() } else { format!("{{{scheme}}}{hash}") }
}

/// "grace_period" as "GracePeriod".
fn camel(word: &str) -> String {
    let parts = word.split(['_', '-', ' ']).map(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    });
    parts.collect()
}

/// Seconds since 1970 of a timestamp of the contract.
fn epoch(timestamp: &str) -> Option<i64> {
    let number = |from: usize, to: usize| timestamp.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days of the civil calendar, counted from March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let days =
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 719_469;
    Some(days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_counted_in_seconds() {
        assert_eq!(epoch("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(epoch("2026-03-01T08:30:00Z"), Some(1_772_353_800));
        assert_eq!(epoch("2024-02-29T23:59:59Z"), Some(1_709_251_199));
    }

    #[test]
    fn words_of_statuses_are_spelled_as_in_the_api() {
        assert_eq!(camel("grace_period"), "GracePeriod");
        assert_eq!(camel("active"), "Active");
        assert_eq!(in_braces("CRYPT", "$6$x"), "{CRYPT}$6$x");
    }
}
