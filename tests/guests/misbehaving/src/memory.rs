//! The whole memory of the instance, searched for what must not be in it.
#![allow(unsafe_code, reason = "reads memory that is nobody's")]

use schemars::JsonSchema;
use serde::Deserialize;

const PAGE_BYTES: usize = 65_536;

/// Texts to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Search {
    /// Each byte is changed by `mask`, and changed back one by one: so the search does not find what it was told.
    masked: Vec<Vec<u8>>,
    mask: u8,
}

impl Search {
    /// The numbers of the texts that are somewhere in memory.
    pub(crate) fn found(&self) -> String {
        let end = pages() * PAGE_BYTES;
        let numbered = self.masked.iter().enumerate();
        let found: Vec<usize> =
            numbered.filter(|(_, masked)| self.is_there(masked, end)).map(|(number, _)| number).collect();
        format!("{found:?} in {} pages", end / PAGE_BYTES)
    }

    /// From address 1: Rust does not read address 0, where the stack ends that would have to be full.
    fn is_there(&self, masked: &[u8], end: usize) -> bool {
        (1..=end.saturating_sub(masked.len())).any(|at| {
            masked.iter().enumerate().all(|(offset, byte)| byte_at(at + offset) ^ self.mask == *byte)
        })
    }
}

#[cfg(target_arch = "wasm32")]
fn pages() -> usize {
    core::arch::wasm32::memory_size(0)
}

/// Only an instance has a memory of its own.
#[cfg(not(target_arch = "wasm32"))]
fn pages() -> usize {
    0
}

fn byte_at(address: usize) -> u8 {
    let byte: *const u8 = core::ptr::with_exposed_provenance(address);
    // SAFETY: the address is within the memory of the instance, all of which can be read; a byte has no invalid value.
    unsafe { byte.read_volatile() }
}
