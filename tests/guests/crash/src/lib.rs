//! Ways to crash, and to use up what a call has. Each has a word, by which a test chooses it in any export of any guest.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// All ways.
pub const WAYS: [&str; 15] = [
    "panic",
    "abort",
    "exit",
    "fail",
    "divide",
    "index",
    "pointer",
    "loop",
    "recursion",
    "frames",
    "memory",
    "pieces",
    "grow",
    "reserve",
    "chatter",
];

/// Crashes in the way whose place in [`WAYS`] the clock tells, in seconds: for an export that is told nothing.
pub fn crash_by_the_clock() {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(how) = usize::try_from(seconds).ok().and_then(|place| WAYS.get(place)) {
        crash(how);
    }
}

/// Crashes this way. A word that is none gives false.
pub fn crash(how: &str) -> bool {
    match how {
        "panic" => panic!("there is no such uid"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "fail" => std::process::exit(3),
        "divide" => drop(black_box(black_box(1) / black_box(0))),
        "index" => drop(black_box(black_box([1, 2, 3].as_slice())[black_box(3)])),
        "pointer" => write_to_nowhere(),
        "loop" => without_end(),
        "recursion" => drop(black_box(recurse())),
        "frames" => drop(black_box(recurse_in_frames(1))),
        "memory" => allocate(1 << 30, 1 << 30),
        "pieces" => allocate(1 << 30, 1 << 12),
        "grow" => grow(),
        "reserve" => {
            let mut reserved = Vec::<u8>::new();
            let _ = reserved.try_reserve(1 << 30);
            drop(black_box(reserved));
        }
        "chatter" => (0..u64::MAX).for_each(|_| eprintln!("{}", "still here ".repeat(8))),
        _ => return false,
    }
    true
}

/// Computes without end.
pub fn without_end() -> ! {
    loop {
        black_box(());
    }
}

/// Takes `bytes` in pieces, and writes to every page of them, so that they are really used.
pub fn allocate(bytes: usize, piece: usize) {
    let mut pieces = Vec::new();
    while pieces.len() * piece < bytes {
        let mut memory = vec![0_u8; piece];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        pieces.push(black_box(memory));
    }
}

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Calls itself without end, and keeps nothing in memory: only the runtime's own stack grows.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what it is for")]
pub fn recurse() -> u64 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    recurse() ^ CALLS.load(Ordering::Relaxed)
}

/// Calls itself without end, with an array in each frame: the stack that the compiler keeps in memory overflows first.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn recurse_in_frames(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    recurse_in_frames(depth + 1) ^ frame.iter().sum::<u64>()
}

#[expect(unsafe_code, reason = "a plugin in another language may do it any time")]
fn write_to_nowhere() {
    // SAFETY: there is none; the sandbox ends the call.
    unsafe { black_box(0x7fff_0000_usize as *mut u8).write_volatile(1) }
}

/// Asks for memory page by page, without an allocator that could give up.
#[cfg(target_arch = "wasm32")]
fn grow() {
    while core::arch::wasm32::memory_grow(0, 16) != usize::MAX {}
}

#[cfg(not(target_arch = "wasm32"))]
fn grow() {}
