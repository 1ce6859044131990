//! Label definitions.

use rusqlite::{OptionalExtension, Result, Row};
use serde::Serialize;

use super::{Store, StoreError};

#[derive(Clone, Debug, Serialize)]
pub struct Label {
    pub name: String,
    pub description: String,
}

impl Store {
    pub async fn labels(&self) -> Result<Vec<Label>, StoreError> {
        self.run(|connection| {
            let sql = "SELECT * FROM label_definitions ORDER BY name";
            connection.prepare_cached(sql)?.query_map([], read)?.collect()
        })
        .await
    }

    pub async fn label(&self, name: &str) -> Result<Option<Label>, StoreError> {
        let name = name.to_owned();
        self.run(move |connection| {
            let sql = "SELECT * FROM label_definitions WHERE name = ?1";
            connection.prepare_cached(sql)?.query_row([name], read).optional()
        })
        .await
    }

    /// Adds a label definition; false if there is one of that name.
    pub async fn add_label(&self, label: Label) -> Result<bool, StoreError> {
        self.run(move |connection| {
            let sql = "INSERT INTO label_definitions (name, description) VALUES (?1, ?2)
                       ON CONFLICT DO NOTHING";
            Ok(connection.execute(sql, (label.name, label.description))? == 1)
        })
        .await
    }

    /// Deletes a label definition; false if there is none of that name.
    pub async fn delete_label(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.run(move |connection| {
            let sql = "DELETE FROM label_definitions WHERE name = ?1";
            Ok(connection.execute(sql, [name])? == 1)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> Result<Label> {
    Ok(Label { name: row.get("name")?, description: row.get("description")? })
}
