//! TLS configuration of connections: by the roots of the system, or by a server's own certificate authorities.

use std::sync::{Arc, OnceLock};

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

/// A configuration that trusts the given PEM certificates only, or the roots of the system without them; and that shows
/// a certificate of its own, if there is one: PEM, and PEM of its key.
///
/// The system's roots are read once in the life of the process, unless there are certificates of its own.
pub(super) fn client_configuration(
    ca_certificates: Option<&str>,
    own: Option<(&str, &SecretString)>,
) -> Result<ClientConfig, String> {
    static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
    let native = |error: std::io::Error| {
        format!("{error}; install the system's CA certificates or set `ca_certificates`")
    };
    let trusting = match (ca_certificates, own, SYSTEM.get()) {
        (Some(pem), ..) => builder()?.with_root_certificates(certificate_authorities(pem)?),
        (None, None, Some(configuration)) => return Ok(configuration.clone()),
        (None, ..) => builder()?.with_native_roots().map_err(native)?,
    };
    if let Some((certificates, key)) = own {
        let (certificates, key) = (certificate_chain(certificates)?, private_key(key)?);
        return trusting
            .with_client_auth_cert(certificates, key)
            .map_err(|error| format!("client certificate and key cannot be used together: {error}"));
    }
    let configuration = trusting.with_no_client_auth();
    Ok(match ca_certificates {
        Some(_) => configuration,
        None => SYSTEM.get_or_init(|| configuration).clone(),
    })
}

/// Reads the certificate of a client, and those that lead to its authority. The text says what is wrong with them.
pub(super) fn certificate_chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("holds a private key; give it as `private_key`".to_owned());
    }
    let read = |(number, certificate): (usize, Result<_, _>)| {
        certificate.map_err(|error| format!("certificate {number} is not PEM: {error}"))
    };
    let chain: Vec<_> =
        (1..).zip(CertificateDer::pem_slice_iter(pem.as_bytes())).map(read).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err("holds no certificate; give PEM text with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(chain)
}

fn private_key(pem: &SecretString) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
        // The error itself could tell of the key.
        .map_err(|_| {
            "the key of the client certificate is not PEM of a private key without password".to_owned()
        })
}

/// A configuration for servers without TLS: trusts nobody, and needs no certificates on the system.
pub(super) fn without_roots() -> Result<ClientConfig, String> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Reads PEM certificates. The text says what is wrong with them.
pub(super) fn certificate_authorities(pem: &str) -> Result<RootCertStore, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("holds a private key; give certificates only".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem.as_bytes())) {
        let certificate = certificate.map_err(|error| format!("certificate {number} is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("certificate {number} cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("holds no certificate; give PEM text with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(roots)
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

/// Names the provider, so that nothing depends on a default of the process.
fn builder() -> Result<Builder, String> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}
