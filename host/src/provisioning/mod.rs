//! The rules of provisioning: what is called, why, in which order, and what its end means.
//!
//! Plain values in, plain values out: nothing here reads a store, a clock or a file.

mod action;
mod affected;
mod channel;
mod eligibility;
mod history;
mod invocation;
mod job;
mod notification;
mod outcome;
mod plan;
mod reach;
mod retry;
mod service;
mod target;

pub use action::{Action, action_for_change};
pub use affected::{WriteEffect, affected};
pub use channel::{
    Channel, EmailSettings, EventCount, NotificationMessage, NotificationSettings, ToldNotification,
    WebhookSettings,
};
pub use eligibility::{Candidate, Decision, NotEligible, decide, eligible};
pub use history::{Ended, HistoryEntry, HistoryEvent, history_event};
pub use invocation::{CodedInvocation, Invocation, InvocationState, PlannedInvocation, Usage};
pub use job::{Job, JobKind, JobLine, JobStatus, KindProgress, NewJob, RegisteredJob};
pub use notification::{
    Notification, NotificationEvent, NotificationState, REMINDER_AFTER, Resolution, notify,
};
pub use outcome::{Delivery, FailureClass, InvocationOutcome};
pub use plan::{Participation, Plan, SubjectChange, participation, plan};
pub use reach::{Reach, intent, reaches_memberships};
pub use retry::{Retry, retry};
pub use service::{ProvisionedService, RecordKept, ServiceState, ServiceStatus, ServiceView, Waiting};
pub use target::{Backoff, Filter, Mode, PluginReference, Target, concurrency, max_retry, retry_interval_s};
