//! Runs every target over its corpus, and over inputs made of it in the same way at every run.

use std::fs;
use std::io::Write;
use std::path::Path;

use fuzzing::{TARGETS, amqp, kafka, ldap, mqtt, nats};
use provender::servers::messaging::MessagingError;

/// Words that a change of single bytes would hardly find.
const WORDS: [&str; 32] = [
    "..",
    "%2e%2e",
    "%252e",
    "\\",
    "/",
    "//",
    ";",
    "@",
    "#",
    "?",
    "[::1]",
    "0x7f000001",
    "\0",
    "\n",
    "\u{1e}",
    "\u{feff}",
    "null",
    "{}",
    "[]",
    "{\"",
    "\"}",
    "\"$ref\":\"#\"",
    "\"pattern\":\"(a+)+$\"",
    "1e308",
    "-1",
    "18446744073709551616",
    "9999-12-31T23:59:59Z",
    "-009999-01-01",
    "'",
    "[[",
    "__",
    "\u{202e}\u{10ffff}",
];

/// Lengths that lie, as protocols write them in bytes.
const LENGTHS: [&[u8]; 8] = [
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\x10\0\0",
    b"\0\0\0\0",
    b"\x84\x7f\xff\xff\xff",
    b"\x88\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
];

/// A generator of pseudo-random numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn mutated(inputs: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = inputs[numbers.below(inputs.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len() + 1);
        let end = at + numbers.below((input.len() - at).min(32) + 1);
        match numbers.below(8) {
            0 => input.insert(at, numbers.below(256) as u8),
            1 => drop(input.drain(at..end)),
            2 => {
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            3 => drop(input.splice(at..end, WORDS[numbers.below(WORDS.len())].bytes())),
            4 => {
                drop(input.splice(at..end.min(at + 4), LENGTHS[numbers.below(LENGTHS.len())].iter().copied()))
            }
            5 => {
                let other = &inputs[numbers.below(inputs.len())];
                let from = numbers.below(other.len() + 1);
                let to = from + numbers.below((other.len() - from).min(256) + 1);
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
        }
    }
    input
}

/// Runs a target over its corpus and `mutations` inputs made of it. A failure names the input.
fn run(name: &str, mutations: usize) {
    let (_, check) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let inputs = corpus(name);
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    let mut numbers = Numbers(name.len() as u64);
    let made = (0..mutations).map(|_| mutated(&inputs, &mut numbers));
    for input in inputs.iter().cloned().chain(made) {
        let panic = std::panic::catch_unwind(|| check(&input));
        assert!(panic.is_ok(), "{name} fails for {:?}", String::from_utf8_lossy(&input));
    }
    // Not by `println!`, which a test that passes does not show.
    let line = format!("{name}: {} inputs of the corpus and {mutations} made of them\n", inputs.len());
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn every_target_has_a_test() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    let expected = "amqp api configuration files import kafka ldap mqtt nats outcomes plugins schemas urls";
    assert_eq!(names.join(" "), expected);
}

/// So that an input that ends a connection is not all that targets are given.
#[test]
fn what_honest_counterparts_say_is_taken() {
    let folder = |target: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let honest = |target: &str, taken: &dyn Fn(&[u8]) -> Result<(), String>| {
        let mut count = 0;
        for entry in fs::read_dir(folder(target)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("confirmed") || name.starts_with("taken") {
                assert_eq!(taken(&fs::read(&path).unwrap()), Ok(()), "{target} {name}");
                count += 1;
            }
        }
        assert!(count > 1, "{target}");
    };
    let said = |ended: Result<(), MessagingError>| ended.map_err(|error| error.to_string());
    honest("amqp", &|data| said(amqp::publish(data)));
    honest("kafka", &|data| said(kafka::publish(data)));
    honest("mqtt", &|data| said(mqtt::publish(data)));
    honest("nats", &|data| said(nats::publish(data)));
    honest("ldap", &|data| ldap::ask(data).map_err(|error| error.to_string()));
}

#[test]
fn whatever_an_amqp_broker_says_is_bounded() {
    run("amqp", 2_000);
}

#[test]
fn whatever_a_kafka_node_says_is_bounded() {
    run("kafka", 2_000);
}

#[test]
fn whatever_a_directory_says_is_bounded() {
    run("ldap", 2_000);
}

#[test]
fn whatever_an_mqtt_broker_says_is_bounded() {
    run("mqtt", 2_000);
}

#[test]
fn whatever_a_nats_server_says_is_bounded() {
    run("nats", 2_000);
}

#[test]
fn requests_never_make_the_host_fail() {
    run("api", 1_000);
}

#[test]
fn a_configuration_is_taken_whole_or_refused_by_its_key() {
    run("configuration", 5_000);
}

#[test]
fn no_path_leads_out_of_a_root() {
    run("files", 2_000);
}

#[test]
fn what_was_imported_is_exported_and_imported_without_change() {
    run("import", 1_000);
}

#[test]
fn whatever_a_guest_gives_back_is_bounded() {
    run("outcomes", 10_000);
}

#[test]
fn a_file_is_taken_or_refused_as_a_plugin() {
    run("plugins", 500);
}

#[test]
fn schemas_and_configurations_are_checked_in_bounded_time() {
    run("schemas", 10_000);
}

#[test]
fn what_a_grant_covers_lies_within_it() {
    run("urls", 20_000);
}
