//! What the sandbox keeps for one call inside its store.

use std::sync::Arc;

use jiff::Timestamp;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::fault::GrowthDenied;
use super::gate::{Gate, Mode};
use super::limits::{LimitName, Limits};
use super::wasi::{StderrTail, deterministic_wasi};

/// The data of a store: the sandbox's own part and the states of the capabilities.
pub trait GuestState: WasiView + Send + 'static {
    /// The sandbox's own part.
    fn guest(&mut self) -> &mut Guest;
}

/// The sandbox's own part of a call.
pub struct Guest {
    // Made when the guest asks for it first, which most never do; boxed, since the state of a call is moved around.
    wasi: Option<Box<WasiCtx>>,
    seed: [u8; 32],
    time: Timestamp,
    /// Resources that the guest holds handles to.
    pub table: ResourceTable,
    /// The only way out.
    pub gate: Arc<Gate>,
    pub(super) limiter: Limiter,
    pub(super) stderr: StderrTail,
}

impl Guest {
    /// The part for one call. `seed` and `time` are all that its random numbers and clocks come from.
    pub fn new(limits: Limits, seed: [u8; 32], time: Timestamp, mode: Mode) -> Self {
        let stderr = StderrTail::default();
        let limiter = Limiter::new(&limits);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.size(LimitName::Resources).saturating_mul(ENTRIES_PER_RESOURCE));
        Self { wasi: None, seed, time, table, gate: Arc::new(Gate::new(limits, mode)), limiter, stderr }
    }

    /// What `wasi:*` functions act on.
    pub fn wasi_view(&mut self) -> WasiCtxView<'_> {
        let ctx =
            self.wasi.get_or_insert_with(|| Box::new(deterministic_wasi(self.seed, self.time, &self.stderr)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// Entries of the table that one handle of the guest can stand for: a pollable has what it waits for beside it.
const ENTRIES_PER_RESOURCE: usize = 2;

/// Keeps memories and tables within their limits; a growth that is denied ends the call.
pub(super) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    instances: usize,
    memory: usize,
    pub(super) memory_peak: usize,
}

impl Limiter {
    fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.size(LimitName::MemoryBytes),
            table_limit: limits.size(LimitName::TableElements),
            instances: limits.size(LimitName::Instances),
            memory: 0,
            memory_peak: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            let (limit, requested) = (self.memory_limit as u64, total as u64);
            return Err(GrowthDenied { name: LimitName::MemoryBytes, limit, requested }.into());
        }
        self.memory = total;
        self.memory_peak = self.memory_peak.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_limit {
            let (limit, requested) = (self.table_limit as u64, desired as u64);
            return Err(GrowthDenied { name: LimitName::TableElements, limit, requested }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi_view()
    }
}

impl GuestState for Guest {
    fn guest(&mut self) -> &mut Guest {
        self
    }
}
