//! Maps one person to one account as a process of its own: what a call costs where every plugin call is a subprocess.
//! JSON comes by standard input and goes by standard output.

use std::io::{Read, Write, stdin, stdout};

use provender_guest_mapping::account;

fn main() {
    let mut person = String::new();
    stdin().read_to_string(&mut person).expect("a person");
    let person = serde_json::from_str(&person).expect("a person as JSON");
    stdout().write_all(account::document(&person, "uid").as_bytes()).expect("a reader");
}
