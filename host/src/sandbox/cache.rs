//! Compiled components on disk, by digest and engine. The one place that loads machine code.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::fingerprint;

/// A directory of compiled components, each behind a tag that only this host can make.
pub(super) struct Cache {
    directory: PathBuf,
    key: hmac::Key,
}

const TAG_BYTES: usize = 32;

impl Cache {
    /// Opens the directory, making it for this user only. `key` must not lie in it.
    pub(super) fn open(directory: &Path, key: &[u8; 32]) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self { directory: directory.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key) })
    }

    /// The component from the cache, or compiled and put there. An entry that is broken or foreign is compiled anew.
    pub(super) fn component(
        &self,
        engine: &Engine,
        digest: &str,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let path = self.directory.join(format!("{digest}-{}.cwasm", fingerprint(engine)));
        if let Some(component) = self.load(engine, &path) {
            return Ok(component);
        }
        let component = Component::new(engine, wasm)?;
        if let Err(error) = self.store(&path, &component.serialize()?) {
            tracing::warn!(%error, path = %path.display(), "compiled component not cached");
        }
        Ok(component)
    }

    fn load(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let entry = fs::read(path).ok()?;
        let (tag, code) = entry.split_at_checked(TAG_BYTES)?;
        if hmac::verify(&self.key, code, tag).is_err() {
            tracing::warn!(path = %path.display(), "broken cache entry, compiling anew");
            return None;
        }
        // SAFETY: `deserialize` runs what it is given as machine code, and checks no more than a header. These bytes
        // are what `Component::serialize` gave to `store` of this host and no other: the tag just verified over
        // exactly these bytes in memory proves it, since its key never leaves the host and no plugin can write here.
        #[expect(unsafe_code, reason = "the only way to load compiled code; see the safety comment")]
        let component = unsafe { Component::deserialize(engine, code) };
        component.inspect_err(|error| tracing::warn!(%error, "unfit cache entry, compiling anew")).ok()
    }

    fn store(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(hmac::sign(&self.key, code).as_ref())?;
        file.write_all(code)?;
        file.persist(path)?;
        Ok(())
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

    fn entries(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_second_load_comes_from_the_cache_and_a_broken_entry_is_compiled_anew() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(directory.path(), &[7; 32]).unwrap();
        cache.component(&engine, "abc", COMPONENT).unwrap();
        let [path] = entries(directory.path()).try_into().unwrap();
        assert!(cache.load(&engine, &path).is_some());

        for spoil in [|entry: &mut Vec<u8>| entry.truncate(20), |entry: &mut Vec<u8>| entry[200] ^= 1] {
            let mut entry = fs::read(&path).unwrap();
            spoil(&mut entry);
            fs::write(&path, entry).unwrap();
            assert!(cache.load(&engine, &path).is_none());
            cache.component(&engine, "abc", COMPONENT).unwrap();
            assert!(cache.load(&engine, &path).is_some());
        }
    }

    #[test]
    fn an_entry_of_another_key_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        Cache::open(directory.path(), &[7; 32]).unwrap().component(&engine, "abc", COMPONENT).unwrap();
        let [path] = entries(directory.path()).try_into().unwrap();
        assert!(Cache::open(directory.path(), &[8; 32]).unwrap().load(&engine, &path).is_none());
    }

    #[test]
    fn what_was_compiled_of_a_removed_component_goes() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(directory.path(), &[7; 32]).unwrap();
        cache.component(&engine, "abc", COMPONENT).unwrap();
        cache.forget("abc");
        assert!(entries(directory.path()).is_empty());
    }
}
