//! The rules of provisioning: what is called, why, in which order, and what its end means.
//!
//! Plain values in, plain values out: nothing here reads a store, a clock or a file.

mod action;
mod affected;
mod invocation;
mod job;
mod outcome;
mod plan;
mod retry;
mod target;

pub use action::{Action, action_for_change};
pub use affected::{WriteEffect, affected, reaches_memberships};
pub use invocation::{Invocation, InvocationState, PlannedInvocation, Usage};
pub use job::{Job, JobKind, JobLine, JobStatus, KindProgress, NewJob, RegisteredJob};
pub use outcome::{FailureClass, InvocationOutcome, ProvisionedService, ServiceStatus};
pub use plan::{Participation, Plan, SubjectChange, participation, plan};
pub use retry::{Retry, retry};
pub use target::{Backoff, Filter, Mode, PluginReference, Target, concurrency, max_retry, retry_interval_s};
