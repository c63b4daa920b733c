//! Durable work: jobs are run when they are due, canceled and queued anew.
//!
//! A run of a job is an invocation like any other: what becomes of it is written in the commit of its end.

mod bulk;
mod history;
mod manage;
mod runner;

pub use bulk::{BulkError, re_evaluate, reprovision_all};
pub use history::history;
pub use manage::{JobError, Requeued, cancel, requeue, requeue_all};
pub use runner::Runner;
