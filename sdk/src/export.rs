//! From the exports of the contract to the traits of the crate. Public only for the export macros.

// A native build exports nothing: names such as "provender:plugin/plugin@0.1.0#describe" are none to a native linker.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::bindings::filtering::exports::provender::plugin::filtering;
use crate::bindings::host::provender::plugin::types as contract;
use crate::bindings::plugin::exports::provender::plugin::plugin;
use crate::bindings::provisioning::exports::provender::plugin::provisioning;
use crate::configuration::schema;
use crate::records::Subject;
use crate::{DataFilter, Failure, Inspection, Outcome, Provisioner};

/// Exports a type that implements [`Provisioner`]. Once per crate, which must be a `cdylib`.
#[macro_export]
macro_rules! export_provisioner {
    ($plugin:ty) => {
        const _: () = $crate::export::is_provisioner::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::export::ExportedProvisioner<$plugin>;
    $crate::bindings::plugin::export!(Exported with_types_in $crate::bindings::plugin);
    $crate::bindings::provisioning::export!(Exported with_types_in $crate::bindings::provisioning);
        };
    };
}

/// Exports a type that implements [`DataFilter`]. Once per crate, which must be a `cdylib`.
#[macro_export]
macro_rules! export_data_filter {
    ($plugin:ty) => {
        const _: () = $crate::export::is_data_filter::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::export::ExportedDataFilter<$plugin>;
    $crate::bindings::plugin::export!(Exported with_types_in $crate::bindings::plugin);
    $crate::bindings::filtering::export!(Exported with_types_in $crate::bindings::filtering);
        };
    };
}

/// Compiles for provisioners only.
pub const fn is_provisioner<P: Provisioner>() {}

/// Compiles for data filters only.
pub const fn is_data_filter<F: DataFilter>() {}

/// The exports of a provisioner.
pub struct ExportedProvisioner<P>(PhantomData<P>);

impl<P: Provisioner> plugin::Guest for ExportedProvisioner<P> {
    fn describe() -> contract::Description {
        P::DESCRIPTION.into_contract(schema::<P::Configuration>())
    }

    fn check(context: contract::Context) -> Result<Vec<String>, Failure> {
        P::check(&context.try_into()?)
    }
}

impl<P: Provisioner> provisioning::Guest for ExportedProvisioner<P> {
    fn prepare(context: contract::Context) -> Result<Vec<String>, Failure> {
        P::prepare(&context.try_into()?)
    }

    fn provision(invocation: contract::Invocation) -> Result<Outcome, Failure> {
        // The instance ends with the call, and its memory with it: nothing is gained by giving it back in parts.
        P::provision(&ManuallyDrop::new(invocation.try_into()?))
    }

    fn inspect(context: contract::Context, subject: Subject) -> Result<Inspection, Failure> {
        P::inspect(&context.try_into()?, &subject)
    }
}

/// The exports of a data filter.
pub struct ExportedDataFilter<F>(PhantomData<F>);

impl<F: DataFilter> plugin::Guest for ExportedDataFilter<F> {
    fn describe() -> contract::Description {
        F::DESCRIPTION.into_contract(schema::<F::Configuration>())
    }

    fn check(context: contract::Context) -> Result<Vec<String>, Failure> {
        F::check(&context.try_into()?)
    }
}

impl<F: DataFilter> filtering::Guest for ExportedDataFilter<F> {
    fn filter(invocation: contract::Invocation) -> Result<filtering::Filtered, Failure> {
        F::filter(invocation.try_into()?)
    }
}
