//! What must hold for any input: one module per target of cargo-fuzz, each with a function `check` that panics when
//! something does not hold. See `README.md`.

pub mod amqp;
pub mod api;
pub mod configuration;
mod counterpart;
pub mod files;
pub mod import;
pub mod kafka;
pub mod ldap;
pub mod mqtt;
pub mod nats;
pub mod outcomes;
pub mod plugins;
pub mod schemas;
pub mod scratch;
pub mod urls;
pub mod values;

/// A target: its name and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 13] = [
    ("amqp", amqp::check),
    ("api", api::check),
    ("configuration", configuration::check),
    ("files", files::check),
    ("import", import::check),
    ("kafka", kafka::check),
    ("ldap", ldap::check),
    ("mqtt", mqtt::check),
    ("nats", nats::check),
    ("outcomes", outcomes::check),
    ("plugins", plugins::check),
    ("schemas", schemas::check),
    ("urls", urls::check),
];

/// Separates the parts of an input: a character (U+001E, "record separator") that no part needs.
const SEPARATOR: char = '\u{1e}';
