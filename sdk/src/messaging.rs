//! Messages to the broker that the operator bound to a slot of kind `messaging`.
//!
//! [`Error`] becomes a [`Failure`] by `?`: what may pass by itself is transient.
//!
//! ```no_run
//! use provender_sdk::messaging::{self, Message};
//! use provender_sdk::Failure;
//!
//! fn tell(topic: &str, uid: &str) -> Result<(), Failure> {
//!     let publisher = messaging::open("broker")?;
//!     let message = Message {
//!         topic: topic.to_owned(),
//!         // Messages with the same key arrive in their order.
//!         key: Some(uid.to_owned()),
//!         content_type: Some("text/plain".to_owned()),
//!         headers: Vec::new(),
//!         body: format!("{uid} is here").into_bytes(),
//!     };
//!     // Comes back when the broker has it.
//!     publisher.publish(&[message])?;
//!     Ok(())
//! }
//! ```

use crate::Failure;

pub use crate::bindings::host::provender::plugin::messaging::{Error, Header, Message, Publisher, open};

/// ```
/// use provender_sdk::Failure;
/// use provender_sdk::messaging::Error;
///
/// let full = Error::Rejected("the queue is full".to_owned());
/// assert_eq!(Failure::from(full), Failure::transient("the queue is full"));
/// ```
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(message)
            | Error::Unavailable(message)
            | Error::ConnectionLost(message)
            | Error::Timeout(message) => Failure::transient(message),
            Error::NoSuchTopic(message) | Error::Refused(message) => Failure::configuration(message),
            Error::Denied(message) | Error::Authentication(message) => Failure::authentication(message),
            Error::InvalidArgument(message) | Error::TooLarge(message) => Failure::invalid_data(message),
            Error::Other(message) => Failure::permanent(message),
        }
    }
}
