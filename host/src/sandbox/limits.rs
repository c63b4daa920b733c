//! The one table of limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Names a limit in configuration, errors and documentation. In the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    Fuel,
    MemoryBytes,
    TableElements,
    Instances,
    Resources,
    DeadlineMs,
    Effects,
    BytesOut,
    BytesIn,
    LogBytes,
    RecordBytes,
    StateBytes,
    TranscriptBytes,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub name: LimitName,
    /// As written in configuration.
    pub word: &'static str,
    pub default: u64,
    /// No host and no target may go beyond.
    pub maximum: u64,
    pub unit: &'static str,
    pub covers: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// All limits of one call. A Rust plugin uses some 200,000 units of fuel and 1 MiB for a person, a Python or JavaScript one
/// 2,000,000 to 25,000,000 and up to 13 MiB; the defaults leave both room and still end a runaway in well under a second of
/// CPU. `README.md` of this crate tells how to choose.
pub const LIMITS: [Limit; 13] = [
    Limit {
        name: LimitName::Fuel,
        word: "fuel",
        default: 500_000_000,
        maximum: 100_000_000_000,
        unit: "units",
        covers: "instructions of the plugin",
    },
    Limit {
        name: LimitName::MemoryBytes,
        word: "memory_bytes",
        default: 128 * MIB,
        maximum: 1024 * MIB,
        unit: "bytes",
        covers: "linear memories of the plugin together",
    },
    Limit {
        name: LimitName::TableElements,
        word: "table_elements",
        default: 40_000,
        maximum: 400_000,
        unit: "elements",
        covers: "each table of the plugin",
    },
    Limit {
        name: LimitName::Instances,
        word: "instances",
        default: 100,
        maximum: 200,
        unit: "instances",
        covers: "core instances, memories and tables of the plugin, each",
    },
    Limit {
        name: LimitName::Resources,
        word: "resources",
        default: 1_000,
        maximum: 10_000,
        unit: "resources",
        covers: "things of the host that the plugin holds at once: requests, headers, bodies, roots, pollables",
    },
    Limit {
        name: LimitName::DeadlineMs,
        word: "deadline_ms",
        default: 30_000,
        maximum: 600_000,
        unit: "milliseconds",
        covers: "wall-clock time of one call, effects included",
    },
    Limit {
        name: LimitName::Effects,
        word: "effects",
        default: 1_000,
        maximum: 100_000,
        unit: "effects",
        covers: "requests, file operations, look-ups and state operations",
    },
    Limit {
        name: LimitName::BytesOut,
        word: "bytes_out",
        default: 16 * MIB,
        maximum: 256 * MIB,
        unit: "bytes",
        covers: "what effects send",
    },
    Limit {
        name: LimitName::BytesIn,
        word: "bytes_in",
        default: 32 * MIB,
        maximum: 256 * MIB,
        unit: "bytes",
        covers: "what effects receive",
    },
    Limit {
        name: LimitName::LogBytes,
        word: "log_bytes",
        default: 64 * KIB,
        maximum: 16 * MIB,
        unit: "bytes",
        covers: "log lines and standard error, beyond which they are dropped",
    },
    Limit {
        name: LimitName::RecordBytes,
        word: "record_bytes",
        default: 4 * MIB,
        maximum: 64 * MIB,
        unit: "bytes",
        covers: "the subject of a call, on its way in and out",
    },
    Limit {
        name: LimitName::StateBytes,
        word: "state_bytes",
        default: MIB,
        maximum: 64 * MIB,
        unit: "bytes",
        covers: "keys and values that one call stores",
    },
    Limit {
        name: LimitName::TranscriptBytes,
        word: "transcript_bytes",
        default: 256 * KIB,
        maximum: 16 * MIB,
        unit: "bytes",
        covers: "the stored transcript, beyond which it is shortened",
    },
];

/// Values in force for a call: the table's defaults, changed by the host, changed by the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    values: [u64; LIMITS.len()],
}

