//! The file system of WASI.
#![allow(unsafe_code, reason = "forges handles, as a plugin in another language may")]

use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DirectoryEntryStream, NewTimestamp, OpenFlags, PathFlags,
    filesystem_error_code,
};
use crate::bindings::wasi::io::error::Error;

crate::list! { ()
    "wasi:filesystem/preopens#get-directories" => preopens::get_directories().len(),
    "wasi:filesystem/types#filesystem-error-code" => filesystem_error_code(&crate::forged!(Error)),
    "wasi:filesystem/types#[method]descriptor.read-via-stream" => crate::forged!(Descriptor).read_via_stream(0).is_ok(),
    "wasi:filesystem/types#[method]descriptor.write-via-stream" => crate::forged!(Descriptor).write_via_stream(0).is_ok(),
    "wasi:filesystem/types#[method]descriptor.append-via-stream" => crate::forged!(Descriptor).append_via_stream().is_ok(),
    "wasi:filesystem/types#[method]descriptor.advise" => crate::forged!(Descriptor).advise(0, 1, Advice::Normal),
    "wasi:filesystem/types#[method]descriptor.sync-data" => crate::forged!(Descriptor).sync_data(),
    "wasi:filesystem/types#[method]descriptor.get-flags" => crate::forged!(Descriptor).get_flags(),
    "wasi:filesystem/types#[method]descriptor.get-type" => crate::forged!(Descriptor).get_type(),
    "wasi:filesystem/types#[method]descriptor.set-size" => crate::forged!(Descriptor).set_size(0),
    "wasi:filesystem/types#[method]descriptor.set-times" =>
        crate::forged!(Descriptor).set_times(NewTimestamp::Now, NewTimestamp::Now),
    "wasi:filesystem/types#[method]descriptor.read" => crate::forged!(Descriptor).read(1, 0),
    "wasi:filesystem/types#[method]descriptor.write" => crate::forged!(Descriptor).write(b"x", 0),
    "wasi:filesystem/types#[method]descriptor.read-directory" => crate::forged!(Descriptor).read_directory().is_ok(),
    "wasi:filesystem/types#[method]descriptor.sync" => crate::forged!(Descriptor).sync(),
    "wasi:filesystem/types#[method]descriptor.create-directory-at" =>
        crate::forged!(Descriptor).create_directory_at("made"),
    "wasi:filesystem/types#[method]descriptor.stat" => crate::forged!(Descriptor).stat().is_ok(),
    "wasi:filesystem/types#[method]descriptor.stat-at" =>
        crate::forged!(Descriptor).stat_at(PathFlags::empty(), "passwd").is_ok(),
    "wasi:filesystem/types#[method]descriptor.set-times-at" => crate::forged!(Descriptor).set_times_at(
        PathFlags::empty(), "passwd", NewTimestamp::Now, NewTimestamp::Now,
    ),
    "wasi:filesystem/types#[method]descriptor.link-at" =>
        crate::forged!(Descriptor).link_at(PathFlags::empty(), "a", &crate::forged!(Descriptor), "b"),
    "wasi:filesystem/types#[method]descriptor.open-at" => crate::forged!(Descriptor).open_at(
        PathFlags::empty(), "passwd", OpenFlags::empty(), DescriptorFlags::READ,
    ).is_ok(),
    "wasi:filesystem/types#[method]descriptor.readlink-at" => crate::forged!(Descriptor).readlink_at("link"),
    "wasi:filesystem/types#[method]descriptor.remove-directory-at" =>
        crate::forged!(Descriptor).remove_directory_at("folder"),
    "wasi:filesystem/types#[method]descriptor.rename-at" =>
        crate::forged!(Descriptor).rename_at("a", &crate::forged!(Descriptor), "b"),
    "wasi:filesystem/types#[method]descriptor.symlink-at" => crate::forged!(Descriptor).symlink_at("a", "b"),
    "wasi:filesystem/types#[method]descriptor.unlink-file-at" => crate::forged!(Descriptor).unlink_file_at("file"),
    "wasi:filesystem/types#[method]descriptor.is-same-object" =>
        crate::forged!(Descriptor).is_same_object(&crate::forged!(Descriptor)),
    "wasi:filesystem/types#[method]descriptor.metadata-hash" => crate::forged!(Descriptor).metadata_hash().is_ok(),
    "wasi:filesystem/types#[method]descriptor.metadata-hash-at" =>
        crate::forged!(Descriptor).metadata_hash_at(PathFlags::empty(), "passwd").is_ok(),
    "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry" =>
        crate::forged!(DirectoryEntryStream).read_directory_entry().is_ok(),
}
