//! What a plugin can reach: one module per capability, always with the same parts: the grant, the state of a call, the
//! effects that pass the gate, and the host functions of the contract.
//!
//! Knows counterparts and nothing of jobs, targets or modes.

pub mod contract;
pub mod files;
pub mod http;
pub mod ldap;
mod log;
pub mod messaging;
pub mod plugin;
mod readable;
pub mod registry;
pub mod shown;
pub mod slots;
pub mod sql;
pub mod state;

use jiff::Timestamp;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtxView, WasiView};

use self::slots::Slots;
use crate::sandbox::{Guest, GuestState, Limits, Mode, link_wasi};

/// What a call may reach. Each part is empty unless granted.
#[derive(Default)]
pub struct Grants {
    pub slots: Slots,
    pub registry: registry::Grant,
    pub state: state::Grant,
}

/// What a call depends on beside its arguments: the same values make the same call.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub limits: Limits,
    /// Where the call's random numbers come from.
    pub seed: [u8; 32],
    /// Where the call's clocks start.
    pub time: Timestamp,
    /// Whether effects happen, or are answered from a record.
    pub mode: Mode,
}

/// The data of a call's store.
pub struct CallState {
    guest: Guest,
    files: files::Grant,
    http: http::HttpState,
    ldap: ldap::LdapState,
    messaging: messaging::Grant,
    registry: registry::Grant,
    sql: sql::Grant,
    state: state::StateOfCall,
}

impl CallState {
    /// The state of a call that may reach what `grants` holds.
    pub fn new(surroundings: Surroundings, grants: Grants) -> Self {
        let Surroundings { limits, seed, time, mode } = surroundings;
        let guest = Guest::new(limits, seed, time, mode);
        let http = http::HttpState::new(grants.slots.http, guest.gate.clone());
        let ldap = ldap::LdapState::new(grants.slots.ldap);
        let state = state::StateOfCall::new(grants.state);
        let Slots { files, messaging, sql, .. } = grants.slots;
        Self { guest, files, http, ldap, messaging, registry: grants.registry, sql, state }
    }

    /// What the call wrote to its durable state, to be stored if it ended well.
    pub fn into_state_changes(self) -> Vec<state::StateChange> {
        self.state.into_changes()
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.guest.wasi_view()
    }
}

impl GuestState for CallState {
    fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

impl CallState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.guest.table
    }
}

/// Links every import of the contract.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    link_wasi(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    http::link(linker)?;
    contract::log::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::state::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::registry::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::files::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::ldap::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::messaging::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::sql::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::records::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)?;
    contract::types::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut CallState| state)
}

impl contract::records::Host for CallState {}
impl contract::types::Host for CallState {}
