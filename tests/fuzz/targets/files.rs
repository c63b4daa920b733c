#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::files::check(data));
