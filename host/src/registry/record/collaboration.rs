//! The collaboration itself: the tenant, with the entries that its records refer to.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::{Person, Record, yes};

/// The collaboration: the tenant that everything else belongs to.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Collaboration {
    /// In the path of the REST API.
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// Subdivisions (COUs), as a tree by `parent`.
    #[serde(default)]
    pub cous: Vec<Cou>,
    /// Words for affiliations beside those of eduPerson.
    #[serde(default)]
    pub affiliations: Vec<Affiliation>,
    /// Where org identities come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub org_identity_sources: Vec<OrgIdentitySource>,
    /// What people agree to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms_and_conditions: Vec<TermsAndConditions>,
    /// Whether the host keeps groups of all and of active members, of the collaboration and of each unit.
    #[serde(default = "yes")]
    pub automatic_groups: bool,
    /// Whether dates change the status of a role, and roles that of their person.
    #[serde(default = "yes")]
    pub status_recalculation: bool,
}

/// A subdivision of a collaboration.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cou {
    pub id: String,
    pub name: String,
    /// `id` of the unit above.
    pub parent: Option<String>,
}

/// A word for an affiliation and its value of eduPersonAffiliation.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Affiliation {
    pub affiliation: String,
    pub edu_person_affiliation: Option<String>,
}

/// A source of org identities, named by `identity_source` of an org identity.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrgIdentitySource {
    pub id: String,
    pub description: String,
}

/// Terms and conditions, named by `terms` of an agreement.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TermsAndConditions {
    pub id: String,
    pub description: String,
    /// Where they are published; what a plugin sees with an agreement that says nothing else.
    pub url: Option<String>,
    /// `id` of the unit whose members they are for; none stands for the whole CO.
    pub cou: Option<String>,
}

impl Collaboration {
    /// Whether there is such a unit.
    pub fn has_unit(&self, id: &str) -> bool {
        self.cous.iter().any(|cou| cou.id == id)
    }
}

/// What records refer to by the `id` of an entry of the collaboration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A [`Cou`]: of roles, groups, services and departments.
    Unit,
    /// An [`OrgIdentitySource`]: of org identities.
    OrgIdentitySource,
    /// [`TermsAndConditions`]: of agreements.
    TermsAndConditions,
}

impl Reference {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unit, Self::OrgIdentitySource, Self::TermsAndConditions];

    /// In messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::OrgIdentitySource => "org identity source",
            Self::TermsAndConditions => "terms and conditions",
        }
    }

    /// The field of records and parts that holds the `id`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Unit => "cou",
            Self::OrgIdentitySource => "identity_source",
            Self::TermsAndConditions => "terms",
        }
    }

    /// The `id`s of the entries.
    pub fn ids(self, collaboration: &Collaboration) -> Vec<&str> {
        fn ids<E: Entry>(entries: &[E]) -> Vec<&str> {
            entries.iter().map(Entry::id).collect()
        }
        match self {
            Self::Unit => ids(&collaboration.cous),
            Self::OrgIdentitySource => ids(&collaboration.org_identity_sources),
            Self::TermsAndConditions => ids(&collaboration.terms_and_conditions),
        }
    }

    /// Whether there is such an entry.
    pub fn is_there(self, collaboration: &Collaboration, id: &str) -> bool {
        match self {
            Self::Unit => collaboration.has_unit(id),
            Self::OrgIdentitySource => {
                collaboration.org_identity_sources.iter().any(|source| source.id == id)
            }
            Self::TermsAndConditions => collaboration.terms_and_conditions.iter().any(|terms| terms.id == id),
        }
    }

    /// What is wrong with naming an entry that is not there.
    pub fn missing(self, id: &str) -> String {
        let (is, it) = match self {
            Self::Unit | Self::OrgIdentitySource => ("is no", "it"),
            Self::TermsAndConditions => ("are no", "them"),
        };
        format!("there {is} {} \"{id}\" in this collaboration: create {it} first", self.word())
    }

    /// Adds an entry of which nothing is known but its `id`.
    pub fn create(self, collaboration: &mut Collaboration, id: &str) {
        let (id, name) = (id.to_owned(), id.to_owned());
        match self {
            Self::Unit => collaboration.cous.push(Cou { id, name, parent: None }),
            Self::OrgIdentitySource => {
                collaboration.org_identity_sources.push(OrgIdentitySource { id, description: name });
            }
            Self::TermsAndConditions => collaboration.terms_and_conditions.push(TermsAndConditions {
                id,
                description: name,
                ..TermsAndConditions::default()
            }),
        }
    }

    /// Whether a record refers to an entry.
    pub fn is_in(self, record: &Record, id: &str) -> bool {
        record.references().iter().any(|(_, reference, named)| (*reference, *named) == (self, id))
    }
}

impl Record {
    /// The entries of its collaboration that it and its parts refer to, each with the place that names it.
    pub fn references(&self) -> Vec<(String, Reference, &str)> {
        let own = match self {
            Self::Person(person) => return person.references(),
            Self::Group(group) => group.cou.as_deref(),
            Self::Service(service) => service.cou.as_deref(),
            Self::Department(department) => department.cou.as_deref(),
            Self::EmailList(_) => None,
        };
        own.map(|cou| ("/cou".to_owned(), Reference::Unit, cou)).into_iter().collect()
    }
}

impl Person {
    fn references(&self) -> Vec<(String, Reference, &str)> {
        let mut found = Vec::new();
        let mut add = |list: &str, at: usize, reference: Reference, id| {
            found.push((format!("/{list}/{at}/{}", reference.field()), reference, id));
        };
        for (at, role) in self.roles.iter().enumerate() {
            let unit = role.cou.as_deref();
            unit.into_iter().for_each(|id| add("roles", at, Reference::Unit, id));
        }
        for (at, identity) in self.org_identities.iter().enumerate() {
            let source = identity.identity_source.as_deref();
            source.into_iter().for_each(|id| add("org_identities", at, Reference::OrgIdentitySource, id));
        }
        for (at, agreement) in self.agreements.iter().enumerate() {
            add("agreements", at, Reference::TermsAndConditions, &agreement.terms);
        }
        found
    }
}

/// An entry of a collaboration that has an `id` of its own.
pub trait Entry: Clone + Send + Serialize + 'static {
    /// What refers to it.
    const REFERENCE: Reference;
    /// Within the collaboration and its kind.
    fn id(&self) -> &str;
    /// All of its kind.
    fn entries(collaboration: &Collaboration) -> &[Self];
    /// All of its kind.
    fn entries_mut(collaboration: &mut Collaboration) -> &mut Vec<Self>;
}

macro_rules! entry {
    ($entry:ident, $reference:ident, $entries:ident) => {
        impl Entry for $entry {
            const REFERENCE: Reference = Reference::$reference;

            fn id(&self) -> &str {
                &self.id
            }

            fn entries(collaboration: &Collaboration) -> &[Self] {
                &collaboration.$entries
            }

            fn entries_mut(collaboration: &mut Collaboration) -> &mut Vec<Self> {
                &mut collaboration.$entries
            }
        }
    };
}

entry!(Cou, Unit, cous);
entry!(OrgIdentitySource, OrgIdentitySource, org_identity_sources);
entry!(TermsAndConditions, TermsAndConditions, terms_and_conditions);
