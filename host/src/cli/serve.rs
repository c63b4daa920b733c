//! `provender serve`: the host with its API, until it is told to stop.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;

use super::answer::Answer;
use super::signals::stop_requested;
use crate::api;
use crate::host::Host;

pub(super) async fn run(host: &Arc<Host>) -> anyhow::Result<Answer> {
    let address = host.configuration.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set `listen` in the configuration"))?;
    host.deliver_notifications()?;
    api::serve(Arc::clone(host), listener, stop_requested()).await?;
    tracing::info!("stopping");
    Ok(Answer::nothing())
}
