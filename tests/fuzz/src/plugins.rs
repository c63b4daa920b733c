//! Files offered as plugins. Input: a component; or a byte that chooses one, and edits of its sections.

use std::fs;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use provender::host::Host;
use provender::plugins::Catalog;
use provender_tests::host::configuration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::scratch::{Reused, folder, runtime};

/// Components with every export of their world, all of which do nothing, and every import of it.
const COMPONENTS: [&[u8]; 2] = [
    include_bytes!("../corpus/plugins/provisioner.wasm"),
    include_bytes!("../corpus/plugins/data-filter.wasm"),
];
/// Longest text of a refusal.
const MAX_TEXT_BYTES: usize = 64 * 1024;
const MAX_EDITS: usize = 8;
const COMPONENT_HEADER: usize = 8;
/// Sections of a component that hold a module or a component.
const NESTED: [u8; 2] = [1, 4];

struct Place {
    runtime: Runtime,
    host: Arc<Host>,
    folder: TempDir,
}

thread_local! {
    static PLACE: Reused<Place> = const { Reused::for_inputs(2_000) };
}

/// A file is taken or refused, with a bounded text, and nothing is left of one that was refused.
pub fn check(data: &[u8]) {
    let wasm = match data {
        [0, b'a', b's', b'm', ..] => data.to_vec(),
        [choice, edits @ ..] => {
            let mut sections =
                Section::all(COMPONENTS[usize::from(*choice) % COMPONENTS.len()], COMPONENT_HEADER);
            // What edits are left when the bytes end does not matter.
            let _ = edit(&mut sections, &mut Unstructured::new(edits));
            written(&sections, &COMPONENTS[0][..COMPONENT_HEADER])
        }
        [] => Vec::new(),
    };
    PLACE.with(|reused| reused.with(Place::new, |place, _| place.examine(wasm)));
}

impl Place {
    fn new() -> Self {
        let (folder, runtime) = (folder(), runtime());
        let mut configuration = configuration(folder.path());
        // In place of the folder that all tests share.
        let compiled = configuration.data_directory.join("compiled");
        fs::remove_file(&compiled).expect("the link to the shared folder");
        configuration.sandbox.instances = 1;
        configuration.sandbox.component_bytes = 1 << 20;
        configuration.limits = [("fuel".to_owned(), 1_000_000)].into();
        let host = runtime.block_on(Host::open(configuration)).expect("a host");
        Self { runtime, host, folder }
    }

    fn examine(&self, wasm: Vec<u8>) {
        let digest = Catalog::digest(&wasm);
        if let Err(refusal) = self.runtime.block_on(self.host.catalog.examine("fuzz.wasm", wasm)) {
            let text = refusal.to_string();
            assert!(text.len() <= MAX_TEXT_BYTES, "a text of {} bytes", text.len());
        }
        let compiled = self.folder.path().join("data/compiled");
        let left = fs::read_dir(compiled).expect("the folder of what is compiled");
        let left = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        assert_eq!(left.filter(|name| name.starts_with(&digest)).count(), 0, "something is left");
    }
}

/// A section, by what is in it.
#[derive(Clone)]
struct Section {
    id: u8,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// Of a module or component: its header, and its sections.
    Nested(Vec<u8>, Vec<Section>),
}

impl Section {
    fn all(bytes: &[u8], header: usize) -> Vec<Self> {
        let mut sections = Vec::new();
        let mut rest = bytes.get(header..).unwrap_or_default();
        while let Some((&id, tail)) = rest.split_first() {
            let Some((size, tail)) = leb128(tail) else { break };
            let Some((content, tail)) = tail.split_at_checked(size) else { break };
            let is_component = bytes.get(4) == COMPONENTS[0].get(4);
            let content = match content.split_at_checked(COMPONENT_HEADER) {
                Some((header, _)) if is_component && NESTED.contains(&id) => {
                    Content::Nested(header.to_vec(), Self::all(content, COMPONENT_HEADER))
                }
                _ => Content::Bytes(content.to_vec()),
            };
            sections.push(Self { id, content });
            rest = tail;
        }
        sections
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Nested(header, sections) => written(sections, header),
        }
    }
}

fn written(sections: &[Section], header: &[u8]) -> Vec<u8> {
    let mut wasm = header.to_vec();
    for section in sections {
        let content = section.bytes();
        wasm.push(section.id);
        let mut size = content.len();
        while size >= 0x80 {
            wasm.push((size & 0x7f) as u8 | 0x80);
            size >>= 7;
        }
        wasm.push(size as u8);
        wasm.extend(content);
    }
    wasm
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

fn edit(sections: &mut Vec<Section>, u: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..MAX_EDITS {
        if u.is_empty() || sections.is_empty() {
            break;
        }
        let at = u.choose_index(sections.len())?;
        match u.int_in_range(0..=9_u8)? {
            0 => drop(sections.remove(at)),
            1 => {
                let place = u.choose_index(sections.len())?;
                sections.insert(place, sections[at].clone());
            }
            2 => {
                let other = u.choose_index(sections.len())?;
                sections.swap(at, other);
            }
            3 => sections[at].id = u.arbitrary()?,
            // Many times the same: what is cheap to write may be costly to take.
            4 => {
                let times = u.int_in_range(1..=64_usize)?;
                let copy = sections[at].clone();
                sections.splice(at..at, std::iter::repeat_n(copy, times));
            }
            _ => match &mut sections[at].content {
                Content::Nested(_, inner) => edit(inner, u)?,
                Content::Bytes(bytes) => edit_bytes(bytes, u)?,
            },
        }
    }
    Ok(())
}

fn edit_bytes(bytes: &mut Vec<u8>, u: &mut Unstructured<'_>) -> Result<()> {
    let at = u.int_in_range(0..=bytes.len())?;
    match u.int_in_range(0..=4_u8)? {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, u.arbitrary()?),
        2 => {
            let end = u.int_in_range(at..=bytes.len())?;
            bytes.drain(at..end);
        }
        3 => {
            let end = u.int_in_range(at..=bytes.len())?;
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u.arbitrary()?;
            }
        }
    }
    Ok(())
}
