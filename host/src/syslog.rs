//! Error lines to the local syslog. Whoever reports one never waits, and a missing syslog fails nothing.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use syslog::{Facility, Formatter3164, LogFormat};

use crate::configuration::SyslogConfiguration;

/// Lines that wait for the socket; more are counted and left out.
const WAITING_LINES: usize = 1024;
/// What every syslog takes in one datagram; longer lines are cut (RFC 3164 names 1024, today's take 8 KiB and more).
const LINE_BYTES: usize = 2048;
/// How long a syslog that takes nothing holds up the next line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends error lines. Cheap to clone; the last one to go waits until what was reported is sent.
#[derive(Clone, Debug, Default)]
pub struct Syslog {
    sender: Option<Arc<Sender>>,
}

#[derive(Debug)]
struct Sender {
    lines: Mutex<Option<SyncSender<String>>>,
    left_out: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Syslog {
    /// Starts to send to the configured socket, or to nobody when it is switched off.
    pub fn open(configuration: &SyslogConfiguration) -> Self {
        if !configuration.enabled {
            return Self::default();
        }
        let (sender, lines) = sync_channel(WAITING_LINES);
        let left_out = Arc::new(AtomicU64::new(0));
        let socket = Socket::new(configuration.socket.clone());
        let counted = left_out.clone();
        let thread = std::thread::Builder::new()
            .name("syslog".to_owned())
            .spawn(move || send_all(&lines, socket, &counted));
        match thread {
            Ok(thread) => Self {
                sender: Some(Arc::new(Sender {
                    lines: Mutex::new(Some(sender)),
                    left_out,
                    thread: Mutex::new(Some(thread)),
                })),
            },
            Err(error) => {
                tracing::warn!(error = %error, "syslog is left out: no thread for it");
                Self::default()
            }
        }
    }

    /// Reports one line at LOG_ERR.
    pub fn error(&self, message: &str) {
        let Some(sender) = &self.sender else { return };
        let sent =
            locked(&sender.lines).as_ref().is_some_and(|lines| lines.try_send(one_line(message)).is_ok());
        if !sent {
            sender.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        locked(&self.lines).take();
        if let Some(thread) = locked(&self.thread).take() {
            // A thread that panicked has reported so itself.
            let _ = thread.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line of syslog has no line breaks and a bounded length.
fn one_line(message: &str) -> String {
    let kept = message.floor_char_boundary(message.len().min(LINE_BYTES));
    message.get(..kept).unwrap_or_default().replace(|letter: char| letter.is_control(), " ")
}

fn send_all(lines: &Receiver<String>, mut socket: Socket, left_out: &AtomicU64) {
    for line in lines {
        socket.send(&line);
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            tracing::warn!(lines = missing, "syslog was too slow: lines left out");
            socket.send(&format!("{missing} error lines were left out"));
        }
    }
}

struct Socket {
    path: PathBuf,
    formatter: Formatter3164,
    connected: Option<UnixDatagram>,
    /// Whether the log says already that there is no syslog.
    noted: bool,
}

impl Socket {
    fn new(path: PathBuf) -> Self {
        let formatter = Formatter3164 {
            facility: Facility::LOG_DAEMON,
            hostname: None,
            process: "provender".to_owned(),
            pid: std::process::id(),
        };
        Self { path, formatter, connected: None, noted: false }
    }

    /// Sends a line; connects anew once, since syslog may have been started again.
    fn send(&mut self, line: &str) {
        let mut datagram = Vec::new();
        if self.formatter.err(&mut datagram, line).is_err() {
            return;
        }
        let sent = self.send_datagram(&datagram).or_else(|_| {
            self.connected = None;
            self.send_datagram(&datagram)
        });
        match sent {
            Ok(()) => self.noted = false,
            Err(error) if !self.noted => {
                self.noted = true;
                tracing::warn!(socket = %self.path.display(), error = %error, "syslog cannot be reached");
            }
            Err(_) => {}
        }
    }

    fn send_datagram(&mut self, datagram: &[u8]) -> io::Result<()> {
        let socket = match &mut self.connected {
            Some(socket) => socket,
            none => none.insert(connect(&self.path)?),
        };
        socket.send(datagram).map(drop)
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(socket: &Path) -> SyslogConfiguration {
        SyslogConfiguration { enabled: true, socket: socket.to_owned() }
    }

    fn listen(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut line = [0; 4096];
        let length = socket.recv(&mut line).unwrap();
        String::from_utf8(line[..length].to_vec()).unwrap()
    }

    #[test]
    fn an_error_line_arrives_once_with_the_priority_of_an_error_of_a_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let socket = listen(&path);
        let syslog = Syslog::open(&configuration(&path));
        syslog.error("provisioning failed:\nno identifier");
        drop(syslog);
        let line = receive(&socket);
        // LOG_DAEMON is 3 * 8, LOG_ERR is 3.
        assert!(line.starts_with("<27>"), "{line}");
        let tagged = format!(" provender[{}]: provisioning failed: no identifier", std::process::id());
        assert!(line.ends_with(&tagged), "{line}");
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_missing_socket_fails_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let syslog = Syslog::open(&configuration(&directory.path().join("missing")));
        syslog.error("one");
        syslog.error("two");
    }

    #[test]
    fn a_syslog_that_was_started_again_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let first = listen(&path);
        let syslog = Syslog::open(&configuration(&path));
        syslog.error("one");
        assert!(receive(&first).ends_with("one"));
        drop(first);
        std::fs::remove_file(&path).unwrap();
        let second = listen(&path);
        syslog.error("two");
        assert!(receive(&second).ends_with("two"));
    }

    #[test]
    fn nothing_is_sent_when_it_is_switched_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let socket = listen(&path);
        socket.set_nonblocking(true).unwrap();
        let syslog = Syslog::open(&SyslogConfiguration { enabled: false, socket: path });
        syslog.error("one");
        drop(syslog);
        assert_eq!(socket.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let line = one_line(&"é".repeat(LINE_BYTES));
        assert_eq!(line.len(), LINE_BYTES);
    }
}
