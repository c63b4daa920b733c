//! Generated from `wit/`: the types of the contract, the calls into the host, and the glue of exported functions.
//!
//! Nothing is written by hand here but what the types derive. Authors reach all of it through the modules of the
//! crate; it is public only for the export macros.

/// The part of WASI that the HTTP client stands on. Apart from the rest since its types carry handles, which can
/// neither be compared nor written as JSON.
pub(crate) mod wasi {
    wit_bindgen::generate!({
        world: "provender:sdk/wasi",
        path: ["../wit", "wit"],
        generate_all,
    });
}

/// All types of the contract, and what a plugin may call.
pub mod host {
    wit_bindgen::generate!({
        world: "provender:sdk/host",
        path: ["../wit", "wit"],
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, serde::Serialize],
        additional_type_attributes: {
            "provender:plugin/files@0.1.0/attributes": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/ad-hoc-attribute": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/address": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/agreement": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/certificate": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/cluster-account": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/collaboration": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/collaboration-unit": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/email-address": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/email-list": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/email-list-reference": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/extension": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/group": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/group-member": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/group-summary": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/identifier": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/membership": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/membership-cause": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/metadata": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/name": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/org-identity": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/other-record": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/password-hash": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/person": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/role": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/service": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/ssh-key": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/telephone-number": [#[derive(Default)]],
            "provender:plugin/records@0.1.0/url": [#[derive(Default)]],
            "provender:plugin/types@0.1.0/applied": [#[derive(Default)]],

            "provender:plugin/records@0.1.0/credential": [#[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/email-list-use": [#[derive(Default)] #[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/group-type": [#[derive(Default)] #[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/service-visibility": [#[derive(Default)] #[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/status": [#[derive(Default)] #[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/subject": [#[serde(rename_all = "snake_case")]],
            "provender:plugin/records@0.1.0/subject-kind": [#[serde(rename_all = "snake_case")]],
            "provender:plugin/types@0.1.0/action": [#[serde(rename_all = "snake_case")]],
        },
        additional_member_attributes: {
            "provender:plugin/records@0.1.0/email-list-use.members": [#[default]],
            "provender:plugin/records@0.1.0/group-type.standard": [#[default]],
            "provender:plugin/records@0.1.0/service-visibility.co-members": [#[default]],
            "provender:plugin/records@0.1.0/status.active": [#[default]],

            // A word that has no case yet is written as that word.
            "provender:plugin/records@0.1.0/email-list-use.other": [#[serde(untagged)]],
            "provender:plugin/records@0.1.0/group-type.other": [#[serde(untagged)]],
            "provender:plugin/records@0.1.0/service-visibility.other": [#[serde(untagged)]],
            "provender:plugin/records@0.1.0/status.other": [#[serde(untagged)]],
            "provender:plugin/records@0.1.0/subject-kind.other": [#[serde(untagged)]],
            "provender:plugin/types@0.1.0/action.other": [#[serde(untagged)]],

            "provender:plugin/records@0.1.0/email-list-reference.use": [#[serde(rename = "use")]],
            "provender:plugin/records@0.1.0/extension.json":
                [#[serde(rename = "value", serialize_with = "crate::records::embed_json")]],
            "provender:plugin/records@0.1.0/other-record.json":
                [#[serde(rename = "value", serialize_with = "crate::records::embed_json")]],
        },
    });
}

/// What every plugin exports.
pub mod plugin {
    wit_bindgen::generate!({
        world: "provender:sdk/plugin",
        path: ["../wit", "wit"],
        pub_export_macro: true,
        default_bindings_module: "provender_sdk::bindings::plugin",
        with: {
            "provender:plugin/records@0.1.0": crate::bindings::host::provender::plugin::records,
            "provender:plugin/types@0.1.0": crate::bindings::host::provender::plugin::types,
        },
    });
}

/// What a provisioner exports beside it.
pub mod provisioning {
    wit_bindgen::generate!({
        world: "provender:sdk/provisioning",
        path: ["../wit", "wit"],
        pub_export_macro: true,
        default_bindings_module: "provender_sdk::bindings::provisioning",
        with: {
            "provender:plugin/records@0.1.0": crate::bindings::host::provender::plugin::records,
            "provender:plugin/types@0.1.0": crate::bindings::host::provender::plugin::types,
        },
    });
}

/// What a data filter exports beside it.
pub mod filtering {
    wit_bindgen::generate!({
        world: "provender:sdk/filtering",
        path: ["../wit", "wit"],
        pub_export_macro: true,
        default_bindings_module: "provender_sdk::bindings::filtering",
        with: {
            "provender:plugin/records@0.1.0": crate::bindings::host::provender::plugin::records,
            "provender:plugin/types@0.1.0": crate::bindings::host::provender::plugin::types,
        },
    });
}
