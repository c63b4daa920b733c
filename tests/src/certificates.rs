//! Certificates of an authority that exists for one test.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// What a test needs to speak TLS with a server on this machine.
pub struct Certificates {
    /// The certificate of the authority.
    pub ca: String,
    /// A certificate of a client, and its key.
    pub client: (String, String),
}

/// Makes an authority, and a certificate for a server and one for a client. The server's lies in the folder: `ca.pem`,
/// `cert.pem`, `key.pem`.
pub fn certificates(folder: &Path) -> anyhow::Result<Certificates> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let server = server.signed_by(&key, &authority)?;
    let client_key = KeyPair::generate()?;
    let mut client = CertificateParams::new(Vec::new())?;
    client.distinguished_name.push(DnType::CommonName, "provender");
    let client = client.signed_by(&client_key, &authority)?;
    std::fs::write(folder.join("ca.pem"), authority.pem())?;
    std::fs::write(folder.join("cert.pem"), server.pem())?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(Certificates { ca: authority.pem(), client: (client.pem(), client_key.serialize_pem()) })
}
