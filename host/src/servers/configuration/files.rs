//! The configuration of a directory of the host's file system.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use utoipa::ToSchema;

use super::Refuse;

/// A directory of the host's file system, and what plugins may set below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfiguration {
    /// Absolute path of an existing directory. Nothing outside of it can be reached.
    #[schema(example = "/var/lib/provender/files")]
    pub root: String,
    /// Bits of permission that may be set, in octal. setuid, setgid and the sticky bit only where they are named here.
    #[serde(default)]
    #[schema(value_type = String, example = "0777", pattern = "^[0-7]{3,4}$")]
    pub modes: Modes,
    /// Numeric owners that may be set, from the lowest to the highest. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1000-59999")]
    pub owners: Option<IdRange>,
    /// Numeric groups that may be set, from the lowest to the highest. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1000-59999")]
    pub groups: Option<IdRange>,
}

/// Bits of permission, written in octal: "0777".
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub struct Modes(u32);

/// Numeric owners or groups, written "1000-59999".
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub struct IdRange {
    lowest: u32,
    highest: u32,
}

impl Modes {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self(0o777)
    }
}

impl fmt::Display for Modes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

impl FromStr for Modes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
        bits.map(Self)
            .ok_or_else(|| format!("{text:?} is no mode; write three or four octal digits, as \"0750\""))
    }
}

impl IdRange {
    /// From the lowest to the highest; None where that makes no sense.
    pub fn new(lowest: u32, highest: u32) -> Option<Self> {
        // The highest number says "leave it" to the operating system.
        (lowest <= highest && highest < u32::MAX).then_some(Self { lowest, highest })
    }

    /// Whether a number is one of them.
    pub fn contains(&self, id: u32) -> bool {
        (self.lowest..=self.highest).contains(&id)
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.lowest, self.highest)
    }
}

impl FromStr for IdRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once('-').and_then(|(lowest, highest)| {
            Self::new(lowest.trim().parse().ok()?, highest.trim().parse().ok()?)
        });
        ends.ok_or_else(|| format!("{text:?} is no range of numbers; write as \"1000-59999\""))
    }
}

impl FilesConfiguration {
    pub(super) fn validate(self, refuse: &mut Refuse<'_>) -> Self {
        let root = Path::new(&self.root);
        if !root.is_absolute() {
            refuse("/root", "must be an absolute path".to_owned());
            return self;
        }
        match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => refuse("/root", format!("{} is not a directory", self.root)),
            Err(error) => refuse("/root", format!("{}: {error}; create the directory first", self.root)),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_ranges_are_read_as_they_are_written_and_nothing_else_is() {
        assert_eq!("2770".parse::<Modes>().unwrap().bits(), 0o2770);
        assert_eq!("0750".parse::<Modes>().unwrap().to_string(), "0750");
        for wrong in ["", "7", "888", "07777", "+777", "rwx"] {
            assert!(wrong.parse::<Modes>().is_err(), "{wrong}");
        }
        let range: IdRange = "1000-59999".parse().unwrap();
        assert!(range.contains(1000) && range.contains(59_999) && !range.contains(999));
        assert_eq!(range.to_string(), "1000-59999");
        for wrong in ["", "1000", "2-1", "-1-5", "1-4294967295", "a-b"] {
            assert!(wrong.parse::<IdRange>().is_err(), "{wrong}");
        }
    }
}
