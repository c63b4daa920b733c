//! A throw-away OpenLDAP server, which ends with the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::certificates::{Certificates, certificates};
use crate::guardian::Guardian;
use crate::waiting::until;

/// Whom the host binds as.
pub const BIND_DN: &str = "cn=provender,dc=example,dc=org";
/// With this.
pub const PASSWORD: &str = "canary-of-the-directory";
/// Below this plugins may act; `ou=people` and `ou=groups` are there.
pub const BASE: &str = "ou=physics,dc=example,dc=org";

const SLAPD: &str = "/usr/sbin/slapd";

const MISSING: &str = "slapd: \"apt-get install slapd ldap-utils\" installs it";

/// How often a port is tried that somebody else may take first.
const START_ATTEMPTS: usize = 5;

/// Stops the server.
const STOP: &str = "kill -TERM \"$1\" 2> /dev/null";

const SCHEMA: &str = include_str!("slapd/schema.ldif");

/// A server with a directory of its own. Stopped when it is dropped.
pub struct Slapd {
    folder: TempDir,
    port: u16,
    tls_port: u16,
    process: Option<(Child, Guardian)>,
    /// The certificate of the authority that signed the server's.
    pub ca: String,
    /// A certificate that the server trusts, and its key.
    pub client: (String, String),
}

/// All entries by DN: attributes by name with their values, as texts.
pub type Content = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

impl Slapd {
    /// Starts a server that holds the base with two empty units.
    pub fn start() -> Self {
        Self::try_start("", "cert").expect(MISSING)
    }

    /// As [`start`](Self::start), with more lines for the configuration of the database.
    pub fn start_with(database: &str) -> Self {
        Self::try_start(database, "cert").expect(MISSING)
    }

    /// As [`start`](Self::start), with a certificate that has expired.
    pub fn start_expired() -> Self {
        Self::try_start("", "expired").expect(MISSING)
    }

    fn try_start(database: &str, certificate: &str) -> anyhow::Result<Self> {
        ensure!(Path::new(SLAPD).exists(), "the tests need slapd");
        let folder = tempfile::Builder::new().prefix("provender-slapd-").tempdir()?;
        fs::create_dir_all(folder.path().join("configuration"))?;
        fs::create_dir_all(folder.path().join("data"))?;
        let Certificates { ca, client, .. } = certificates(folder.path())?;
        slapadd(folder.path(), "0", &configuration(folder.path(), database, certificate))?;
        slapadd(folder.path(), "1", &entries())?;
        let mut server = Self { folder, port: 0, tls_port: 0, process: None, ca, client };
        for _ in 0..START_ATTEMPTS {
            server.port = free_port()?;
            server.tls_port = free_port()?;
            if server.try_resume().is_ok() {
                return Ok(server);
            }
        }
        anyhow::bail!("slapd does not start: {}", server.log())
    }

    /// Starts the server again where it was, with what it holds.
    pub fn resume(&mut self) {
        self.try_resume().unwrap_or_else(|error| panic!("{error:#}: {}", self.log()));
    }

    fn try_resume(&mut self) -> anyhow::Result<()> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let urls = format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{}", self.port, self.tls_port);
        let mut server = Command::new(SLAPD)
            .args(["-d", "0", "-h", &urls, "-F"])
            .arg(self.folder.path().join("configuration"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let guardian = Guardian::running(STOP, [server.id().to_string()])?;
        let address = self.address();
        let started = until("slapd", || match server.try_wait() {
            Ok(None) => TcpStream::connect(address).ok().map(|_| true),
            _ => Some(false),
        });
        ensure!(started, "slapd ended");
        self.process = Some((server, guardian));
        Ok(())
    }

    /// Kills the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some((mut server, mut guardian)) = self.process.take() {
            let _ = server.kill();
            let _ = server.wait();
            guardian.relieve();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where it speaks LDAP, and StartTLS.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address())
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// All that it holds at or below a DN, seen by the tools of OpenLDAP.
    pub fn content(&self, base: &str) -> Content {
        let found =
            self.tool("ldapsearch", &["-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-b", base], "");
        parse(&found)
    }

    /// Changes it behind the back of the host: LDIF as `ldapmodify` reads it.
    pub fn change(&self, ldif: &str) {
        self.tool("ldapmodify", &[], ldif);
    }

    /// Whether the directory lets somebody in with a password.
    pub fn may_bind(&self, dn: &str, password: &str) -> bool {
        let output = Command::new("ldapwhoami")
            .args(["-x", "-H", &self.url(), "-D", dn, "-w", password])
            .output()
            .expect("the tools of OpenLDAP: \"apt-get install ldap-utils\"");
        output.status.success()
    }

    fn tool(&self, program: &str, arguments: &[&str], input: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), input).expect("a file");
        let output = Command::new(program)
            .args(["-x", "-H", &self.url(), "-D", BIND_DN, "-w", PASSWORD])
            .args(arguments)
            .stdin(file.reopen().expect("a file"))
            .output()
            .expect("the tools of OpenLDAP: \"apt-get install ldap-utils\"");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("LDIF")
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn slapadd(folder: &Path, database: &str, ldif: &str) -> anyhow::Result<()> {
    let file = folder.join(format!("{database}.ldif"));
    fs::write(&file, ldif)?;
    let output = Command::new("/usr/sbin/slapadd")
        .args(["-n", database, "-F"])
        .arg(folder.join("configuration"))
        .arg("-l")
        .arg(&file)
        .output()
        .context("slapadd")?;
    ensure!(output.status.success(), "slapadd: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn configuration(folder: &Path, database: &str, certificate: &str) -> String {
    let folder = folder.display();
    // The first limits that apply are taken.
    let limits = match database.contains("olcLimits:") {
        true => String::new(),
        false => format!("olcLimits: dn.exact={BIND_DN} size=unlimited\n"),
    };
    format!(
        "dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/pid
olcAttributeOptions: lang- app- scope- role- time- type- prior- internal
olcTLSCACertificateFile: {folder}/ca.pem
olcTLSCertificateFile: {folder}/{certificate}.pem
olcTLSCertificateKeyFile: {folder}/key.pem
olcTLSVerifyClient: try
olcAuthzRegexp: \"cn=provender\" \"{BIND_DN}\"

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy
olcModuleLoad: pw-sha2

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif
include: file:///etc/ldap/schema/nis.ldif

{SCHEMA}
dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {folder}/data
olcSuffix: dc=example,dc=org
olcRootDN: cn=root,dc=example,dc=org
olcDbIndex: objectClass eq
olcDbMaxSize: 104857600
olcDbNoSync: TRUE
olcAccess: to * by dn.exact={BIND_DN} write by * auth
{limits}{database}"
    )
}

fn entries() -> String {
    format!(
        "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {BIND_DN}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: provender
userPassword: {PASSWORD}

dn: {BASE}
objectClass: organizationalUnit
ou: physics

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups
"
    )
}

fn parse(ldif: &str) -> Content {
    let mut content = Content::new();
    for entry in ldif.split("\n\n") {
        let mut lines = entry.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(value);
        let Some((_, dn)) = lines.next() else { continue };
        let attributes: &mut BTreeMap<String, BTreeSet<String>> = content.entry(dn).or_default();
        for (name, value) in lines {
            attributes.entry(name).or_default().insert(value);
        }
    }
    content
}

fn value(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let text = match value.strip_prefix(':') {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded.trim()).expect("base64");
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => value.trim_start().to_owned(),
    };
    (name.to_owned(), text)
}
