//! `provender plugin`: the catalog of plugins.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use provender_bundled_plugins::PLUGINS;

use super::answer::{Answer, Table, utc_or_dash};
use super::grants;
use crate::host::Host;
use crate::plugins::{Manifest, Slot};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Install plugins from files, or those that come with the host
    #[command(after_help = "\
Examples:
  provender plugin install --bundled
  provender plugin install directory.wasm

A file is examined first; one that is refused is not stored.")]
    Install {
        /// WebAssembly components
        #[arg(required_unless_present = "bundled")]
        files: Vec<PathBuf>,
        /// Install the plugins that come with the host
        #[arg(long, conflicts_with = "files")]
        bundled: bool,
    },
    /// List installed plugins
    List,
    /// Show what a plugin is, needs and may do
    #[command(after_help = "\
Examples:
  provender plugin inspect changelog          an installed one, by name
  provender plugin inspect changelog@0.1.0    by name and version
  provender plugin inspect 3f8a91c2           by the first digits of its digest
  provender plugin inspect ./directory.wasm   a file, which is not installed")]
    Inspect {
        /// Name, name@version, digest, or a file
        plugin: String,
    },
    /// Remove a plugin that no target and no filter uses
    Remove {
        /// Name, name@version or digest
        plugin: String,
    },
}

pub(super) async fn run(command: Command, host: &Host) -> anyhow::Result<Answer> {
    match command {
        Command::Install { files, .. } => install(files, host).await,
        Command::List => list(host).await,
        Command::Inspect { plugin } => {
            let manifest = find(&plugin, host).await?;
            Answer::new(&manifest, described(&manifest)?)
        }
        Command::Remove { plugin } => {
            let manifest = host.catalog.find(&plugin).await?;
            host.catalog.remove(&manifest.digest).await?;
            Answer::new(&manifest, format!("plugin {} removed", manifest.label()))
        }
    }
}

async fn install(files: Vec<PathBuf>, host: &Host) -> anyhow::Result<Answer> {
    let mut manifests = Vec::new();
    if files.is_empty() {
        for bundled in PLUGINS {
            manifests.push(host.catalog.install(bundled.name, bundled.wasm.to_vec()).await?);
        }
    }
    for file in &files {
        manifests.push(host.catalog.install(&file.display().to_string(), read(file).await?).await?);
    }
    let lines = manifests.iter().map(|manifest| format!("plugin {} installed\n", manifest.label()));
    Answer::new(&manifests, lines.collect::<String>())
}

async fn find(reference: &str, host: &Host) -> anyhow::Result<Manifest> {
    let file = Path::new(reference);
    if file.is_file() {
        return Ok(host.catalog.examine(reference, read(file).await?).await?);
    }
    Ok(host.catalog.find(reference).await?)
}

async fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    tokio::fs::read(file).await.with_context(|| format!("file `{}`", file.display()))
}

async fn list(host: &Host) -> anyhow::Result<Answer> {
    let manifests = host.catalog.list().await?;
    let mut table = Table::new(&["name", "version", "world", "digest", "bytes", "installed", "summary"]);
    for manifest in &manifests {
        table.row([
            manifest.name.clone(),
            manifest.version.clone(),
            manifest.world.to_string(),
            manifest.digest.chars().take(12).collect(),
            manifest.size_bytes.to_string(),
            utc_or_dash(manifest.installed),
            manifest.summary.clone(),
        ]);
    }
    Answer::new(&manifests, table.or("no plugins yet: `provender plugin install --bundled`"))
}

fn described(manifest: &Manifest) -> anyhow::Result<String> {
    let fields = Table::of_fields([
        ("name", manifest.name.clone()),
        ("version", manifest.version.clone()),
        ("summary", manifest.summary.clone()),
        ("world", format!("{} of provender:plugin@{}", manifest.world, manifest.contract)),
        ("digest", manifest.digest.clone()),
        ("size", format!("{} bytes", manifest.size_bytes)),
        ("installed", utc_or_dash(manifest.installed)),
        ("handles", manifest.subject_kinds.join(", ")),
    ]);
    let imports = grants::imports(&manifest.imports);
    let slots: Table = manifest.slots.iter().map(slot).collect();
    let schema = serde_json::to_string_pretty(&manifest.configuration_schema)?;
    let requests = grants::requests(&manifest.safe_requests, &manifest.expected_answers, "  ");
    Ok(format!(
        "{fields}\nimports:\n{imports}\nslots:\n{}{requests}\nconfiguration schema:\n{schema}\n",
        if manifest.slots.is_empty() { "  none\n".to_owned() } else { slots.to_string() }
    ))
}

fn slot(slot: &Slot) -> Vec<String> {
    let need = if slot.required { "required" } else { "optional" };
    let operations = grants::asked(&slot.operations);
    vec![format!("  {}", slot.name), slot.kind.clone(), need.to_owned(), operations, slot.summary.clone()]
}
