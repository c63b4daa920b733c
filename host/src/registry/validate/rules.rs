//! What single types ask for, beyond what holds for every text and list.

use jiff::Timestamp;

use super::Report;
use super::collaboration::unit_id;
use crate::registry::record::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, Credential, Department, EmailAddress,
    EmailList, Group, Identifier, Membership, Name, OrgIdentity, Person, Role, Service, TelephoneNumber, Url,
};
use crate::registry::shape::Field;

/// The rules of one type; its fields have been looked at already.
pub(crate) trait Rules {
    fn rules(&self, report: &mut Report);
}

impl Rules for Person {
    fn rules(&self, report: &mut Report) {
        report.within("names", |report| {
            let primary = self.names.iter().filter(|name| name.primary).count();
            match (self.names.len(), primary) {
                (0, _) => report.problem("a person needs at least one name"),
                (_, 1) => {}
                (_, 0) => report.problem("none of the names is primary: mark one with \"primary\": true"),
                (_, several) => report.problem(format!("{several} names are primary: only one can be")),
            }
        });
    }
}

impl Rules for Name {
    fn rules(&self, report: &mut Report) {
        report.within("type", |report| report.filled(&self.name_type));
        let said = |part: &Option<String>| part.as_ref().is_some_and(|text| !text.trim().is_empty());
        if !said(&self.given) && !said(&self.family) {
            report.problem("a name needs \"given\" or \"family\"");
        }
        language(self.language.as_deref(), report);
    }
}

impl Rules for EmailAddress {
    fn rules(&self, report: &mut Report) {
        report.within("type", |report| report.filled(&self.email_type));
        let sides = self.mail.rsplit_once('@');
        if !sides.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
            || self.mail.contains(char::is_whitespace)
        {
            report.within("mail", |report| report.problem("not an email address: local@domain is expected"));
        }
    }
}

impl Rules for Identifier {
    fn rules(&self, report: &mut Report) {
        report.within("identifier", |report| report.filled(&self.identifier));
        report.within("type", |report| report.filled(&self.identifier_type));
        language(self.language.as_deref(), report);
    }
}

impl Rules for Url {
    fn rules(&self, report: &mut Report) {
        report.within("type", |report| report.filled(&self.url_type));
        if let Err(error) = url::Url::parse(&self.url) {
            report.within("url", |report| report.problem(format!("not an absolute URL: {error}")));
        }
        language(self.language.as_deref(), report);
    }
}

impl Rules for Address {
    fn rules(&self, report: &mut Report) {
        report.within("type", |report| report.filled(&self.address_type));
        language(self.language.as_deref(), report);
    }
}

impl Rules for TelephoneNumber {
    fn rules(&self, report: &mut Report) {
        report.within("number", |report| report.filled(&self.number));
        report.within("type", |report| report.filled(&self.telephone_type));
    }
}

impl Rules for AdHocAttribute {
    fn rules(&self, report: &mut Report) {
        report.within("tag", |report| report.filled(&self.tag));
    }
}

impl Rules for Role {
    fn rules(&self, report: &mut Report) {
        window(self.valid_from, self.valid_through, report);
        unit(self.cou.as_deref(), report);
        reference("sponsor", self.sponsor.as_deref(), report);
        reference("manager", self.manager.as_deref(), report);
    }
}

impl Rules for OrgIdentity {
    fn rules(&self, report: &mut Report) {
        reference("identity_source", self.identity_source.as_deref(), report);
        window(self.valid_from, self.valid_through, report);
    }
}

impl Rules for Agreement {
    fn rules(&self, report: &mut Report) {
        report.within("terms", |report| report.id(&self.terms));
    }
}

impl Rules for Authenticator {
    fn rules(&self, report: &mut Report) {
        report.within("authenticator", |report| report.filled(&self.authenticator));
    }
}

