//! Provender: an identity-provisioning host.
