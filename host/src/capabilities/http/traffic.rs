//! What the requests of one call may hold of the host together: a plugin may begin many before it waits for any.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime_wasi_http::Error;

use super::Body;
use crate::sandbox::{Gate, LimitName};
use crate::servers::http::InFlight;

/// Requests of one call that are under way at once, each with a connection; more of them wait.
const MAX_AT_ONCE: usize = 8;

/// The requests of one call.
pub(super) struct Traffic {
    turns: Semaphore,
    /// Bytes of the bodies of all requests so far.
    collected: AtomicUsize,
    in_flight: InFlight,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(MAX_AT_ONCE),
            collected: AtomicUsize::new(0),
            in_flight: InFlight::default(),
        }
    }
}

impl Traffic {
    /// The whole body of a request, of which nothing was sent yet. Counts against the budget as the plugin writes it.
    pub(super) async fn collect(&self, mut body: Body, gate: &Gate) -> Result<Bytes, Error> {
        let limit = gate.limits().size(LimitName::BytesOut);
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            // Trailers are dropped: nobody asked for them, and they would pass unseen.
            let Ok(data) = frame.map_err(|_| Error::HttpProtocolError)?.into_data() else { continue };
            let collected = self.collected.fetch_add(data.len(), Ordering::Relaxed) + data.len();
            if collected > limit {
                gate.exceed(LimitName::BytesOut, collected as u64);
                return Err(Error::HttpRequestBodySize(None));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// Waits until the request may be sent. The semaphore is never closed.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    pub(super) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }
}
