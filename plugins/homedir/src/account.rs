//! The account that a home belongs to: who, and where.

use provender_sdk::Failure;
use provender_sdk::records::{Person, Status};

use crate::configuration::Configuration;
use crate::holder::MAX_PATH_BYTES;

/// Numbers and place of a home.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) owner: u32,
    pub(crate) group: u32,
    /// Below the root of the slot.
    pub(crate) path: String,
}

impl Account {
    /// The account of a person; none for one who has nothing of it.
    pub(crate) fn of(person: &Person, configuration: &Configuration) -> Result<Option<Self>, Failure> {
        let values = match &configuration.cluster {
            Some(cluster) => {
                let in_force = |status: &Status| matches!(status, Status::Active | Status::GracePeriod);
                let account = person
                    .cluster_accounts
                    .iter()
                    .find(|account| account.cluster == *cluster && in_force(&account.status));
                let Some(account) = account else { return Ok(None) };
                let number = |number: Option<u64>| number.map(|number| number.to_string());
                [number(account.uid_number), number(account.gid_number), account.home_directory.clone()]
            }
            None => types(configuration).map(|of| person.identifier(of).map(str::to_owned)),
        };
        let [owner, group, home] = match values {
            [None, None, None] if configuration.cluster.is_none() => return Ok(None),
            [Some(owner), Some(group), Some(home)] => [owner, group, home],
            values => {
                let missing: Vec<&str> = types(configuration)
                    .into_iter()
                    .zip(&values)
                    .filter_map(|(of, value)| value.is_none().then_some(of))
                    .collect();
                return Err(invalid(configuration, format!("the account lacks {}", missing.join(", "))));
            }
        };
        let number = |what: &str, text: &str| {
            let number = text.parse::<u32>().ok().filter(|number| *number != u32::MAX);
            number.ok_or_else(|| invalid(configuration, format!("{what} {text:?} is no number of 32 bits")))
        };
        let [uid_type, gid_type, _] = types(configuration);
        let (owner, group) = (number(uid_type, &owner)?, number(gid_type, &group)?);
        let path = path_of(&home, configuration).map_err(|reason| invalid(configuration, reason))?;
        Ok(Some(Self { owner, group, path }))
    }
}

fn types(configuration: &Configuration) -> [&str; 3] {
    [&configuration.uid_number_type, &configuration.gid_number_type, &configuration.home_directory_type]
}

fn place(configuration: &Configuration) -> &'static str {
    if configuration.cluster.is_some() { "cluster-accounts" } else { "identifiers" }
}

fn invalid(configuration: &Configuration, message: String) -> Failure {
    Failure::invalid_data(message).at(place(configuration))
}

/// Somebody with a home has no account any more: nobody but the operator knows what that means.
pub(crate) fn lost(configuration: &Configuration) -> Failure {
    let message = "the person has a home, and no account any more; the home stays as it is";
    invalid(configuration, message.to_owned())
}

/// Where a home lies below the root.
fn path_of(home: &str, configuration: &Configuration) -> Result<String, String> {
    let prefix = configuration.prefix.trim_end_matches('/');
    let rest = home
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| format!("the home directory {home:?} does not begin with {prefix:?} and a \"/\""))?;
    let rest = rest.trim_end_matches('/');
    if !is_path(rest) {
        return Err(format!(
            "the home directory {home:?} cannot be used: a part of it is empty, dots or special"
        ));
    }
    let path = below(&configuration.below, rest);
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("the home directory {home:?} has more than {MAX_PATH_BYTES} bytes"));
    }
    let archive = &configuration.archive;
    let within = |path: &str, other: &str| {
        path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if within(&path, archive) || within(archive, &path) {
        return Err(format!("the home directory {home:?} is where the archive is"));
    }
    Ok(path)
}

pub(crate) fn below(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

/// Whether a text is a path as the host takes it.
pub(crate) fn is_path(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.starts_with(".provender-");
    text.len() <= 1024 && !text.contains(char::is_control) && text.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use provender_sdk::records::{ClusterAccount, Identifier};

    use super::*;

    fn person(values: &[(&str, &str)]) -> Person {
        let identifiers = values.iter().map(|(of, value)| Identifier {
            identifier: (*value).to_owned(),
            identifier_type: (*of).to_owned(),
            ..Identifier::default()
        });
        Person { identifiers: identifiers.collect(), ..Person::default() }
    }

    fn whole(home: &str) -> Person {
        person(&[("uidNumber", "5001"), ("gidNumber", "6001"), ("homeDirectory", home)])
    }

    #[test]
    fn an_account_is_made_of_three_identifiers() {
        let configuration = Configuration { below: "homes".to_owned(), ..Configuration::default() };
        let account = Account { owner: 5001, group: 6001, path: "homes/a/anna".to_owned() };
        assert_eq!(Account::of(&whole("/home/a/anna/"), &configuration), Ok(Some(account)));
        assert_eq!(Account::of(&person(&[]), &configuration), Ok(None));
        let failure = Account::of(&person(&[("uidNumber", "5001")]), &configuration).unwrap_err();
        assert_eq!(
            failure,
            Failure::invalid_data("the account lacks gidNumber, homeDirectory").at("identifiers")
        );
    }

    #[test]
    fn a_home_that_leads_elsewhere_is_the_records_fault() {
        let configuration = Configuration::default();
        let long = format!("/home/{}", "x/".repeat(MAX_PATH_BYTES));
        for home in [
            long.as_str(),
            "/home",
            "/home/",
            "/homes/anna",
            "anna",
            "/home/../etc",
            "/home/a//b",
            "/home/.",
            "/home/a\nb",
            "/home/.provender-x",
            "/home/archive/anna",
            "/home/archive",
        ] {
            let failure = Account::of(&whole(home), &configuration).unwrap_err();
            assert!(matches!(failure, Failure::InvalidData(_)), "{home}: {failure:?}");
        }
        assert!(Account::of(&whole("/home/Zoë Ng"), &configuration).unwrap().is_some());
    }

    #[test]
    fn numbers_are_numbers() {
        for uid in ["-1", "4294967295", "x", ""] {
            let person = person(&[("uidNumber", uid), ("gidNumber", "1"), ("homeDirectory", "/home/a")]);
            assert!(Account::of(&person, &Configuration::default()).is_err(), "{uid}");
        }
    }

    #[test]
    fn an_account_on_a_cluster_counts_where_one_is_configured() {
        let configuration = Configuration { cluster: Some("hpc".to_owned()), ..Configuration::default() };
        let mut person = whole("/home/other");
        assert_eq!(Account::of(&person, &configuration), Ok(None));
        person.cluster_accounts.push(ClusterAccount {
            cluster: "hpc".to_owned(),
            uid_number: Some(7),
            gid_number: Some(8),
            home_directory: Some("/home/anna".to_owned()),
            ..ClusterAccount::default()
        });
        let account = Account { owner: 7, group: 8, path: "anna".to_owned() };
        assert_eq!(Account::of(&person, &configuration), Ok(Some(account)));
    }
}
