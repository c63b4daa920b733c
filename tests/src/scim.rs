//! A SCIM server of its own for a test binary: `scim2-server`, in memory, from a virtual environment that `tests/run` makes.
//! Each test has a tenant of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::guardian::Guardian;
use crate::python;

/// What the server takes as a bearer token.
pub const TOKEN: &str = "s3cr3t-of-scim";

/// Stops the server.
const STOP: &str = "kill \"$1\"";
/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
static TENANTS: AtomicUsize = AtomicUsize::new(0);

struct Server {
    address: SocketAddr,
    _guardian: Guardian,
}

/// Where the server listens, and the path of a new, empty tenant. The first call starts the server.
pub fn tenant() -> anyhow::Result<(SocketAddr, String)> {
    let server = SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}")));
    let address = server.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.address;
    Ok((address, format!("/t{}", TENANTS.fetch_add(1, Ordering::Relaxed))))
}

const CHECKS: &str = include_str!("scim/checks.py");

/// What the suite for servers of SCIM (PyPI `scim2-tester`) finds at a new tenant: a line for each check.
pub fn checks() -> anyhow::Result<Vec<String>> {
    let (address, path) = tenant()?;
    let python = python::program("scim", "python3")?;
    let base_url = format!("http://{address}{path}");
    let output = Command::new(python).args(["-c", CHECKS, &base_url, TOKEN]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let program = python::program("scim", "scim2-server")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut server = Command::new(program)
            .args(["--hostname", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--bearer-token", TOKEN, "--dynamic-tenants"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let guardian = Guardian::running(STOP, [server.id().to_string()])?;
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.try_wait()? {
                bail!("scim2-server ended at its start: {status}");
            }
            ensure!(started.elapsed() < PATIENCE, "scim2-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { address, _guardian: guardian })
    }
}
