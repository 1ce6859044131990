//! What this API keeps, in SQLite.
//!
//! SQLite blocks: all work goes through [`Store::run`], which does it on a thread where blocking is
//! allowed. Values are always bound, never written into SQL.

mod database;
mod labels;
mod recordings;
mod samples;

use std::{fmt, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode};
use tokio::{
    sync::{Mutex, Semaphore},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tower_contract::ApiError;

use self::database::DatabaseFile;

pub use database::Database;
pub use labels::Label;
pub use recordings::{Deletion, MediaFile, Recording};

/// So many requests wait for the store at most; one more is refused at once.
const QUEUE: usize = 64;

/// SQLite asks after so many of its instructions whether it should go on.
const INSTRUCTIONS: i32 = 10_000;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, shared: SQLite has one writer at a time anyway, and a search takes microseconds.
/// Requests wait for it without a thread; only the one whose turn it is has one.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    queue: Arc<Semaphore>,
    file: Arc<DatabaseFile>,
    limit: Duration,
}

/// The store failed. A client learns that something did, the log learns what.
#[derive(Debug)]
pub enum StoreError {
    Database(rusqlite::Error),
    /// The file that is open is not the one at its path any more: what is written is lost.
    FileIsGone {
        /// Whether the log knows it already.
        is_known: bool,
    },
    QueueIsFull,
    Late,
}

impl StoreError {
    /// Whether the request is right, and only the database does not serve it now.
    fn is_outage(&self) -> bool {
        let Self::Database(error) = self else {
            return true;
        };
        matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::CannotOpen
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
            )
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "store: {error}"),
            Self::FileIsGone { .. } => {
                f.write_str("store: the database file was deleted or replaced; start again")
            }
            Self::QueueIsFull => write!(f, "store: {QUEUE} requests wait already"),
            Self::Late => f.write_str("store: the requests before take too long"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let told = if error.is_outage() { Self::unavailable() } else { Self::internal() };
        match error {
            StoreError::FileIsGone { is_known: true } => told,
            error => told.with_source(error),
        }
    }
}

impl Store {
    fn new(connection: Connection, file: DatabaseFile, limit: Duration) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            file: Arc::new(file),
            limit,
        }
    }

    /// Does the work on a thread of its own, within the limit. Work that has begun ends by then even
    /// if nobody waits for it any more: it stops waiting for a lock, and a search is interrupted.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(_place) = self.queue.try_acquire() else {
            return Err(StoreError::QueueIsFull);
        };
        let deadline = Instant::now() + self.limit;
        let connection = timeout_at(deadline, Arc::clone(&self.connection).lock_owned()).await;
        let connection = connection.map_err(|_| StoreError::Late)?;
        let file = Arc::clone(&self.file);
        let work = spawn_blocking(move || {
            file.check()?;
            within(deadline, &connection)
                .and_then(|()| work(&connection))
                .map_err(StoreError::Database)
        });
        match work.await {
            Ok(result) => result,
            // A panic stays one: the contract's layer answers it, and its hook tells of it. It left at
            // most a transaction behind, which is rolled back.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Ends what the connection does next at the deadline.
fn within(deadline: Instant, connection: &Connection) -> rusqlite::Result<()> {
    let is_over = move || Instant::now() >= deadline;
    connection.progress_handler(INSTRUCTIONS, Some(is_over));
    connection.busy_timeout(deadline.saturating_duration_since(Instant::now()))
}
