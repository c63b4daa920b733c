//! Whoever ends what a test started, also when the test is killed.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A process that waits for the end of its input, which comes with the end of the test at the latest, and then runs a
/// script.
pub(crate) struct Guardian(Child);

impl Guardian {
    /// What the shell is to run, with its arguments.
    pub(crate) fn running(
        script: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> anyhow::Result<Self> {
        let waiting = format!("cat > /dev/null; {script}");
        let guardian = Command::new("sh")
            .args(["-c", &waiting, "guardian"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(guardian))
    }

    /// Has it run its script now, and waits until that is done.
    pub(crate) fn relieve(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
