//! The mapping of `tests/guests/mapping` as a plugin for extism: JSON comes in, JSON goes out, one read of a state and
//! one line of a log by functions of the host.

#[path = "../../../../guests/mapping/src/account.rs"]
mod account;

use extism_pdk::{FnResult, host_fn, plugin_fn};

#[host_fn]
unsafe extern "ExtismHost" {
    fn state_get(key: String) -> Vec<u8>;
    fn log_write(message: String);
}

#[plugin_fn]
pub fn provision(person: String) -> FnResult<String> {
    let person = serde_json::from_str(&person)?;
    let document = account::document(&person, "uid");
    // SAFETY: functions of the host take and give bytes that the kernel of extism copies.
    unsafe {
        if state_get(account::KEY.to_owned())? != document.as_bytes() {
            log_write(account::LOG_MESSAGE.to_owned())?;
        }
    }
    Ok(document)
}
