//! Ctrl-C and, where there is one, SIGTERM.

use std::io;

use tokio::signal;

/// The signals that stop the program. They are caught from [`listen`](Self::listen) on.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(windows)]
    interrupt: signal::windows::CtrlC,
}

#[cfg(unix)]
impl StopSignals {
    pub fn listen() -> io::Result<Self> {
        use signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
impl StopSignals {
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal::windows::ctrl_c()? })
    }

    pub async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
