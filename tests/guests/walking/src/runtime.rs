//! What runtimes of languages import: command line, clocks, random numbers, streams.
#![allow(unsafe_code, reason = "forges handles, as a plugin in another language may")]

use crate::bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::io::error::Error;
use crate::bindings::wasi::io::poll::{Pollable, poll};
use crate::bindings::wasi::random::{insecure, insecure_seed, random};

fn pollable() -> Pollable {
    monotonic_clock::subscribe_duration(1)
}

crate::list! { ()
    "wasi:cli/environment#get-environment" => environment::get_environment(),
    "wasi:cli/environment#get-arguments" => environment::get_arguments(),
    "wasi:cli/environment#initial-cwd" => environment::initial_cwd(),
    "wasi:cli/exit#exit" => exit::exit(Ok(())),
    "wasi:cli/exit#exit-with-code" => exit::exit_with_code(7),
    "wasi:cli/stdin#get-stdin" => drop(stdin::get_stdin()),
    "wasi:cli/stdout#get-stdout" => drop(stdout::get_stdout()),
    "wasi:cli/stderr#get-stderr" => drop(stderr::get_stderr()),
    "wasi:cli/terminal-stdin#get-terminal-stdin" => terminal_stdin::get_terminal_stdin().is_some(),
    "wasi:cli/terminal-stdout#get-terminal-stdout" => terminal_stdout::get_terminal_stdout().is_some(),
    "wasi:cli/terminal-stderr#get-terminal-stderr" => terminal_stderr::get_terminal_stderr().is_some(),
    "wasi:clocks/monotonic-clock#now" => monotonic_clock::now(),
    "wasi:clocks/monotonic-clock#resolution" => monotonic_clock::resolution(),
    "wasi:clocks/monotonic-clock#subscribe-instant" => drop(monotonic_clock::subscribe_instant(1)),
    "wasi:clocks/monotonic-clock#subscribe-duration" => drop(monotonic_clock::subscribe_duration(1)),
    "wasi:clocks/wall-clock#now" => wall_clock::now(),
    "wasi:clocks/wall-clock#resolution" => wall_clock::resolution(),
    "wasi:random/random#get-random-bytes" => random::get_random_bytes(8),
    "wasi:random/random#get-random-u64" => random::get_random_u64(),
    "wasi:random/insecure#get-insecure-random-bytes" => insecure::get_insecure_random_bytes(8),
    "wasi:random/insecure#get-insecure-random-u64" => insecure::get_insecure_random_u64(),
    "wasi:random/insecure-seed#insecure-seed" => insecure_seed::insecure_seed(),
    "wasi:io/error#[method]error.to-debug-string" => crate::forged!(Error).to_debug_string(),
    "wasi:io/poll#[method]pollable.ready" => { pollable().ready(); },
    "wasi:io/poll#[method]pollable.block" => pollable().block(),
    "wasi:io/poll#poll" => poll(&[&pollable()]),
    "wasi:io/streams#[method]input-stream.read" => stdin::get_stdin().read(8),
    "wasi:io/streams#[method]input-stream.blocking-read" => stdin::get_stdin().blocking_read(8),
    "wasi:io/streams#[method]input-stream.skip" => stdin::get_stdin().skip(8),
    "wasi:io/streams#[method]input-stream.blocking-skip" => stdin::get_stdin().blocking_skip(8),
    "wasi:io/streams#[method]input-stream.subscribe" => {
        let stream = stdin::get_stdin();
        drop(stream.subscribe());
    },
    "wasi:io/streams#[method]output-stream.check-write" => stdout::get_stdout().check_write(),
    "wasi:io/streams#[method]output-stream.write" => {
        let stream = stdout::get_stdout();
        stream.check_write().and_then(|_| stream.write(b"written"))
    },
    "wasi:io/streams#[method]output-stream.blocking-write-and-flush" =>
        stdout::get_stdout().blocking_write_and_flush(b"written"),
    "wasi:io/streams#[method]output-stream.flush" => stdout::get_stdout().flush(),
    "wasi:io/streams#[method]output-stream.blocking-flush" => stdout::get_stdout().blocking_flush(),
    "wasi:io/streams#[method]output-stream.subscribe" => {
        let stream = stdout::get_stdout();
        drop(stream.subscribe());
    },
    "wasi:io/streams#[method]output-stream.write-zeroes" => {
        let stream = stdout::get_stdout();
        stream.check_write().and_then(|_| stream.write_zeroes(8))
    },
    "wasi:io/streams#[method]output-stream.blocking-write-zeroes-and-flush" =>
        stdout::get_stdout().blocking_write_zeroes_and_flush(8),
    "wasi:io/streams#[method]output-stream.splice" => stdout::get_stdout().splice(&stdin::get_stdin(), 8),
    "wasi:io/streams#[method]output-stream.blocking-splice" =>
        stdout::get_stdout().blocking_splice(&stdin::get_stdin(), 8),
}
