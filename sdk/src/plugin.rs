//! What an author implements, and what a call brings.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::bindings::host::provender::plugin::types as contract;
use crate::configuration;
use crate::records::{Extension, Subject};
use crate::{Action, Description, Failure, Filtered, Inspection, Outcome, SlotBinding};

/// A plugin that brings a counterpart up to date. Exported with [`crate::export_provisioner!`].
pub trait Provisioner {
    /// The configuration of a target. Its JSON Schema is derived from this type.
    type Configuration: DeserializeOwned + JsonSchema;

    /// What the plugin is.
    const DESCRIPTION: Description;

    /// Tests the configuration and the counterparts behind the slots. Changes nothing there. Gives lines for the
    /// operator.
    fn check(context: &Context<Self::Configuration>) -> Result<Vec<String>, Failure> {
        let _ = context;
        Ok(Vec::new())
    }

    /// Sets the counterpart up when a target is created or changed. May be called again at any time. Gives lines for
    /// the operator.
    fn prepare(context: &Context<Self::Configuration>) -> Result<Vec<String>, Failure> {
        let _ = context;
        Ok(Vec::new())
    }

    /// Brings the counterpart up to date with one subject. May be called again with the same invocation after a failure
    /// or a crash, so what it does must be idempotent.
    fn provision(invocation: &Invocation<Self::Configuration>) -> Result<Outcome, Failure>;

    /// Reads what the counterpart holds of one subject. Changes nothing there.
    fn inspect(context: &Context<Self::Configuration>, subject: &Subject) -> Result<Inspection, Failure> {
        let _ = (context, subject);
        Ok(Inspection::Unknown("the plugin does not look into its counterpart".to_owned()))
    }
}

/// A plugin that changes records on their way to a target. Exported with [`crate::export_data_filter!`].
pub trait DataFilter {
    /// The configuration of the filter. Its JSON Schema is derived from this type.
    type Configuration: DeserializeOwned + JsonSchema;

    /// What the plugin is.
    const DESCRIPTION: Description;

    /// Tests the configuration. Gives lines for the operator.
    fn check(context: &Context<Self::Configuration>) -> Result<Vec<String>, Failure> {
        let _ = context;
        Ok(Vec::new())
    }

    /// Changes one subject, or drops it. The invocation is given away so that its subject can be handed back without a
    /// copy.
    fn filter(invocation: Invocation<Self::Configuration>) -> Result<Filtered, Failure>;
}

/// In what surroundings a call is made.
#[derive(Clone, Debug)]
pub struct Context<C> {
    /// `id` of the collaboration.
    pub co: String,
    /// `id` of the provisioning target.
    pub target: String,
    /// The operator's name for the target.
    pub target_description: String,
    /// The configuration of the target, or of the filter.
    pub configuration: C,
    /// Slots that are bound; an optional one may be missing.
    pub slots: Vec<SlotBinding>,
    /// When the call was made: a timestamp of the contract.
    pub time: String,
}

impl<C> Context<C> {
    /// The binding of a slot, if the operator bound a server to it.
    pub fn slot(&self, name: &str) -> Option<&SlotBinding> {
        self.slots.iter().find(|binding| binding.slot == name)
    }
}

/// One provisioning: what to do, and for whom.
#[derive(Clone, Debug)]
pub struct Invocation<C> {
    /// Identifies the invocation; the same when it is tried again after a failure.
    pub id: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The surroundings of the call.
    pub context: Context<C>,
    /// Why the subject is provisioned. It says why; the subject says what is true now.
    pub action: Action,
    /// Whom or what it is about.
    pub subject: Subject,
    /// What the host tells beyond this version of the contract.
    pub extensions: Vec<Extension>,
}

impl<C> Invocation<C> {
    /// The JSON text of an extension, by its name.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions
            .iter()
            .find(|extension| extension.name == name)
            .map(|extension| extension.json.as_str())
    }
}

impl<C: DeserializeOwned> TryFrom<contract::Context> for Context<C> {
    type Error = Failure;

    fn try_from(context: contract::Context) -> Result<Self, Failure> {
        Ok(Self {
            configuration: configuration::parse(&context.configuration)?,
            co: context.co,
            target: context.target,
            target_description: context.target_description,
            slots: context.slots,
            time: context.time,
        })
    }
}

impl<C: DeserializeOwned> TryFrom<contract::Invocation> for Invocation<C> {
    type Error = Failure;

    fn try_from(invocation: contract::Invocation) -> Result<Self, Failure> {
        Ok(Self {
            id: invocation.id,
            attempt: invocation.attempt,
            context: invocation.context.try_into()?,
            action: invocation.action,
            subject: invocation.subject,
            extensions: invocation.extensions,
        })
    }
}
