//! Certificates of an authority that exists for one test.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// What a test needs to speak TLS with a server on this machine.
pub struct Certificates {
    /// The certificate of the authority.
    pub ca: String,
    /// A certificate of the client `provender`, and its key.
    pub client: (String, String),
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// The name by which a server shows the certificate that has expired, where it has one for each name.
pub const EXPIRED: &str = "expired.example";

/// Makes an authority, and certificates for a server and a client. They lie in the folder: `ca.pem`; `cert.pem`, and
/// `expired.pem` of the same server, with `key.pem`; `client.pem` with `client-key.pem`.
pub fn certificates(folder: &Path) -> anyhow::Result<Certificates> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["127.0.0.1", "localhost", EXPIRED].map(str::to_owned))?;
    let mut expired = server.clone();
    expired.not_after = date_time_ymd(2001, 1, 1);
    let (server, expired) = (server.signed_by(&key, &authority)?, expired.signed_by(&key, &authority)?);
    let client = client(&authority, "provender")?;
    for (name, text) in [
        ("ca.pem", &authority.pem()),
        ("cert.pem", &server.pem()),
        ("expired.pem", &expired.pem()),
        ("key.pem", &key.serialize_pem()),
        ("client.pem", &client.0),
        ("client-key.pem", &client.1),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(Certificates { ca: authority.pem(), client, authority })
}

impl Certificates {
    /// A certificate of a client of another name, and its key.
    pub fn client_named(&self, name: &str) -> (String, String) {
        client(&self.authority, name).expect("a certificate")
    }
}

fn client(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
