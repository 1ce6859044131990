//! How the program ends.

use std::{error::Error, io, process::ExitCode};

use axum::Router;
use tokio::{net::TcpListener, signal, sync::oneshot};

/// Says why, and gives the exit code.
pub fn with_error(code: u8, error: &(impl Error + ?Sized)) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

/// Serves until the first signal, then until the requests in flight have finished, or until the
/// second signal.
pub async fn serve_until(
    mut signals: StopSignals,
    listener: TcpListener,
    app: Router,
) -> io::Result<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let asked_twice = async {
        signals.next().await;
        eprintln!("stopping; requests in flight finish, a second Ctrl-C ends them");
        drop(stop); // which is the message
        signals.next().await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = asked_twice => Ok(()),
    }
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
