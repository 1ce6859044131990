//! How the program ends.

use std::{error::Error, io, process::ExitCode};

use tokio::{signal, sync::oneshot};

/// Says why, and gives the exit code.
pub fn with_error(code: u8, error: &(impl Error + ?Sized)) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

/// Dropping the first resolves the second.
pub fn channel() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (stopping, stopped) = oneshot::channel();
    (stopping, async {
        let _ = stopped.await;
    })
}

/// Ctrl-C and, where there is one, SIGTERM. They are caught from [`listen`](Self::listen) on.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
    #[cfg(windows)]
    interrupt: signal::windows::CtrlC,
}

impl StopSignals {
    /// Serves until the first signal, then until the calls in flight have finished, or until the
    /// second signal.
    pub async fn serve<E>(
        &mut self,
        serving: impl Future<Output = Result<(), E>>,
        stopping: oneshot::Sender<()>,
    ) -> Result<(), E> {
        let asked_twice = async {
            self.next().await;
            eprintln!("stopping; calls in flight finish, a second Ctrl-C ends them");
            drop(stopping); // which is the message
            self.next().await;
        };
        tokio::select! {
            served = serving => served,
            () = asked_twice => Ok(()),
        }
    }
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

    async fn next(&mut self) {
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

    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
