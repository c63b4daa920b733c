//! Compiled components on disk. A broken one costs a compilation and nothing else, so it is a warning.

use std::path::Path;

use super::report::Check;
use crate::sandbox::broken_compilations;
use crate::servers::secret::SecretKey;

pub(super) fn check(directory: &Path, key: Option<&SecretKey>) -> Check {
    let mut check = Check::new("compiled", "compiled components are those that this host made");
    let Some(key) = key else { return check };
    match broken_compilations(directory, &key.derive(crate::host::CACHE_KEY_PURPOSE)) {
        Ok((examined, broken)) => {
            check.examine(examined);
            for name in broken {
                check.warn(format!("{name} is broken or of another key; it will be compiled anew"));
            }
        }
        Err(error) => check.warn(format!("{} cannot be read: {error}", directory.display())),
    }
    check
}
