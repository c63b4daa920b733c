//! Components that are no good, built with this crate from `guests/`.

/// A provisioner that does what its configuration says: see `guests/misbehaving`.
pub const MISBEHAVING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/misbehaving.wasm"));

/// A data filter that does what its configuration says: see `guests/misbehaving-filter`.
pub const MISBEHAVING_FILTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/misbehaving-filter.wasm"));

/// A well-behaved provisioner: see `guests/mapping`.
pub const MAPPING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mapping.wasm"));

/// A data filter that crashes while it describes itself, in the way that the clock tells: see `guests/crash`.
pub const DESCRIBED_FILTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/described-filter.wasm"));

/// A provisioner that calls one import, by its name: see `guests/walking`.
pub const WALKING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/walking.wasm"));

/// A component of another world.
pub const COMMAND: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/command.wasm"));

const DESCRIBED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/described.wasm"));

/// What the binary of `guests/described` holds in the place of the word that chooses a description.
const WORD: &str = "described as: ordinary  ";

/// A provisioner that does nothing. `word` chooses how it describes itself: see `guests/described`.
pub fn described(word: &str) -> Vec<u8> {
    let width = WORD.len() - "described as: ".len();
    patched(DESCRIBED, WORD, &format!("described as: {word:<width$}"))
}

/// A component with a text of its binary in place of another of the same length, everywhere: names of imports and
/// exports, versions, fields.
pub fn patched(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths are part of the binary: {from:?}, {to:?}");
    let mut patched = component.to_vec();
    let mut at = 0;
    let mut places = 0;
    while let Some(found) = find(&patched[at..], from.as_bytes()) {
        patched[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
        places += 1;
    }
    assert!(places > 0, "the component holds no {from:?}");
    patched
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
