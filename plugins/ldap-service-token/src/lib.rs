//! Provisioner `ldap-service-token`: writes the token that a person has for a service into the person's entry, as the hash
//! of a password.

mod scheme;

use provender_sdk::ldap::{
    self, Directory, Dn, Error, Modification, NO_SUCH_OBJECT, attribute, escape_filter_value,
};
use provender_sdk::records::{Credential, Person, Status, Subject, SubjectKind};
use provender_sdk::{
    Action, Applied, Context, Description, Failure, Inspection, Invocation, Outcome, Provisioner, Slot, state,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::scheme::{SALT_BYTES, Scheme};

/// Whose tokens are written, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// `id` of the service.
    #[schemars(length(min = 1))]
    service: String,
    /// The entry below which people are looked for.
    #[schemars(length(min = 1))]
    people_base_dn: String,
    /// The attribute that people are looked for by.
    #[serde(default = "uid")]
    search_attribute: String,
    /// The type of the identifier that is its value.
    #[serde(default = "uid")]
    #[schemars(length(min = 1))]
    identifier_type: String,
    /// How tokens are hashed.
    #[serde(default)]
    scheme: Scheme,
}

fn uid() -> String {
    "uid".to_owned()
}

/// A credential of the registry that the contract has no case for. Without `Debug`: it holds a secret.
#[derive(Deserialize)]
struct ServiceToken {
    service: String,
    token: String,
}

/// Name of such a credential.
const SERVICE_TOKEN: &str = "service_token";

const PASSWORD: &str = "userPassword";

/// noSuchAttribute
const NO_SUCH_ATTRIBUTE: u32 = 16;

/// Key of the subject's state: what this target wrote, stored after the directory took it.
const WRITTEN: &str = "written";

#[derive(PartialEq, Deserialize, Serialize)]
struct Written {
    dn: String,
    salt: [u8; SALT_BYTES],
}

struct LdapServiceToken;

impl Provisioner for LdapServiceToken {
    type Configuration = Configuration;

    const DESCRIPTION: Description = Description::new("ldap-service-token", env!("CARGO_PKG_VERSION"))
        .summary("Writes people's tokens for a service as passwords into an LDAP directory")
        .subjects(&[SubjectKind::Person])
        .slots(&[Slot::ldap("directory")
            .summary("looks for entries of people and changes their userPassword")
            .operations(&["search", "compare", "modify"])]);

    fn check(context: &Context<Configuration>) -> Result<Vec<String>, Failure> {
        let base = context.configuration.base()?.to_string();
        match ldap::read(&ldap::open("directory")?, &base, &["1.1"])? {
            Some(_) => Ok(vec![format!("{base} is there")]),
            None => Err(Failure::configuration(format!("{base} is not there")).at("/people_base_dn")),
        }
    }

    fn provision(invocation: &Invocation<Configuration>) -> Result<Outcome, Failure> {
        let Subject::Person(person) = &invocation.subject else {
            return Ok(Outcome::skipped("only people have tokens"));
        };
        let configuration = &invocation.context.configuration;
        let gone = invocation.action == Action::Deleted;
        let token = if gone { None } else { configuration.token(person)? };
        match (token, state::of_subject().get_json::<Written>(WRITTEN)?) {
            (None, None) => Ok(Outcome::skipped("the person has no token for the service")),
            (None, Some(written)) => configuration.remove(person, &written),
            (Some(_), _) if person.status == Status::Locked => Ok(Outcome::skipped("the person is locked")),
            (Some(token), written) => configuration.write(person, &token, written.as_ref()),
        }
    }

    fn inspect(context: &Context<Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let Subject::Person(person) = subject else { return Ok(Inspection::Absent) };
        let configuration = &context.configuration;
        let directory = ldap::open("directory")?;
        let Some(dn) = configuration.entry(&directory, person)? else { return Ok(Inspection::Absent) };
        let written = state::of_subject().get_json::<Written>(WRITTEN)?;
        Ok(match (configuration.token(person)?, written) {
            (None, None) => Inspection::Absent,
            (None, Some(_)) => Inspection::Different(vec![format!("{PASSWORD} should not be there")]),
            (Some(token), Some(written)) if configuration.holds(&directory, &dn, &token, &written)? => {
                Inspection::Present
            }
            (Some(_), _) => Inspection::Different(vec![format!("{PASSWORD} is not the token")]),
        })
    }
}

impl Configuration {
    fn base(&self) -> Result<Dn, Failure> {
        let base = Dn::parse(&self.people_base_dn);
        let base = base.map_err(|error| Failure::configuration(error.to_string()).at("/people_base_dn"))?;
        match base.child(&self.search_attribute, "x") {
            Ok(_) => Ok(base),
            Err(error) => Err(Failure::configuration(error.problem).at("/search_attribute")),
        }
    }

    /// The token of the person for the service.
    fn token(&self, person: &Person) -> Result<Option<String>, Failure> {
        for authenticator in &person.authenticators {
            let Credential::Other(credential) = &authenticator.credential else { continue };
            if credential.name != SERVICE_TOKEN {
                continue;
            }
            // What is wrong with it is not told: that could quote it.
            let unreadable =
                || Failure::invalid_data("a service token needs `service` and `token`").at("authenticators");
            let found: ServiceToken = serde_json::from_str(&credential.json).map_err(|_| unreadable())?;
            if found.token.is_empty() {
                return Err(unreadable());
            }
            if found.service == self.service {
                return Ok(Some(found.token));
            }
        }
        Ok(None)
    }

