//! What this API keeps, in SQLite.
//!
//! SQLite blocks: all work goes through [`Store::run`], which does it on a thread where blocking is
//! allowed. Values are always bound, never written into SQL.

mod database;
mod labels;
mod recordings;
mod samples;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::task::spawn_blocking;
use tower_contract::ApiError;

pub use database::Database;
pub use labels::Label;
pub use recordings::{Deletion, MediaFile, Recording};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, shared: SQLite has one writer at a time anyway, and a search takes microseconds.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// The store failed. A client learns that something did, the log learns what.
#[derive(Debug)]
pub struct StoreError(rusqlite::Error);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        eprintln!("{error}");
        Self::internal()
    }
}

impl Store {
    fn new(connection: Connection) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)) }
    }

    /// Does the work on a thread of its own. It is finished even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let work = spawn_blocking(move || {
            // A panic while it was held left at most a transaction behind, which is rolled back.
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match work.await {
            Ok(result) => result.map_err(StoreError),
            // A panic stays one: the contract's layer answers it, and its hook tells of it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
