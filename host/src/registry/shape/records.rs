//! The fields of every record and part.

use super::{Document, Field, Part};
use crate::registry::reconcile::Stamp;
use crate::registry::record::{
    AdHocAttribute, Address, Agreement, Authenticator, ClusterAccount, EmailAddress, EmailList, Group,
    Identifier, Membership, Meta, Name, OrgIdentity, Person, Role, Service, TelephoneNumber, Url,
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
    ($type:ident { $($field:ident $(as $json:literal)?),* $(,)? }) => {
        part!($type; { $($field $(as $json)?),* });

        impl Document for $type {
            fn changed_parts(&self, old: &Self) -> Vec<String> {
                let mut changed = Vec::new();
                if self.meta.source != old.meta.source {
                    changed.push("source".to_owned());
                }
                $(if self.$field != old.$field {
                    changed.push(json_name!($field $($json)?).to_owned());
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

document!(Person {
    status,
    date_of_birth,
    timezone,
    names,
    email_addresses,
    identifiers,
    urls,
    roles,
    org_identities,
    agreements,
    authenticators,
    cluster_accounts,
    extensions
});
document!(Group {
    name, description, introduction, status, group_type as "type", open, nesting_mode, cou, identifiers, extensions
});
document!(EmailList {
    name,
    description,
    status,
    admins_group,
    members_group,
    moderators_group,
    identifiers,
    extensions
});
document!(Service {
    name,
    description,
    status,
    short_label,
    cou,
    group,
    service_url,
    service_label,
    contact_email,
    logo_url,
    entitlement_uri,
    visibility,
    identifier_type,
    authenticator,
    cluster,
    extensions
});
