//! The rules of a collaboration.

use std::collections::HashMap;

use super::{Report, Rules};
use crate::registry::automatic::MAX_COU_BYTES;
use crate::registry::record::{Collaboration, Cou, Reference, TermsAndConditions};
use crate::registry::shape::Field;

impl Rules for Collaboration {
    fn rules(&self, report: &mut Report) {
        report.within("id", |report| report.id(&self.id));
        report.within("name", |report| report.required(&self.name));
        report.within("description", |report| self.description.check(report));
        report.within("cous", |report| units(&self.cous, report));
        report.within("affiliations", |report| {
            report.unique(self.affiliations.iter().map(|word| word.affiliation.as_str()), "affiliation");
            for (index, word) in self.affiliations.iter().enumerate() {
                report.at(index, |report| {
                    report.within("affiliation", |report| report.required(&word.affiliation));
                    report
                        .within("edu_person_affiliation", |report| word.edu_person_affiliation.check(report));
                });
            }
        });
        report.within("org_identity_sources", |report| {
            report.unique(self.org_identity_sources.iter().map(|source| source.id.as_str()), "id");
            for (index, source) in self.org_identity_sources.iter().enumerate() {
                report.at(index, |report| {
                    report.within("id", |report| report.id(&source.id));
                    report.within("description", |report| report.text(&source.description));
                });
            }
        });
        report.within("terms_and_conditions", |report| {
            report.unique(self.terms_and_conditions.iter().map(|terms| terms.id.as_str()), "id");
            for (index, terms) in self.terms_and_conditions.iter().enumerate() {
                report.at(index, |report| self.terms(terms, report));
            }
        });
    }
}

impl Collaboration {
    fn terms(&self, terms: &TermsAndConditions, report: &mut Report) {
        report.within("id", |report| report.id(&terms.id));
        report.within("description", |report| report.required(&terms.description));
        if let Some(Err(error)) = terms.url.as_deref().map(url::Url::parse) {
            report.within("url", |report| report.problem(format!("not an absolute URL: {error}")));
        }
        if let Some(cou) = terms.cou.as_deref().filter(|cou| !self.has_unit(cou)) {
            report.within("cou", |report| report.problem(Reference::Unit.missing(cou)));
        }
    }
}

/// The units form trees: every parent exists, and no unit is above itself.
fn units(units: &[Cou], report: &mut Report) {
    report.unique(units.iter().map(|unit| unit.id.as_str()), "id");
    let parents: HashMap<&str, Option<&str>> =
        units.iter().map(|unit| (unit.id.as_str(), unit.parent.as_deref())).collect();
    for (index, unit) in units.iter().enumerate() {
        report.at(index, |report| {
            report.within("id", |report| unit_id(&unit.id, report));
            report.within("name", |report| report.required(&unit.name));
            report.within("parent", |report| match unit.parent.as_deref() {
                Some(parent) if !parents.contains_key(parent) => {
                    report.problem(format!("there is no unit \"{parent}\" in this collaboration"));
                }
                Some(_) if is_above_itself(&unit.id, &parents) => {
                    report.problem(format!("the units above \"{}\" lead back to it", unit.id));
                }
                _ => {}
            });
        });
    }
}

/// The id of a unit, which those of its automatic groups hold.
pub(super) fn unit_id(id: &str, report: &mut Report) {
    report.id(id);
    if id.len() > MAX_COU_BYTES {
        report.problem(format!("the id of a unit has at most {MAX_COU_BYTES} bytes"));
    }
}

fn is_above_itself(id: &str, parents: &HashMap<&str, Option<&str>>) -> bool {
    let parent_of = |id: &&str| parents.get(*id).copied().flatten();
    // A chain longer than there are units runs in a circle, though perhaps one that `id` only leads into.
    std::iter::successors(parent_of(&id), parent_of).take(parents.len()).any(|above| above == id)
}