impl Default for Limits {
    fn default() -> Self {
        Self { values: LIMITS.map(|limit| limit.default) }
    }
}

/// A limit that cannot be set so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitsError {
    #[error("limit `{word}` does not exist; there are {known}", known = LIMITS.map(|limit| limit.word).join(", "))]
    Unknown { word: String },
    #[error("limit `{word}` is {value}, but must be from 1 to {maximum} {unit}")]
    OutOfRange { word: &'static str, value: u64, maximum: u64, unit: &'static str },
}

impl Limits {
    /// These limits with some set anew, by word. A value beyond the table's maximum is refused.
    pub fn overridden(&self, overrides: &BTreeMap<String, u64>) -> Result<Self, LimitsError> {
        let mut limits = self.clone();
        for (word, &value) in overrides {
            let Some((limit, slot)) =
                LIMITS.iter().zip(&mut limits.values).find(|(limit, _)| limit.word == word)
            else {
                return Err(LimitsError::Unknown { word: word.clone() });
            };
            if value == 0 || value > limit.maximum {
                return Err(LimitsError::OutOfRange {
                    word: limit.word,
                    value,
                    maximum: limit.maximum,
                    unit: limit.unit,
                });
            }
            *slot = value;
        }
        Ok(limits)
    }

    /// All values by their words, as [`overridden`](Self::overridden) takes them.
    pub fn by_word(&self) -> BTreeMap<&'static str, u64> {
        LIMITS.iter().zip(self.values).map(|(limit, value)| (limit.word, value)).collect()
    }

    /// The value of one limit.
    pub fn get(&self, name: LimitName) -> u64 {
        // The table is in the order of the names.
        self.values.get(name as usize).copied().unwrap_or(0)
    }

    /// Bytes that one crossing of the boundary may make the host allocate: an effect or a record, and what is around it.
    pub(super) fn crossing(&self) -> u64 {
        self.get(LimitName::RecordBytes).max(self.get(LimitName::BytesOut)).saturating_mul(2)
    }

    /// The value of one limit as a size in memory.
    pub fn size(&self, name: LimitName) -> usize {
        usize::try_from(self.get(name)).unwrap_or(usize::MAX)
    }
}

impl LimitName {
    /// As written in configuration and errors.
    pub fn word(self) -> &'static str {
        self.row().map_or("", |limit| limit.word)
    }

    /// The row of the table.
    pub(super) fn row(self) -> Option<&'static Limit> {
        LIMITS.get(self as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_maximum_and_every_word_is_the_serialised_name() {
        for (place, limit) in LIMITS.into_iter().enumerate() {
            assert_eq!(limit.name as usize, place, "{}", limit.word);
            assert!(limit.default <= limit.maximum, "{}", limit.word);
            assert_eq!(serde_json::to_value(limit.name).unwrap(), limit.word);
            assert_eq!(Limits::default().get(limit.name), limit.default);
        }
    }

    #[test]
    fn an_override_replaces_one_value_and_leaves_the_others() {
        let limits = Limits::default().overridden(&BTreeMap::from([("fuel".to_owned(), 7)])).unwrap();
        assert_eq!(limits.get(LimitName::Fuel), 7);
        assert_eq!(limits.get(LimitName::Effects), 1_000);
    }

    #[test]
    fn an_override_beyond_the_maximum_or_of_zero_is_refused() {
        for value in [0, 600_001] {
            let error = Limits::default()
                .overridden(&BTreeMap::from([("deadline_ms".to_owned(), value)]))
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("limit `deadline_ms` is {value}, but must be from 1 to 600000 milliseconds")
            );
        }
    }

    #[test]
    fn an_unknown_limit_is_refused_with_the_names_that_exist() {
        let error =
            Limits::default().overridden(&BTreeMap::from([("cpu".to_owned(), 1)])).unwrap_err().to_string();
        assert!(error.starts_with("limit `cpu` does not exist; there are fuel, memory_bytes"), "{error}");
    }
}
