//! Who has the home of a path, kept in the state of the target: so two people never share one, whatever their records say.

use provender_sdk::{Failure, state};

/// Longest path of a home in bytes: as a key it needs room for more.
pub(crate) const MAX_PATH_BYTES: usize = 500;

fn key(path: &str) -> String {
    format!("home/{path}")
}

/// The `id` of somebody else who has the home.
pub(crate) fn other(path: &str, id: &str) -> Result<Option<String>, Failure> {
    let holder: Option<String> = state::of_target().get_json(&key(path))?;
    Ok(holder.filter(|holder| holder != id))
}

/// Notes that the home of a person is here now, and no longer there.
pub(crate) fn note(here: Option<&str>, there: Option<&str>, id: &str) -> Result<(), Failure> {
    let state = state::of_target();
    if let Some(path) = there.filter(|_| here != there)
        && other(path, id)?.is_none()
    {
        state.delete(&key(path))?;
    }
    match here {
        Some(path) if state.get_json::<String>(&key(path))?.as_deref() != Some(id) => {
            state.set_json(&key(path), id)
        }
        _ => Ok(()),
    }
}
