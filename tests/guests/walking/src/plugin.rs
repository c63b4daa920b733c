//! The contract's own imports.
#![allow(unsafe_code, reason = "forges handles, as a plugin in another language may")]

use crate::bindings::provender::plugin::files::{self, Attributes, Root};
use crate::bindings::provender::plugin::ldap::{
    self, Directory, Entry, Scope as Depth, Search, SearchRequest,
};
use crate::bindings::provender::plugin::log::{self, Level};
use crate::bindings::provender::plugin::messaging::{self, Publisher};
use crate::bindings::provender::plugin::registry;
use crate::bindings::provender::plugin::sql::{self, Database, Transaction};
use crate::bindings::provender::plugin::state::{self, Scope};

crate::list! { ()
    "provender:plugin/log#write" => log::write(Level::Info, "hello", &[]),
    "provender:plugin/state#get" => state::get(Scope::Target, "key"),
    "provender:plugin/state#set" => state::set(Scope::Target, "key", b"value"),
    "provender:plugin/state#delete" => state::delete(Scope::Target, "key"),
    "provender:plugin/state#keys" => state::keys(Scope::Target, "", None, 10),
    "provender:plugin/registry#members" => registry::members("staff", None, None, 10).map(|page| page.next),
    "provender:plugin/registry#get-group" => registry::get_group("staff").map(|group| group.name),
    "provender:plugin/registry#groups" => registry::groups(None, 10).map(|page| page.next),
    "provender:plugin/registry#services" => registry::services(None, 10).map(|page| page.next),
    "provender:plugin/registry#collaboration-units" => registry::collaboration_units().map(|units| units.len()),
    "provender:plugin/registry#affiliations" => registry::affiliations().map(|all| all.len()),
    "provender:plugin/registry#written-identifiers" =>
        registry::written_identifiers("anna").map(|identifiers| identifiers.len()),
    "provender:plugin/files#open" => files::open("folder").map(|_| ()),
    "provender:plugin/files#[method]root.append-lines" =>
        crate::forged!(Root).append_lines("file", &["line".to_owned()]),
    "provender:plugin/files#[method]root.write" => crate::forged!(Root).write("file", b"content"),
    "provender:plugin/files#[method]root.read" => crate::forged!(Root).read("file"),
    "provender:plugin/files#[method]root.create-directory" =>
        crate::forged!(Root).create_directory("folder", Attributes { mode: None, owner: None, group: None }),
    "provender:plugin/files#[method]root.list" => crate::forged!(Root).list(".").map(|entries| entries.len()),
    "provender:plugin/files#[method]root.remove" => crate::forged!(Root).remove("file"),
    "provender:plugin/files#[method]root.metadata" => crate::forged!(Root).metadata("file").map(|found| found.size),
    "provender:plugin/files#[method]root.set-attributes" =>
        crate::forged!(Root).set_attributes("file", Attributes { mode: Some(0o777), owner: None, group: None }),
    "provender:plugin/files#[method]root.copy-tree" => crate::forged!(Root).copy_tree(
        &crate::forged!(Root), "folder", "copy", Attributes { mode: None, owner: None, group: None },
    ),
    "provender:plugin/files#[method]root.give-tree" => crate::forged!(Root).give_tree("folder", Some(0), None),
    "provender:plugin/files#[method]root.rename" => crate::forged!(Root).rename("file", "other"),
    "provender:plugin/files#[method]root.remove-tree" => crate::forged!(Root).remove_tree("folder"),
    "provender:plugin/ldap#open" => ldap::open("directory").map(|_| ()),
    "provender:plugin/ldap#[method]directory.search" =>
        crate::forged!(Directory).search(&SearchRequest {
            base: "dc=x".to_owned(),
            scope: Depth::BaseObject,
            filter: "(a=*)".to_owned(),
            attributes: Vec::new(),
            page_size: 1,
        }).map(|_| ()),
    "provender:plugin/ldap#[method]directory.compare" => crate::forged!(Directory).compare("dc=x", "dc", b"x"),
    "provender:plugin/ldap#[method]directory.add" =>
        crate::forged!(Directory).add(&Entry { dn: "dc=x".to_owned(), attributes: Vec::new() }),
    "provender:plugin/ldap#[method]directory.modify" => crate::forged!(Directory).modify("dc=x", &[]),
    "provender:plugin/ldap#[method]directory.modify-dn" =>
        crate::forged!(Directory).modify_dn("dc=x", "dc=y", true, None),
    "provender:plugin/ldap#[method]directory.delete" => crate::forged!(Directory).delete("dc=x"),
    "provender:plugin/ldap#[method]search.next" => crate::forged!(Search).next().map(|page| page.len()),
    "provender:plugin/messaging#open" => messaging::open("broker").map(|_| ()),
    "provender:plugin/messaging#[method]publisher.publish" => crate::forged!(Publisher).publish(&[]),
    "provender:plugin/sql#open" => sql::open("folder").map(|_| ()),
    "provender:plugin/sql#[method]database.query" => crate::forged!(Database).query("SELECT 1", &[]).is_ok(),
    "provender:plugin/sql#[method]database.execute" => crate::forged!(Database).execute("DELETE FROM a", &[], None),
    "provender:plugin/sql#[method]database.begin" => crate::forged!(Database).begin().is_ok(),
    "provender:plugin/sql#[method]transaction.query" => crate::forged!(Transaction).query("SELECT 1", &[]).is_ok(),
    "provender:plugin/sql#[method]transaction.execute" =>
        crate::forged!(Transaction).execute("DELETE FROM a", &[], None),
    "provender:plugin/sql#[static]transaction.commit" =>
        Transaction::commit(std::mem::ManuallyDrop::into_inner(crate::forged!(Transaction))),
}
