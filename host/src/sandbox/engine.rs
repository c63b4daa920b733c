//! The engines: one with a pool of slots, and one without for components that do not fit into it.

use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures,
};

/// How often a running guest is asked to let others on. Calls of ordinary plugins end long before.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How often the ticking thread looks for calls when none runs.
const IDLE_TICK: Duration = Duration::from_millis(10);

const MIB: usize = 1 << 20;

/// The call stack of a plugin, apart from what its compiler keeps in its memory.
pub(super) const STACK_BYTES: usize = MIB / 2;

/// Linear memory that a slot of the pool can hold, in bytes: as much as the limit on memory can be raised to. A slot has
/// the address space for it anyway.
const POOL_MEMORY_BYTES: usize = 1024 * MIB;

/// Bytes of a slot's memory that stay resident between calls. Covers the stack and the data of a Rust guest, so that
/// kernels without `PAGEMAP_SCAN` need no system call either.
const KEEP_RESIDENT_BYTES: usize = 5 * MIB / 4;

/// An engine that compiles for all engines of a host, in another process too: where instances live has no part in their
/// code.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&configuration())
}

/// The engines of a host.
pub(super) struct Engines {
    /// None where there is to be no pool, or the address space does not allow one.
    pub(super) pooling: Option<Engine>,
    pub(super) on_demand: Engine,
}

impl Engines {
    /// Engines with so many slots in the pool, if there is to be one, and a thread that ticks until both are dropped: often
    /// while calls run, as `busy` tells.
    pub(super) fn start(
        slots: Option<u32>,
        busy: impl Fn() -> bool + Send + 'static,
    ) -> wasmtime::Result<Self> {
        let on_demand = compiling()?;
        let pooling = slots.and_then(pooling);
        let engines = Self { pooling, on_demand };
        engines.tick(busy)?;
        Ok(engines)
    }

    fn tick(&self, busy: impl Fn() -> bool + Send + 'static) -> wasmtime::Result<()> {
        let engines: Vec<_> = self.pooling.iter().chain([&self.on_demand]).map(Engine::weak).collect();
        std::thread::Builder::new().name("provender-ticks".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(if busy() { TICK } else { IDLE_TICK });
                let alive: Vec<_> = engines.iter().filter_map(wasmtime::EngineWeak::upgrade).collect();
                if alive.is_empty() {
                    return;
                }
                alive.iter().for_each(Engine::increment_epoch);
            }
        })?;
        Ok(())
    }
}

/// None where the address space does not allow it.
fn pooling(slots: u32) -> Option<Engine> {
    let mut pooled = configuration();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
    Engine::new(&pooled)
        .inspect_err(|error| tracing::warn!(%error, "no pool of instances, calls will be slower"))
        .ok()
}

/// Proposals that no plugin needs: each is more runtime that could be attacked, and threads would race besides.
const UNNEEDED: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES);

/// The settings of every engine, but for where instances come from.
pub fn configuration() -> Config {
    let mut config = Config::new();
    config.wasm_features(UNNEEDED, false);
    // What a plugin computes does not depend on the processor.
    config.relaxed_simd_deterministic(true).cranelift_nan_canonicalization(true);
    config
        .wasm_component_model(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES)
        .concurrency_support(false)
        .memory_init_cow(true);
    config
}

/// The pool of an engine with so many slots.
pub fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances)
        .max_core_instances_per_component(60)
        .max_tables_per_component(60)
        .max_memories_per_component(4)
        .max_core_instance_size(4 * MIB)
        .max_component_instance_size(MIB)
        .table_elements(40_000)
        .max_memory_size(POOL_MEMORY_BYTES)
        .max_unused_warm_slots(instances)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(MIB / 16)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Tells one engine's compiled code from another's.
pub(super) fn fingerprint(engine: &Engine) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_engines_run_the_same_code() {
        let engines = Engines::start(Some(1), || false).unwrap();
        let compiling = fingerprint(&compiling().unwrap());
        assert_eq!(fingerprint(&engines.on_demand), compiling);
        assert_eq!(fingerprint(&engines.pooling.unwrap()), compiling);
        assert_ne!(fingerprint(&Engine::default()), compiling);
    }
}
