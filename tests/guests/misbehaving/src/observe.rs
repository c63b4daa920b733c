//! What a call can see: of its invocation, and of the machine.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use provender_sdk::records::Subject;
use provender_sdk::{Context, Invocation};

use crate::Configuration;

pub(crate) fn report(
    notes: &mut Vec<String>,
    context: &Context<Configuration>,
    invocation: Option<&Invocation<Configuration>>,
) {
    let slots: Vec<&str> = context.slots.iter().map(|binding| binding.slot.as_str()).collect();
    notes.push(format!("target {} of {}, slots {}", context.target, context.co, slots.join(" ")));
    let Some(invocation) = invocation else { return };
    let action = format!("{:?}", invocation.action);
    notes.push(format!("{action}, attempt {}", invocation.attempt));
    let extensions = match &invocation.subject {
        Subject::Person(person) => {
            notes.push(format!("person {}", person.metadata.id));
            for membership in &person.memberships {
                notes.push(format!(
                    "in group {} named {}",
                    membership.group.metadata.id, membership.group.name
                ));
            }
            for identifier in &person.identifiers {
                notes.push(format!("identifier {}", identifier.identifier));
            }
            &person.extensions
        }
        Subject::Group(group) => {
            notes.push(format!("group {} named {}", group.metadata.id, group.name));
            if let Some(cause) = &group.cause {
                let how = if cause.membership.is_some() { "is in" } else { "left" };
                notes.push(format!("because {} {how}", cause.person));
            }
            &group.extensions
        }
        _ => return,
    };
    for extension in extensions {
        notes.push(format!("extension {} {}", extension.name, extension.json));
    }
}

/// What a runtime of any language may ask the machine for.
pub(crate) fn machine(notes: &mut Vec<String>) {
    notes.push(format!("environment {:?}", std::env::vars().collect::<Vec<_>>()));
    notes.push(format!("arguments {:?}", std::env::args().collect::<Vec<_>>()));
    notes.push(format!("input {:?}", std::io::read_to_string(std::io::stdin())));
    for path in [".", "/", "/etc/passwd"] {
        let found = std::fs::read_dir(path).map(|_| ()).or_else(|_| std::fs::read(path).map(|_| ()));
        notes.push(format!("file {path}: {}", outcome(found)));
    }
    notes.push(format!("write: {}", outcome(std::fs::write("written", "x"))));
    notes.push(format!("connect: {}", outcome(TcpStream::connect("127.0.0.1:80").map(|_| ()))));
    notes.push(format!("bind: {}", outcome(UdpSocket::bind("127.0.0.1:0").map(|_| ()))));
    notes.push(format!("resolve: {}", outcome("localhost:80".to_socket_addrs().map(|_| ()))));
    notes.push(format!("thread: {}", outcome(std::thread::Builder::new().spawn(|| ()).map(|_| ()))));
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    notes.push(format!("wall clock {}", since_epoch.as_nanos()));
    let started = Instant::now();
    let waited = Instant::now().duration_since(started);
    notes.push(format!("clock advances {}", waited > Duration::ZERO));
    notes.push(format!("random {:016x}", RandomState::new().build_hasher().finish()));
}

fn outcome(result: std::io::Result<()>) -> String {
    match result {
        Ok(()) => "there".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}
