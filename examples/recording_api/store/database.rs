//! The file that the store is in.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;

use super::{BoxError, Store, StoreError, samples};

/// An open database.
#[derive(Debug)]
pub struct Database {
    store: Store,
    _folder: Option<TemporaryFolder>,
}

impl Database {
    /// Opens a file, which is created if it is not there. No work on it takes longer than `limit`.
    pub fn open(file: &Path, limit: Duration) -> Result<Self, BoxError> {
        let opened = || -> Result<Store, BoxError> {
            let connection = connect(file)?;
            Ok(Store::new(connection, DatabaseFile::at(file)?, limit))
        };
        let store = opened().map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { store, _folder: None })
    }

    /// Opens a fresh file, which is removed in the end.
    pub fn temporary(limit: Duration) -> Result<Self, BoxError> {
        let folder = TemporaryFolder::create()?;
        let database = Self::open(&folder.0.join("recordings.sqlite"), limit)?;
        Ok(Self { _folder: Some(folder), ..database })
    }

    pub fn store(&self) -> Store {
        self.store.clone()
    }
}

/// A new database gets the tables and the sample recordings, all or nothing.
fn connect(file: &Path) -> Result<Connection, BoxError> {
    let mut connection = Connection::open(file)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction()?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (version, tables) {
        (0, 0) => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            samples::insert(&transaction)?;
        }
        (1, _) => {}
        _ => return Err("it is another program's database".into()),
    }
    transaction.commit()?;
    Ok(connection)
}

/// The file that is open. SQLite does not notice when it is deleted or replaced: it goes on with a
/// file that has no name any more, and that is gone when the program ends.
#[derive(Debug)]
pub struct DatabaseFile {
    path: PathBuf,
    id: FileId,
    is_known_to_be_gone: AtomicBool,
}

impl DatabaseFile {
    fn at(path: &Path) -> io::Result<Self> {
        let id = file_id(path)?;
        Ok(Self { path: path.to_owned(), id, is_known_to_be_gone: AtomicBool::new(false) })
    }

    /// An error if another file is at the path now, or none.
    pub fn check(&self) -> Result<(), StoreError> {
        if file_id(&self.path).is_ok_and(|id| id == self.id) {
            return Ok(());
        }
        let is_known = self.is_known_to_be_gone.swap(true, Ordering::Relaxed);
        Err(StoreError::FileIsGone { is_known })
    }
}

/// What makes a file the same one, whatever its name: its device and its number there.
#[cfg(unix)]
type FileId = (u64, u64);
#[cfg(not(unix))]
type FileId = Option<SystemTime>;

#[cfg(unix)]
fn file_id(path: &Path) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> io::Result<FileId> {
    Ok(fs::metadata(path)?.created().ok())
}

/// A folder of our own in the system's temporary folder; it and what is in it go when it is dropped.
#[derive(Debug)]
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = env::temp_dir().join(format!("recording_api-{}-{now}", process::id()));
        // Fails if something of that name is there: what is removed later is ours.
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is still there: {error}", self.0.display());
        }
    }
}
