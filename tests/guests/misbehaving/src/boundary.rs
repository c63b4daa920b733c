//! Breaks the rules of the boundary itself: what it gives is no text, no list, no handle.
#![expect(unsafe_code, reason = "a plugin in another language may do it any time")]

use std::sync::atomic::{AtomicU32, Ordering};

use provender_sdk::bindings::host::provender::plugin::files;
use provender_sdk::records::Extension;
use provender_sdk::{Applied, Failure, Outcome, WrittenIdentifier};

/// Not UTF-8: a byte that begins nothing, a half of a surrogate pair, a text that is cut off, and one byte too long a way
/// to write "/".
const NO_TEXT: [(&str, &[u8]); 4] = [
    ("a lone byte", b"ab\xff"),
    ("a lone surrogate", b"ab\xed\xa0\x80"),
    ("a cut character", b"ab\xe2\x82"),
    ("an overlong slash", b"ab\xc0\xaf"),
];

fn no_text(how: &str) -> Option<String> {
    let (_, bytes) = NO_TEXT.iter().find(|(name, _)| *name == how)?;
    // SAFETY: there is none; the host must look for itself.
    Some(unsafe { String::from_utf8_unchecked(bytes.to_vec()) })
}

#[cfg(target_arch = "wasm32")]
mod raw {
    #[link(wasm_import_module = "provender:plugin/log@0.1.0")]
    unsafe extern "C" {
        #[link_name = "write"]
        pub(super) fn log(level: u32, message: u32, length: u32, fields: u32, count: u32);
    }

    #[link(wasm_import_module = "provender:plugin/files@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[method]root.read"]
        pub(super) fn read(root: u32, path: u32, length: u32, result: u32);
        #[link_name = "[resource-drop]root"]
        pub(super) fn drop(root: u32);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod raw {
    pub(super) unsafe fn log(_: u32, _: u32, _: u32, _: u32, _: u32) {}
    pub(super) unsafe fn read(_: u32, _: u32, _: u32, _: u32) {}
    pub(super) unsafe fn drop(_: u32) {}
}

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Gives an import what it must not have.
pub(crate) fn cross(how: &str, notes: &mut Vec<String>) {
    if let Some(text) = no_text(how) {
        provender_sdk::log::info(&text, &[]);
        return;
    }
    // SAFETY: of all that follows: there is none; the sandbox ends the call.
    match how {
        "a level that is none" => unsafe { raw::log(99, 1024, 0, 0, 0) },
        "a text outside the memory" => unsafe { raw::log(0, 0xffff_ff00, 64, 0, 0) },
        "a text longer than the memory" => unsafe { raw::log(0, 1024, u32::MAX, 0, 0) },
        "a list outside the memory" => unsafe { raw::log(0, 1024, 0, 0xffff_ff00, 64) },
        "a list longer than the memory" => unsafe { raw::log(0, 1024, 0, 1024, u32::MAX) },
        "a list that is not aligned" => unsafe { raw::log(0, 1024, 0, 1025, 1) },
        "a result outside the memory" => {
            let Ok(root) = files::open("folder") else { panic!("no root") };
            unsafe { raw::read(root.handle(), 1024, 0, 0xffff_fff0) }
        }
        "a handle that was never given" => unsafe { raw::read(7, 1024, 0, 1024) },
        "a handle of another kind" => {
            let stream = crate::bindings::wasi::cli::stderr::get_stderr();
            unsafe { raw::read(stream.handle(), 1024, 0, 1024) };
        }
        "a handle dropped twice" => {
            let Ok(root) = files::open("folder") else { panic!("no root") };
            unsafe { raw::drop(root.handle()) };
        }
        "one text many times" => amplify(),
        "many fields" => {
            let fields = vec![0_u64; 2 << 20];
            let count = u32::try_from(fields.len() / 2).unwrap_or(0);
            unsafe { raw::log(0, 1024, 0, address(fields.as_ptr()), count) };
        }
        "what the last call left" => {
            notes.push(format!("call {} of this instance", CALLS.fetch_add(1, Ordering::Relaxed) + 1));
        }
        "a handle to keep" => {
            let root = files::open("folder");
            let handle = root.map(|root| root.take_handle());
            notes.push(format!("handle {handle:?}"));
        }
        "a handle that was kept" => unsafe { raw::read(1, 1024, 0, 1024) },
        other => panic!("no such way: {other}"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "addresses of the sandbox have 32 bits")]
fn address<T>(pointer: *const T) -> u32 {
    pointer as usize as u32
}

/// A hundred thousand fields whose texts are one and the same MiB of memory: 100 GiB for a host that copies.
fn amplify() {
    let text = vec![b'x'; 1 << 20];
    let field = [address(text.as_ptr()), 1 << 20, address(text.as_ptr()), 1 << 20];
    let fields = vec![field; 100_000];
    // SAFETY: there is none; the sandbox ends the call.
    unsafe { raw::log(0, address(text.as_ptr()), 0, address(fields.as_ptr()), 100_000) }
}

/// Gives back what an export must not give.
pub(crate) fn give_back(what: &str, times: usize) -> Result<Outcome, Failure> {
    let large = || "x".repeat(times);
    let applied = |identifiers, history| Ok(Applied { identifiers, history }.into());
    let identifier = |identifier: String| WrittenIdentifier { identifier, identifier_type: "uid".to_owned() };
    if let Some(text) = no_text(what) {
        return applied(Vec::new(), vec![text]);
    }
    match what {
        "identifiers" => {
            applied((0..times).map(|number| identifier(number.to_string())).collect(), Vec::new())
        }
        "history" => applied(Vec::new(), (0..times).map(|number| number.to_string()).collect()),
        "a line" => applied(Vec::new(), vec![large()]),
        "one line many times" => {
            let line = vec![b'x'; 1 << 20];
            // SAFETY: there is none: all lines are the same memory.
            let same = || unsafe { String::from_raw_parts(line.as_ptr().cast_mut(), line.len(), line.len()) };
            let history = (0..times).map(|_| same()).collect();
            std::mem::forget(line);
            applied(Vec::new(), history)
        }
        "a reason" => Ok(Outcome::skipped(large())),
        "a failure" => Err(Failure::permanent(large())),
        "another outcome" => {
            let json = format!("{}{}", "[".repeat(times), "]".repeat(times));
            Ok(Outcome::Other(Extension { name: "example.org/deep".to_owned(), json }))
        }
        "terminal escapes" => {
            let text = "\u{1b}[2J\u{1b}]0;owned\u{7}\0\r\nline\u{9b}31m\u{85}\u{202e}txt";
            applied(vec![identifier(text.to_owned())], vec![text.to_owned()])
        }
        "a failure with terminal escapes" => {
            Err(Failure::permanent("\u{1b}[2J\u{1b}]0;owned\u{7}\0\r\nline\u{9b}31m\u{85}\u{202e}txt"))
        }
        other => panic!("nothing to give back: {other}"),
    }
}
