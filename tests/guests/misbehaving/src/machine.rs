//! Asks the machine for more than it should give, by WASI alone.

use crate::bindings::wasi::cli::{
    environment, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::io::poll;
use crate::bindings::wasi::random::{insecure, insecure_seed, random};
use crate::bindings::wasi::sockets::network::IpAddressFamily;
use crate::bindings::wasi::sockets::{
    instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket,
};

const HOUR: u64 = 3_600_000_000_000;

/// Does one of these by its word, and gives what came of it.
pub(crate) fn probe(what: &str) -> String {
    match what {
        "environment" => format!(
            "{:?} {:?} {:?}",
            environment::get_environment(),
            environment::get_arguments(),
            environment::initial_cwd()
        ),
        "preopens" => format!("{} directories", preopens::get_directories().len()),
        "terminals" => format!(
            "{} {} {}",
            terminal_stdin::get_terminal_stdin().is_some(),
            terminal_stdout::get_terminal_stdout().is_some(),
            terminal_stderr::get_terminal_stderr().is_some()
        ),
        "wall clock" => format!("{:?} {:?}", wall_clock::now(), wall_clock::resolution()),
        "monotonic clock" => format!("{} {}", monotonic_clock::now(), monotonic_clock::resolution()),
        "seed" => format!("{:?} {:x?}", insecure_seed::insecure_seed(), random::get_random_bytes(4)),
        "random bytes" => format!("{} bytes", random::get_random_bytes(u64::MAX).len()),
        "insecure random bytes" => format!("{} bytes", insecure::get_insecure_random_bytes(u64::MAX).len()),
        "random bytes at the limit" => format!("{} bytes", random::get_random_bytes(1 << 16).len()),
        "tcp" => format!("{:?}", tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).err()),
        "tcp 6" => format!("{:?}", tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv6).err()),
        "udp" => format!("{:?}", udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).err()),
        "listen" => format!("{:?}", std::net::TcpListener::bind("0.0.0.0:0").map_err(|error| error.kind())),
        "resolve" => {
            let network = instance_network::instance_network();
            format!("{:?}", ip_name_lookup::resolve_addresses(&network, "localhost").err())
        }
        "resolve an address" => {
            let network = instance_network::instance_network();
            format!("{:?}", ip_name_lookup::resolve_addresses(&network, "127.0.0.1").err())
        }
        "threads" => {
            format!("{:?}", std::thread::Builder::new().spawn(|| ()).map_err(|error| error.kind()).err())
        }
        "wait for hours" => {
            monotonic_clock::subscribe_duration(100 * HOUR).block();
            "waited".to_owned()
        }
        "wait forever" => {
            monotonic_clock::subscribe_duration(u64::MAX).block();
            "waited".to_owned()
        }
        "wait for an instant" => {
            monotonic_clock::subscribe_instant(u64::MAX).block();
            "waited".to_owned()
        }
        "wait busily" => loop {
            monotonic_clock::subscribe_duration(0).block();
        },
        "wait for many" => {
            let waiting: Vec<_> = (0..400).map(|_| monotonic_clock::subscribe_duration(HOUR)).collect();
            let list: Vec<_> = (0..1_000_000).map(|number| &waiting[number % waiting.len()]).collect();
            format!("{} ready", poll::poll(&list).len())
        }
        "wait for none" => format!("{:?}", poll::poll(&[])),
        "read" => format!("{:?}", stdin::get_stdin().read(u64::MAX)),
        "read and wait" => format!("{:?}", stdin::get_stdin().blocking_read(u64::MAX)),
        "skip" => format!("{:?}", stdin::get_stdin().skip(u64::MAX)),
        "write" => {
            let written = stderr::get_stderr().write(&vec![b'x'; 8 << 20]);
            format!("{written:?}")
        }
        "write too much and wait" => {
            format!("{:?}", stderr::get_stderr().blocking_write_and_flush(&[b'x'; 4097]))
        }
        "write zeroes" => format!("{:?}", stderr::get_stderr().write_zeroes(u64::MAX)),
        "write zeroes and wait" => {
            format!("{:?}", stdout::get_stdout().blocking_write_zeroes_and_flush(u64::MAX))
        }
        "splice" => format!("{:?}", stdout::get_stdout().splice(&stdin::get_stdin(), u64::MAX)),
        "splice and wait" => {
            format!("{:?}", stdout::get_stdout().blocking_splice(&stdin::get_stdin(), u64::MAX))
        }
        "flood standard output" => {
            (0..100_000).for_each(|_| println!("{}", "flood ".repeat(20)));
            "written".to_owned()
        }
        other => panic!("no such probe: {other}"),
    }
}
