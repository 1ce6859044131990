//! The file that the store is in.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;

use super::{BoxError, Store, samples};

/// An open database.
#[derive(Debug)]
pub struct Database {
    store: Store,
    _folder: Option<TemporaryFolder>,
}

impl Database {
    /// Opens a file, which is created if it is not there.
    pub fn open(file: &Path) -> Result<Self, BoxError> {
        let store = Store::new(connect(file)?);
        Ok(Self { store, _folder: None })
    }

    /// Opens a fresh file, which is removed in the end.
    pub fn temporary() -> Result<Self, BoxError> {
        let folder = TemporaryFolder::create()?;
        let store = Store::new(connect(&folder.0.join("recordings.sqlite"))?);
        Ok(Self { store, _folder: Some(folder) })
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
        _ => return Err(format!("{} is another program's database", file.display()).into()),
    }
    transaction.commit()?;
    Ok(connection)
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
            eprintln!("{} is still there: {error}", self.0.display());
        }
    }
}
