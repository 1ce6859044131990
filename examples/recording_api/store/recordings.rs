//! Recordings and their media files.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{
    Connection, OptionalExtension, Result, Row, named_params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use super::{Store, StoreError};
use crate::{
    search::{PhonePattern, Search},
    timestamp::Timestamp,
};

#[derive(Debug)]
pub struct Recording {
    pub id: String,
    pub caller: String,
    pub dialed: String,
    pub start: Timestamp,
    pub stop: Timestamp,
    pub media_files: Vec<MediaFile>,
}

#[derive(Debug)]
pub struct MediaFile {
    pub id: String,
    /// Where it is in the media store.
    pub path: String,
    pub media_type: String,
    pub size: u64,
    pub start: Timestamp,
    pub stop: Timestamp,
    pub parameters: BTreeMap<String, String>,
}

/// One page of what a search found, and how much there is on all pages.
#[derive(Debug)]
pub struct Found {
    pub page: Vec<Recording>,
    pub total: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Deletion {
    Done,
    Protected,
    NotFound,
}

impl Store {
    pub async fn search(&self, search: Search) -> Result<Found, StoreError> {
        self.run(move |connection| find(connection, &search)).await
    }

    pub async fn recording(&self, id: &str) -> Result<Option<Recording>, StoreError> {
        let id = id.to_owned();
        self.run(move |connection| {
            let sql = "SELECT * FROM recordings WHERE id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let recording = statement.query_row([id], read_recording).optional()?;
            recording.map(|recording| with_media_files(connection, recording)).transpose()
        })
        .await
    }

    /// Protects a recording from deletion, or no longer; false if there is no such recording.
    pub async fn protect(&self, id: &str, protect: bool) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.run(move |connection| {
            let sql = "UPDATE recordings SET protected = ?2 WHERE id = ?1";
            Ok(connection.execute(sql, (id, protect))? == 1)
        })
        .await
    }

    /// Deletes a recording and its media files' entries, unless it is protected.
    pub async fn delete(&self, id: &str) -> Result<Deletion, StoreError> {
        let id = id.to_owned();
        self.run(move |connection| {
            let sql = "DELETE FROM recordings WHERE id = ?1 AND NOT protected";
            if connection.execute(sql, [&id])? == 1 {
                return Ok(Deletion::Done);
            }
            let sql = "SELECT EXISTS (SELECT 1 FROM recordings WHERE id = ?1)";
            let exists = connection.query_row(sql, [&id], |row| row.get(0))?;
            Ok(if exists { Deletion::Protected } else { Deletion::NotFound })
        })
        .await
    }

    /// Where a media file is in the media store.
    pub async fn media_path(
        &self,
        recording: &str,
        media: &str,
    ) -> Result<Option<String>, StoreError> {
        let ids = (recording.to_owned(), media.to_owned());
        self.run(move |connection| {
            let sql = "SELECT path FROM media_files WHERE recording = ?1 AND id = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row(ids, |row| row.get("path")).optional()
        })
        .await
    }

    /// The length in seconds of each media file, by its path in the media store.
    pub async fn media_lengths(&self) -> Result<HashMap<String, u32>, StoreError> {
        self.run(|connection| {
            let sql = "SELECT path, (stop_ms - start_ms) / 1000 FROM media_files";
            let mut statement = connection.prepare(sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }
}

// ===== SQL =====

fn find(connection: &Connection, search: &Search) -> Result<Found> {
    let filters = "FROM recordings
        WHERE (:caller IS NULL OR caller GLOB :caller)
          AND (:dialed IS NULL OR dialed GLOB :dialed)
          AND (:start IS NULL OR start_ms >= :start)
          AND (:stop IS NULL OR stop_ms <= :stop)";
    let total = format!("SELECT count(*) {filters}");
    let page = format!("SELECT * {filters} ORDER BY start_ms, id LIMIT :limit OFFSET :offset");

    let (caller, dialed) = (&search.caller, &search.dialed);
    let (start, stop) = (search.start, search.stop);
    let filters =
        named_params! { ":caller": caller, ":dialed": dialed, ":start": start, ":stop": stop };
    let total = connection.prepare_cached(&total)?.query_row(filters, |row| row.get(0))?;

    let pages = named_params! { ":limit": search.page_size(), ":offset": search.offset() };
    let parameters = [filters, pages].concat();
    let mut statement = connection.prepare_cached(&page)?;
    let recordings = statement.query_map(parameters.as_slice(), read_recording)?;
    let page = recordings.map(|recording| with_media_files(connection, recording?));
    Ok(Found { page: page.collect::<Result<_>>()?, total })
}

fn read_recording(row: &Row<'_>) -> Result<Recording> {
    Ok(Recording {
        id: row.get("id")?,
        caller: row.get("caller")?,
        dialed: row.get("dialed")?,
        start: row.get("start_ms")?,
        stop: row.get("stop_ms")?,
        media_files: Vec::new(),
    })
}

fn with_media_files(connection: &Connection, mut recording: Recording) -> Result<Recording> {
    let sql = "SELECT * FROM media_files WHERE recording = ?1 ORDER BY start_ms, id";
    let mut statement = connection.prepare_cached(sql)?;
    let files = statement.query_map([&recording.id], read_media_file)?;
    recording.media_files = files.collect::<Result<_>>()?;
    Ok(recording)
}

fn read_media_file(row: &Row<'_>) -> Result<MediaFile> {
    let Parameters(parameters) = row.get("parameters")?;
    Ok(MediaFile {
        id: row.get("id")?,
        path: row.get("path")?,
        media_type: row.get("type")?,
        size: row.get("size")?,
        start: row.get("start_ms")?,
        stop: row.get("stop_ms")?,
        parameters,
    })
}

/// A column of JSON.
struct Parameters(BTreeMap<String, String>);

impl FromSql for Parameters {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parameters = serde_json::from_str(value.as_str()?);
        parameters.map(Self).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_milliseconds)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.milliseconds().into())
    }
}

impl ToSql for PhonePattern {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.as_glob().into())
    }
}
