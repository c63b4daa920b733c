//! Whether the invariants of a host hold: what an operator asks after a crash, and a test after an attack. Reads one
//! consistent state of the database, beside a running host, and changes nothing.
//!
//! What must hold is said here; how the database is asked, in the store.

mod compiled;
mod configuration;
mod groups;
mod monitoring;
mod provisioning;
mod registry;
mod report;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::configuration::{Configuration, SECRET_KEY_VARIABLE};
use crate::servers::secret::SecretKey;
use crate::store::{Defect, Snapshot, StoreError};

pub use report::{Check, Finding, Report, Severity};

use report::LISTED;

/// Checks the host that a configuration describes. An error means that there is nothing to be checked.
pub async fn check(configuration: &Configuration) -> anyhow::Result<Report> {
    let mut snapshot = Snapshot::open(&configuration.database_url()).await?;
    let key = secret_key(configuration)?;
    let mut checks = vec![
        finished(Check::new("database", "files, indexes and references"), async |check| {
            check.examine(1);
            snapshot.damage(LISTED).await?.into_iter().for_each(|line| check.broken(line));
            Ok(())
        })
        .await,
        finished(Check::new("schema", "migrations are those of this program"), async |check| {
            let (known, differences) = snapshot.schema_differences().await?;
            check.examine(known);
            differences.into_iter().for_each(|difference| check.broken(difference));
            Ok(())
        })
        .await,
    ];
    // Of another schema nothing else can be said.
    if checks.iter().all(|check| check.name != "schema" || check.broken == 0) {
        let kept = SignedDuration::from_hours(24 * i64::from(configuration.retention.keep_invocations_days));
        let kept_since = Timestamp::now().checked_sub(kept).unwrap_or(Timestamp::MIN);
        checks.extend(registry::checks(&mut snapshot).await);
        checks.extend(groups::checks(&mut snapshot, Timestamp::now()).await);
        checks.extend(provisioning::checks(&mut snapshot, kept_since).await);
        checks.extend(monitoring::checks(&mut snapshot, key.as_ref()).await);
        checks.extend(configuration::checks(&mut snapshot, key.as_ref()).await);
    }
    checks.push(compiled::check(&configuration.data_directory.join("compiled"), key.as_ref()));
    let database = snapshot.name();
    snapshot.close().await?;
    Ok(Report { database, checks })
}

/// Makes a check. What cannot be read is a finding.
async fn finished(
    mut check: Check,
    examine: impl AsyncFnOnce(&mut Check) -> Result<(), StoreError>,
) -> Check {
    if let Err(error) = examine(&mut check).await {
        check.broken(format!("cannot be examined: {error}"));
    }
    check
}

/// Reports the rows of a kind that should not be; `problem` goes on after their name.
async fn report(
    check: &mut Check,
    snapshot: &mut Snapshot,
    defect: Defect,
    problem: &str,
) -> Result<(), StoreError> {
    let found = snapshot.defects(defect, LISTED).await?;
    check.broken_beside(found.total.saturating_sub(found.names.len() as u64));
    found.names.into_iter().for_each(|name| check.broken(format!("{name} {problem}")));
    Ok(())
}

/// The key at hand; a check makes none.
fn secret_key(configuration: &Configuration) -> anyhow::Result<Option<SecretKey>> {
    match &configuration.secret_key {
        Some(key) => SecretKey::from_base64(key.expose_secret()).map(Some).context(SECRET_KEY_VARIABLE),
        None => Ok(SecretKey::load(&configuration.secret_key_file())?),
    }
}
