//! Records of the contract (`wit/records.wit`), and what plugins often need to know of them.
//!
//! Everything here is a plain value or a pure function: it runs in native unit tests as it runs in the sandbox. Most
//! records have a `Default`, an empty record to fill in what a test is about:
//!
//! ```
//! use provender_sdk::records::{Name, Person};
//!
//! let person = Person {
//!     names: vec![Name {
//!         given: Some("Anna".to_owned()),
//!         family: Some("Kovács".to_owned()),
//!         language: Some("hu".to_owned()),
//!         primary: true,
//!         ..Name::default()
//!     }],
//!     ..Person::default()
//! };
//! assert_eq!(person.primary_name().unwrap().formatted(), "Kovács Anna");
//! ```

mod contact;
mod identifiers;
mod json;
mod names;
mod roles;
mod subject;
mod validity;
mod words;

pub use crate::bindings::host::provender::plugin::records::*;

pub use self::identifiers::{identifier_of_type, identifiers_of_type};
pub use self::json::Record;
pub(crate) use self::json::embed_json;
pub use self::roles::edu_person_affiliation;
pub use self::validity::valid_at;
