//! The rules of provisioning: what is called, why, in which order, and what its end means.
//!
//! Plain values in, plain values out: nothing here reads a store, a clock or a file.

mod action;
mod affected;
mod eligibility;
mod invocation;
mod outcome;
mod plan;
mod service;
mod target;

pub use action::{Action, action_for_change};
pub use affected::{WriteEffect, affected, reaches_memberships};
pub use eligibility::{Candidate, Decision, NotEligible, decide, eligible};
pub use invocation::{Invocation, InvocationState, PlannedInvocation, Usage};
pub use outcome::{Delivery, FailureClass, InvocationOutcome};
pub use plan::{SubjectChange, plan};
pub use service::{ProvisionedService, RecordKept, ServiceState, ServiceStatus, ServiceView, Waiting};
pub use target::{Filter, Mode, PluginReference, Target};
