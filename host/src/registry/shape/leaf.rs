//! Fields without parts.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Field, MAX_PARTS};
use crate::registry::record::{Credential, Extension, GroupType, NestingMode, ServiceVisibility, Status};
use crate::registry::validate::{Report, Rules};

macro_rules! plain {
    ($($type:ty),* $(,)?) => {$(
        impl Field for $type {
            fn same(&self, old: &Self) -> bool {
                self == old
            }
        }
    )*};
}

plain!(bool, i64, u64, Status, GroupType, NestingMode, ServiceVisibility);

impl Field for Timestamp {
    fn check(&self, report: &mut Report) {
        report.year(self.to_zoned(TimeZone::UTC).year());
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

impl Field for Date {
    fn check(&self, report: &mut Report) {
        report.year(self.year());
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

impl Field for String {
    fn check(&self, report: &mut Report) {
        report.text(self);
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

impl Field for Option<String> {
    fn tidy(&mut self) {
        self.take_if(|text| text.is_empty());
    }

    fn check(&self, report: &mut Report) {
        if let Some(text) = self {
            report.text(text);
        }
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

macro_rules! optional {
    ($($type:ty),* $(,)?) => {$(
        impl Field for Option<$type> {
            fn check(&self, report: &mut Report) {
                if let Some(value) = self {
                    value.check(report);
                }
            }

            fn same(&self, old: &Self) -> bool {
                self == old
            }
        }
    )*};
}

optional!(i64, u64, Timestamp, Date);

impl Field for Value {
    fn check(&self, report: &mut Report) {
        report.nesting();
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::String(text) => report.text(text),
            Self::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    report.at(index, |report| value.check(report));
                }
            }
            Self::Object(members) => {
                for (name, value) in members {
                    report.text(name);
                    report.at_key(name, |report| value.check(report));
                }
            }
        }
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

impl Field for Vec<Extension> {
    fn check(&self, report: &mut Report) {
        report.count(self.len(), MAX_PARTS);
        report.unique(self.iter().map(|extension| extension.name.as_str()), "name");
        for (index, extension) in self.iter().enumerate().take(MAX_PARTS) {
            report.at(index, |report| {
                report.within("name", |report| report.required(&extension.name));
                report.within("value", |report| extension.value.check(report));
            });
        }
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}

impl Field for Credential {
    fn tidy(&mut self) {
        match self {
            Self::SshKey { comment, options, .. } => {
                comment.tidy();
                options.tidy();
            }
            Self::Certificate { issuer_dn, description, .. } => {
                issuer_dn.tidy();
                description.tidy();
            }
            Self::Password { .. } | Self::Other { .. } => {}
        }
    }

    fn check(&self, report: &mut Report) {
        self.rules(report);
    }

    fn same(&self, old: &Self) -> bool {
        self == old
    }
}
