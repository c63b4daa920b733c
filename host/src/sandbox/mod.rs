//! Runs components: compiles and checks them, gives every call a fresh instance with limits, lets effects out only
//! through the gate, and says by whose blame a call ended.
//!
//! Knows nothing of identity, of targets or of jobs, and of no capability: those are linked in by
//! [`crate::capabilities`].

mod cache;
mod call;
mod compiler;
mod engine;
mod fault;
mod gate;
mod guest;
mod inspection;
mod lanes;
mod limits;
mod load;
mod replay;
mod text;
mod transcript;
mod wasi;

pub use cache::broken_compilations;
pub use call::{Call, CallEnd, Sandbox};
pub use compiler::{CompileLimits, Compiler, compile_component};
pub use engine::{configuration as engine_configuration, pool as instance_pool};
pub use fault::{Fault, HostFunctionFault};
pub use gate::{Access, Effect, Gate, InPreview, Mode, Performed, Refusal, Violation};
pub use guest::{Guest, GuestState};
pub use inspection::{CONTRACT, Import, Inspection, Refused, Support, World};
pub use lanes::Pace;
pub use limits::{LIMITS, Limit, LimitName, Limits, LimitsError};
pub use load::{Loaded, Settings};
pub use text::{acts, one_line};
pub use transcript::{Entry, Json, LogLine, Transcript};
pub use wasi::link_wasi;
