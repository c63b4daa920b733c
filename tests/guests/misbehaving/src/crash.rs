//! Ways to use up what a call has, and ways to crash.

use std::hint::black_box;

pub(crate) fn without_end() -> ! {
    loop {
        black_box(());
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
pub(crate) fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + 1)
}

/// Takes `bytes` in pieces, and writes to every page of them, so that they are really used.
pub(crate) fn allocate(bytes: usize, piece: usize) -> String {
    let mut pieces = Vec::new();
    while pieces.len() * piece < bytes {
        let mut memory = vec![0_u8; piece];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        pieces.push(black_box(memory));
    }
    format!("{} pieces of {piece} bytes", pieces.len())
}

pub(crate) fn divide(dividend: i64, divisor: i64) -> i64 {
    black_box(dividend) / black_box(divisor)
}

pub(crate) fn index(values: &[u8], index: usize) -> u8 {
    black_box(values)[black_box(index)]
}

#[expect(unsafe_code, reason = "a plugin in another language may do it any time")]
pub(crate) fn write_to_nowhere() {
    // SAFETY: there is none; the sandbox ends the call.
    unsafe { black_box(0xffff_fff0_usize as *mut u8).write_volatile(1) }
}
