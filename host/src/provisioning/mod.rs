//! The rules of provisioning: what is called, why, in which order, and what its end means.
//!
//! Plain values in, plain values out: nothing here reads a store, a clock or a file.

mod action;
mod affected;
mod invocation;
mod outcome;
mod plan;
mod reach;
mod target;

pub use action::{Action, action_for_change};
pub use affected::{WriteEffect, affected};
pub use invocation::{CodedInvocation, Invocation, InvocationState, PlannedInvocation, Usage};
pub use outcome::{FailureClass, InvocationOutcome, ProvisionedService, ServiceStatus};
pub use plan::{SubjectChange, plan};
pub use reach::{Reach, intent, reaches_memberships};
pub use target::{Filter, Mode, PluginReference, Target};