/// Looks at the texts too. No message tells what a credential holds.
impl Rules for Credential {
    fn rules(&self, report: &mut Report) {
        match self {
            Self::SshKey { key_type, key, comment, options } => {
                report.within("key_type", |report| word(key_type, report));
                report.within("key", |report| word(key, report));
                report.within("comment", |report| comment.check(report));
                report.within("options", |report| options.check(report));
            }
            Self::Password { scheme, hash } => {
                report.within("scheme", |report| word(scheme, report));
                report.within("hash", |report| report.required(hash));
            }
            Self::Certificate { subject_dn, issuer_dn, description, valid_from, valid_through } => {
                report.within("subject_dn", |report| report.required(subject_dn));
                report.within("issuer_dn", |report| issuer_dn.check(report));
                report.within("description", |report| description.check(report));
                report.within("valid_from", |report| valid_from.check(report));
                report.within("valid_through", |report| valid_through.check(report));
                window(*valid_from, *valid_through, report);
            }
            Self::Other { name, value } => {
                report.within("name", |report| report.required(name));
                report.within("value", |report| value.check(report));
            }
        }
    }
}

impl Rules for ClusterAccount {
    fn rules(&self, report: &mut Report) {
        report.within("cluster", |report| report.filled(&self.cluster));
        report.within("username", |report| report.filled(&self.username));
        reference("primary_group", self.primary_group.as_deref(), report);
        window(self.valid_from, self.valid_through, report);
    }
}

impl Rules for Group {
    fn rules(&self, report: &mut Report) {
        report.within("name", |report| report.filled(&self.name));
        unit(self.cou.as_deref(), report);
    }
}

impl Rules for EmailList {
    fn rules(&self, report: &mut Report) {
        report.within("name", |report| report.filled(&self.name));
        reference("admins_group", self.admins_group.as_deref(), report);
        reference("members_group", self.members_group.as_deref(), report);
        reference("moderators_group", self.moderators_group.as_deref(), report);
    }
}

impl Rules for Service {
    fn rules(&self, report: &mut Report) {
        report.within("name", |report| report.filled(&self.name));
        unit(self.cou.as_deref(), report);
        reference("group", self.group.as_deref(), report);
    }
}

impl Rules for Department {
    fn rules(&self, report: &mut Report) {
        report.within("name", |report| report.filled(&self.name));
        report.within("type", |report| report.filled(&self.department_type));
        unit(self.cou.as_deref(), report);
        reference("leadership_group", self.leadership_group.as_deref(), report);
        reference("administrative_group", self.administrative_group.as_deref(), report);
        reference("support_group", self.support_group.as_deref(), report);
    }
}

impl Rules for Membership {
    fn rules(&self, report: &mut Report) {
        report.within("group", |report| report.id(&self.group));
        report.within("person", |report| report.id(&self.person));
        if !self.member && !self.owner {
            report.problem("neither member nor owner: remove the membership instead");
        }
        window(self.valid_from, self.valid_through, report);
    }
}

fn window(valid_from: Option<Timestamp>, valid_through: Option<Timestamp>, report: &mut Report) {
    if let (Some(from), Some(through)) = (valid_from, valid_through)
        && from >= through
    {
        report.within("valid_through", |report| {
            report.problem(format!("must be after valid_from, which is {from}"));
        });
    }
}

fn reference(field: &'static str, id: Option<&str>, report: &mut Report) {
    if let Some(id) = id {
        report.within(field, |report| report.id(id));
    }
}

fn unit(id: Option<&str>, report: &mut Report) {
    if let Some(id) = id {
        report.within("cou", |report| unit_id(id, report));
    }
}

/// A text without white space.
fn word(text: &str, report: &mut Report) {
    report.required(text);
    if text.contains(char::is_whitespace) {
        report.problem("must not hold white space");
    }
}

/// The look of a language tag (BCP 47): subtags of letters and digits, the first of letters only. Whether the language
/// exists is left to those who use it.
fn language(tag: Option<&str>, report: &mut Report) {
    let Some(tag) = tag else { return };
    let subtag =
        |text: &str| (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let primary = |text: &str| text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let plausible = tag.split('-').all(subtag) && tag.split('-').next().is_some_and(primary);
    if !plausible {
        report.within("language", |report| {
            report.problem("not a language tag: \"en\", \"zh-Hans\" or \"pt-BR\" is expected (BCP 47)");
        });
    }
}
