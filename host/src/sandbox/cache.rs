//! Compiled components on disk, by digest and engine. The one place that loads machine code.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ring::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::fingerprint;

/// A directory of compiled components, each behind a tag that only this host can make.
pub(super) struct Cache {
    directory: PathBuf,
    key: hmac::Key,
    /// Of the engine that the code is for.
    fingerprint: String,
}

const TAG_BYTES: usize = 32;

/// Machine code that the compiler of this host made.
pub(super) struct Code(Vec<u8>);

impl Code {
    /// What the compiler gave for a component, and nothing else.
    pub(super) fn of_compiler(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// Makes it a component. Fails when it is for another engine, or does not fit into the engine's pool.
    pub(super) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` runs what it is given as machine code, and checks no more than a header. These bytes
        // are what the compiler that this host started gave back for a component, either just now or before: then the
        // tag verified by `lookup` over exactly these bytes in memory proves it, since its key never leaves the host
        // and no plugin can write there.
        #[expect(unsafe_code, reason = "the only way to load compiled code; see the safety comment")]
        unsafe {
            Component::deserialize(engine, &self.0)
        }
    }
}

impl Cache {
    /// Opens the directory, making it for this user only. `key` must not lie in it.
    pub(super) fn open(directory: &Path, key: &[u8; 32], engine: &Engine) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            fingerprint: fingerprint(engine),
        })
    }

    /// What was compiled of a component. None for an entry that is broken or foreign.
    pub(super) fn lookup(&self, digest: &str) -> Option<Code> {
        let path = self.path(digest);
        let mut file = File::open(&path).ok()?;
        let (mut tag, mut code) = ([0; TAG_BYTES], Vec::new());
        let verified = match file.read_exact(&mut tag).and_then(|()| file.read_to_end(&mut code)) {
            Ok(_) => hmac::verify(&self.key, &code, &tag).is_ok(),
            Err(_) => false,
        };
        if !verified {
            tracing::warn!(path = %path.display(), "broken cache entry, compiling anew");
            return None;
        }
        Some(Code(code))
    }

    /// Keeps what was compiled of a component. It can be compiled again, so a full disk is no failure.
    pub(super) fn keep(&self, digest: &str, code: &Code) {
        let path = self.path(digest);
        if let Err(error) = self.store(&path, code) {
            tracing::warn!(%error, path = %path.display(), "compiled component not cached");
        }
    }

    fn store(&self, path: &Path, Code(code): &Code) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(hmac::sign(&self.key, code).as_ref())?;
        file.write_all(code)?;
        file.persist(path)?;
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}-{}.cwasm", self.fingerprint))
    }

    /// Removes what was compiled of a component.
    pub(super) fn forget(&self, digest: &str) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(digest) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// How many compiled components a directory holds, and the names of those that are not what a host with this key put
/// there. Runs none of them.
pub fn broken_compilations(directory: &Path, key: &[u8; 32]) -> io::Result<(u64, Vec<String>)> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, Vec::new())),
        entries => entries?,
    };
    let (mut examined, mut broken) = (0, Vec::new());
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "cwasm") {
            continue;
        }
        let content = match fs::read(&path) {
            // Replaced or removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            content => content?,
        };
        examined += 1;
        let whole = content
            .split_at_checked(TAG_BYTES)
            .is_some_and(|(tag, code)| hmac::verify(&key, code, tag).is_ok());
        if !whole {
            broken.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    Ok((examined, broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn open(directory: &Path, key: u8) -> (Engine, Cache) {
        let engine = Engine::default();
        let cache = Cache::open(directory, &[key; 32], &engine).unwrap();
        (engine, cache)
    }

    fn code(engine: &Engine) -> Code {
        Code::of_compiler(engine.precompile_component(COMPONENT).unwrap())
    }

    fn entries(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_was_kept_is_found_as_it_was_and_a_broken_entry_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = open(directory.path(), 7);
        assert!(cache.lookup("abc").is_none());
        cache.keep("abc", &code(&engine));
        let [path] = entries(directory.path()).try_into().unwrap();
        cache.lookup("abc").unwrap().component(&engine).unwrap();

        for spoil in [|entry: &mut Vec<u8>| entry.truncate(20), |entry: &mut Vec<u8>| entry[200] ^= 1] {
            let mut entry = fs::read(&path).unwrap();
            spoil(&mut entry);
            fs::write(&path, entry).unwrap();
            assert!(cache.lookup("abc").is_none());
            cache.keep("abc", &code(&engine));
            assert!(cache.lookup("abc").is_some());
        }
    }

    #[test]
    fn an_entry_of_another_key_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = open(directory.path(), 7);
        cache.keep("abc", &code(&engine));
        let (_, other) = open(directory.path(), 8);
        assert!(other.lookup("abc").is_none());
    }

    #[test]
    fn what_was_compiled_of_a_removed_component_goes() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = open(directory.path(), 7);
        cache.keep("abc", &code(&engine));
        cache.forget("abc");
        assert!(entries(directory.path()).is_empty());
    }
}
