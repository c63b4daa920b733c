//! TLS configuration of connections: by the roots of the system, or by a server's own certificate authorities.

use std::sync::{Arc, OnceLock};

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

/// A configuration that trusts the given PEM certificates only, or the roots of the system without them.
///
/// The system's roots are read once in the life of the process.
pub(super) fn client_configuration(ca_certificates: Option<&str>) -> Result<ClientConfig, String> {
    static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(pem) = ca_certificates {
        return Ok(builder()?.with_root_certificates(certificate_authorities(pem)?).with_no_client_auth());
    }
    if let Some(configuration) = SYSTEM.get() {
        return Ok(configuration.clone());
    }
    let configuration = builder()?
        .with_native_roots()
        .map_err(|error| format!("{error}; install the system's CA certificates or set `ca_certificates`"))?
        .with_no_client_auth();
    Ok(SYSTEM.get_or_init(|| configuration).clone())
}

/// As [`client_configuration`], showing a certificate of its own: the PEM chain, and its key.
pub(super) fn with_client_certificate(
    ca_certificates: Option<&str>,
    client: Option<(&str, &SecretString)>,
) -> Result<ClientConfig, String> {
    let Some((chain, key)) = client else { return client_configuration(ca_certificates) };
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| "the key of the client certificate is no PEM text with a private key".to_owned())?;
    let roots = match ca_certificates {
        Some(pem) => builder()?.with_root_certificates(certificate_authorities(pem)?),
        None => builder()?.with_native_roots().map_err(|error| error.to_string())?,
    };
    roots
        .with_client_auth_cert(certificates(chain)?, key)
        .map_err(|error| format!("the client certificate cannot be used: {error}"))
}

/// A configuration for servers without TLS: trusts nobody, and needs no certificates on the system.
pub(super) fn without_roots() -> Result<ClientConfig, String> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Reads PEM certificates. The text says what is wrong with them.
pub(super) fn certificate_authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates(pem)?) {
        roots.add(certificate).map_err(|error| format!("certificate {number} cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// The certificates of a PEM text, at least one. The text says what is wrong with them.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("holds a private key; give certificates only".to_owned());
    }
    let mut found = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem.as_bytes())) {
        found.push(certificate.map_err(|error| format!("certificate {number} is not PEM: {error}"))?);
    }
    if found.is_empty() {
        return Err("holds no certificate; give PEM text with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(found)
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

/// Names the provider, so that nothing depends on a default of the process.
fn builder() -> Result<Builder, String> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}