    /// The name of the person's entry, if there is one.
    fn entry(&self, directory: &Directory, person: &Person) -> Result<Option<String>, Failure> {
        let base = self.base()?.to_string();
        let Some(identifier) = person.identifier(&self.identifier_type) else { return Ok(None) };
        let filter = format!("({}={})", self.search_attribute, escape_filter_value(identifier.trim()));
        let found = ldap::search(directory, &base, &filter, &["1.1"])?;
        let mut names = found.take(2).collect::<Result<Vec<_>, Error>>()?.into_iter().map(|entry| entry.dn);
        match (names.next(), names.next()) {
            (Some(one), Some(other)) => Err(Failure::conflict(format!(
                "{filter} finds {one} and {other}: one entry must be the person's"
            ))),
            (found, _) => Ok(found),
        }
    }

    /// Whether the entry holds the token as it was written.
    fn holds(
        &self,
        directory: &Directory,
        dn: &str,
        token: &str,
        written: &Written,
    ) -> Result<bool, Failure> {
        let value = self.scheme.hash(token, &written.salt)?;
        match directory.compare(dn, PASSWORD, value.as_bytes()) {
            Err(error) if error.is(NO_SUCH_ATTRIBUTE) => Ok(false),
            compared => Ok(compared?),
        }
    }

    fn write(&self, person: &Person, token: &str, written: Option<&Written>) -> Result<Outcome, Failure> {
        let directory = ldap::open("directory")?;
        let Some(dn) = self.entry(&directory, person)? else {
            return match person.identifier(&self.identifier_type) {
                Some(identifier) => Err(Failure::transient(format!(
                    "no entry has {} {identifier:?} yet: the target that makes it must come before this one",
                    self.search_attribute
                ))),
                None => {
                    let kind = &self.identifier_type;
                    let problem = format!("the person has no active identifier of type {kind:?}");
                    Err(Failure::invalid_data(problem).at("identifiers"))
                }
            };
        };
        if let Some(written) = written
            && self.holds(&directory, &dn, token, written)?
        {
            return Ok(Outcome::Unchanged);
        }
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Failure::permanent("there are no random numbers"))?;
        let value = self.scheme.hash(token, &salt)?;
        directory.modify(&dn, &[Modification::Replace(attribute(PASSWORD, [value]))])?;
        let line = shortened(format!("wrote the token for {} to {dn}", self.service));
        state::of_subject().set_json(WRITTEN, &Written { dn, salt })?;
        Ok(Applied::new().with_history(line).into())
    }

    /// Takes away what this target wrote, where the entry is still there.
    fn remove(&self, person: &Person, written: &Written) -> Result<Outcome, Failure> {
        let directory = ldap::open("directory")?;
        let dn = self.entry(&directory, person)?.unwrap_or_else(|| written.dn.clone());
        let nothing = attribute::<String>(PASSWORD, []);
        let outcome = match directory.modify(&dn, &[Modification::Replace(nothing)]) {
            Ok(()) => {
                let line = shortened(format!("removed the token for {} from {dn}", self.service));
                Applied::new().with_history(line).into()
            }
            Err(error) if error.is(NO_SUCH_OBJECT) => Outcome::Unchanged,
            Err(error) => return Err(error.into()),
        };
        state::of_subject().delete(WRITTEN)?;
        Ok(outcome)
    }
}

/// A line of a history.
fn shortened(line: String) -> String {
    line.chars().take(256).collect()
}

provender_sdk::export_provisioner!(LdapServiceToken);

#[cfg(test)]
mod tests {
    use provender_sdk::records::{Authenticator, Extension, Metadata};

    use super::*;

    fn person(tokens: &[&str]) -> Person {
        let authenticator = |json: &&str| Authenticator {
            metadata: Metadata::default(),
            authenticator: "tokens".to_owned(),
            credential: Credential::Other(Extension {
                name: SERVICE_TOKEN.to_owned(),
                json: (*json).to_owned(),
            }),
        };
        Person { authenticators: tokens.iter().map(authenticator).collect(), ..Person::default() }
    }

    #[test]
    fn the_token_is_that_of_the_service_and_is_not_quoted() {
        let configuration: Configuration =
            serde_json::from_str(r#"{"service": "wiki", "people_base_dn": "dc=x"}"#).unwrap();
        let of = |tokens: &[&str]| configuration.token(&person(tokens));
        let (wiki, other) = (r#"{"service":"wiki","token":"canary"}"#, r#"{"service":"lab","token":"x"}"#);
        assert_eq!(of(&[other, wiki]), Ok(Some("canary".to_owned())));
        assert_eq!(of(&[other]), Ok(None));
        for wrong in
            [r#"{"service":"wiki","token":7,"a":"canary"}"#, "canary", r#"{"service":"x","token":""}"#]
        {
            let failure = of(&[wrong]).unwrap_err();
            assert!(matches!(failure, Failure::InvalidData(_)) && !failure.message().contains("canary"));
        }
    }
}
