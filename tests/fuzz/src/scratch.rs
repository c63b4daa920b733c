//! Folders and a runtime for targets that need them, kept from one input to the next.

use std::cell::RefCell;
use std::path::Path;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A folder that goes with its value; in memory where the system has a place for that.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("provender-fuzzing-").tempdir_in(place).expect("a folder")
}

/// A runtime on the thread of the target.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Something that takes long to make, used by a number of inputs and then made anew, so that it does not grow.
pub(crate) struct Reused<S> {
    inputs: u32,
    state: RefCell<Option<(S, u32)>>,
}

impl<S> Reused<S> {
    pub(crate) const fn for_inputs(inputs: u32) -> Self {
        Self { inputs, state: RefCell::new(None) }
    }

    pub(crate) fn with<R>(&self, make: impl FnOnce() -> S, run: impl FnOnce(&mut S, u32) -> R) -> R {
        let mut slot = self.state.borrow_mut();
        if slot.as_ref().is_some_and(|(_, used)| *used >= self.inputs) {
            *slot = None;
        }
        let (state, used) = slot.get_or_insert_with(|| (make(), 0));
        *used += 1;
        run(state, *used)
    }
}
