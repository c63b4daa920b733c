//! The collaboration itself: the tenant, with the entries that its records refer to.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::{Record, yes};

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

    /// Whether a record refers to an entry.
    pub fn is_in(self, record: &Record, id: &str) -> bool {
        let is = |named: &Option<String>| named.as_deref() == Some(id);
        match (self, record) {
            (Self::Unit, record) => record.units().iter().any(|(_, unit)| *unit == id),
            (Self::OrgIdentitySource, Record::Person(person)) => {
                person.org_identities.iter().any(|identity| is(&identity.identity_source))
            }
            (Self::TermsAndConditions, Record::Person(person)) => {
                person.agreements.iter().any(|agreement| agreement.terms == id)
            }
            _ => false,
        }
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
