//! The fields of every record and part.

use super::{ChangedPart, Document, Field, Part};
use crate::provisioning::Reach;
use crate::registry::reconcile::Stamp;
use crate::registry::record::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, Department, EmailAddress, EmailList,
    Group, Identifier, Membership, Meta, Name, OrgIdentity, Person, Role, Service, TelephoneNumber, Url,
};
use crate::registry::validate::{Report, Rules};

/// The name of a field in JSON.
macro_rules! json_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $json:literal) => {
        $json
    };
}

macro_rules! field {
    ($type:ident { $($field:ident $(as $json:literal)?),* }) => {
        impl Field for $type {
            fn tidy(&mut self) {
                // Without `..`, so that a new field is an error of the compiler until it is listed.
                let Self { meta, $($field),* } = self;
                meta.tidy();
                $($field.tidy();)*
            }

            fn check(&self, report: &mut Report) {
                report.within("meta", |report| self.meta.check(report));
                $(report.within(json_name!($field $($json)?), |report| self.$field.check(report));)*
                self.rules(report);
            }

            fn same(&self, old: &Self) -> bool {
                self.meta.same(&old.meta) $(&& self.$field.same(&old.$field))*
            }

            fn settle(&mut self, old: Option<&Self>, stamp: &mut Stamp<'_>) {
                $(self.$field.settle(old.map(|old| &old.$field), stamp);)*
            }
        }
    };
}

macro_rules! part {
    ($type:ident $(by ($($key:ident),+))? $(, stays if $outlives:ident)?; { $($fields:tt)* }) => {
        field!($type { $($fields)* });

        impl Part for $type {
            fn meta(&self) -> &Meta {
                &self.meta
            }

            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }

            $(fn same_key(&self, other: &Self) -> bool {
                $(self.$key == other.$key)&&+
            })?

            $(fn outlives_omission(&self) -> bool {
                self.$outlives.is_some()
            })?
        }
    };
}

macro_rules! document {
    // A field without `reaches` does not match, so that a new one is an error of the compiler until it says so.
    ($type:ident { $($field:ident $(as $json:literal)? reaches $reach:ident),* $(,)? }) => {
        part!($type; { $($field $(as $json)?),* });

        impl Document for $type {
            const FIELDS: &'static [ChangedPart] =
                &[$(ChangedPart { name: json_name!($field $($json)?), reach: Reach::$reach }),*];

            fn changed_parts(&self, old: &Self) -> Vec<ChangedPart> {
                let mut changed = Vec::new();
                if self.meta.source != old.meta.source {
                    changed.push(ChangedPart { name: "source", reach: Reach::Itself });
                }
                $(if self.$field != old.$field {
                    changed.push(ChangedPart { name: json_name!($field $($json)?), reach: Reach::$reach });
                })*
                changed
            }
        }
    };
}

part!(Name by (name_type, language); {
    honorific, given, middle, family, suffix, name_type as "type", language, primary
});
part!(EmailAddress by (email_type); { mail, description, email_type as "type", verified });
// What a plugin wrote back is not known to those who write the record.
part!(Identifier by (identifier_type), stays if provisioning_target; {
    identifier, identifier_type as "type", login, status, language, provisioning_target
});
part!(Url by (url_type); { url, description, url_type as "type", language });
part!(Address by (address_type, language); {
    street, room, locality, state, postal_code, country, description, address_type as "type", language
});
part!(TelephoneNumber by (telephone_type); {
    country_code, area_code, number, extension, description, telephone_type as "type"
});
part!(AdHocAttribute by (tag); { tag, value });
part!(Role by (cou, affiliation); {
    cou, affiliation, title, organization, department, sponsor, manager, valid_from, valid_through, rank, status,
    addresses, telephone_numbers, ad_hoc_attributes, extensions
});
part!(OrgIdentity by (identity_source, source_key); {
    status, identity_source, source_key, affiliation, title, organization, department, manager_identifier,
    sponsor_identifier, date_of_birth, valid_from, valid_through, names, email_addresses, identifiers, urls,
    addresses, telephone_numbers, ad_hoc_attributes, extensions
});
part!(Agreement by (terms); { terms, url, agreed, identifier });
part!(Authenticator by (authenticator); { authenticator, status, locked, credential });
part!(ClusterAccount by (cluster); {
    cluster, status, username, uid_number, gid_number, primary_group, gecos, login_shell, home_directory,
    valid_from, valid_through, extensions
});
part!(Membership by (group, person); {
    group, person, member, owner, valid_from, valid_through, nested_from
});

// What a membership shows of its two sides, and what it hangs on, reaches them; see `Reach`.
document!(Person {
    status reaches MembershipsByStatus,
    date_of_birth reaches Itself,
    timezone reaches Itself,
    names reaches Itself,
    email_addresses reaches Itself,
    identifiers reaches Memberships,
    urls reaches Itself,
    roles reaches Itself,
    org_identities reaches Itself,
    agreements reaches Itself,
    authenticators reaches Authenticators,
    cluster_accounts reaches Itself,
    extensions reaches Itself,
});
document!(Group {
    name reaches Memberships,
    description reaches Itself,
    introduction reaches Itself,
    status reaches MembershipsByStatus,
    group_type as "type" reaches Memberships,
    open reaches Itself,
    nesting_mode reaches Itself,
    cou reaches Itself,
    identifiers reaches Itself,
    extensions reaches Itself,
});
document!(EmailList {
    name reaches Itself,
    description reaches Itself,
    status reaches Itself,
    admins_group reaches Itself,
    members_group reaches Itself,
    moderators_group reaches Itself,
    identifiers reaches Itself,
    extensions reaches Itself,
});
document!(Service {
    name reaches Itself,
    description reaches Itself,
    status reaches Itself,
    short_label reaches Itself,
    cou reaches Itself,
    group reaches Itself,
    service_url reaches Itself,
    service_label reaches Itself,
    contact_email reaches Itself,
    logo_url reaches Itself,
    entitlement_uri reaches Itself,
    visibility reaches Itself,
    identifier_type reaches Itself,
    authenticator reaches Itself,
    cluster reaches Itself,
    extensions reaches Itself,
});
document!(Department {
    name reaches Itself,
    department_type as "type" reaches Itself,
    description reaches Itself,
    introduction reaches Itself,
    cou reaches Itself,
    leadership_group reaches Itself,
    administrative_group reaches Itself,
    support_group reaches Itself,
    email_addresses reaches Itself,
    identifiers reaches Itself,
    urls reaches Itself,
    addresses reaches Itself,
    telephone_numbers reaches Itself,
    ad_hoc_attributes reaches Itself,
    extensions reaches Itself,
});
