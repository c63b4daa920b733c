//! The plugin contract as Rust types, generated from `wit/`.

/// The world `provisioner`, and all types and imports of the contract.
pub mod provisioner {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provisioner",
        imports: {
            default: async | trappable,
            "provender:plugin/log": trappable,
        },
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [Clone, PartialEq, serde::Deserialize, serde::Serialize],
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "provender:plugin/files.root": crate::capabilities::files::Root,
            "provender:plugin/ldap.directory": crate::capabilities::ldap::Directory,
            "provender:plugin/ldap.search": crate::capabilities::ldap::Search,
            "provender:plugin/messaging.publisher": crate::capabilities::messaging::Publisher,
            "provender:plugin/sql.database": crate::capabilities::sql::Database,
            "provender:plugin/sql.transaction": crate::capabilities::sql::Transaction,
        },
    });
}

/// The world `data-filter`.
pub mod data_filter {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "data-filter",
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [Clone, PartialEq, serde::Deserialize, serde::Serialize],
        with: {
            "provender:plugin/records": super::provisioner::provender::plugin::records,
            "provender:plugin/types": super::provisioner::provender::plugin::types,
            "provender:plugin/log": super::provisioner::provender::plugin::log,
            "provender:plugin/registry": super::provisioner::provender::plugin::registry,
        },
    });
}

pub use data_filter::exports::provender::plugin::filtering::Filtered;
pub use provisioner::provender::plugin::{files, ldap, log, messaging, records, registry, sql, state, types};
