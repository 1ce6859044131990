//! The sample data: calls that nobody made, between numbers that are reserved for fiction.

use rusqlite::{Connection, Result};
use serde_json::json;

use crate::{media::Wav, timestamp::Timestamp};

#[derive(Clone, Copy)]
struct Call {
    id: &'static str,
    caller: &'static str,
    dialed: &'static str,
    start: Timestamp,
    /// The length of each part; each has its own media file.
    parts: &'static [u32],
    agent: &'static str,
    protected: bool,
}

/// Between two parts of a call, the caller is on hold.
const HOLD_SECONDS: i64 = 15;

const LONDON: &str = "+442079460101";
const LEEDS: &str = "+441134960102";
const BERLIN: &str = "+493023125103";
const WASHINGTON: &str = "+12025550104";
const SERVICE: &str = "5001";
const SALES: &str = "5002";

const CALLS: [Call; 12] = [
    call("call-01", LONDON, SERVICE, at(10, 16, 58, 22), &[42, 18], "nadia"),
    call("call-02", LEEDS, SERVICE, at(10, 17, 3, 5), &[95], "omar"),
    call("call-03", BERLIN, SALES, at(10, 17, 40, 51), &[31, 64], "priya"),
    call("call-04", WASHINGTON, SALES, at(11, 8, 12, 0), &[120], "nadia"),
    protected(call("call-05", LONDON, SALES, at(11, 9, 30, 47), &[75, 12], "omar")),
    call("call-06", SERVICE, LEEDS, at(11, 11, 5, 33), &[58], "nadia"),
    call("call-07", BERLIN, SERVICE, at(11, 15, 21, 9), &[203, 41], "priya"),
    call("call-08", WASHINGTON, SERVICE, at(12, 7, 59, 58), &[8], "omar"),
    protected(call("call-09", LEEDS, SALES, at(12, 10, 0, 0), &[66, 90], "priya")),
    call("call-10", SALES, BERLIN, at(12, 14, 45, 16), &[37], "omar"),
    call("call-11", LONDON, SERVICE, at(13, 9, 9, 9), &[150, 22], "nadia"),
    call("call-12", WASHINGTON, SALES, at(13, 18, 30, 1), &[49], "priya"),
];

const LABELS: [(&str, &str); 2] = [
    ("complaint", "The caller is not satisfied."),
    ("follow-up", "Someone promised to call back."),
];

const fn call(
    id: &'static str,
    caller: &'static str,
    dialed: &'static str,
    start: Timestamp,
    parts: &'static [u32],
    agent: &'static str,
) -> Call {
    Call { id, caller, dialed, start, parts, agent, protected: false }
}

const fn protected(call: Call) -> Call {
    Call { protected: true, ..call }
}

const fn at(day: i64, hour: i64, minute: i64, second: i64) -> Timestamp {
    Timestamp::utc((2015, 9, day), (hour, minute, second))
}

pub fn insert(connection: &Connection) -> Result<()> {
    for call in &CALLS {
        insert_call(connection, call)?;
    }
    for label in LABELS {
        let sql = "INSERT INTO label_definitions (name, description) VALUES (?1, ?2)";
        connection.execute(sql, label)?;
    }
    Ok(())
}

fn insert_call(connection: &Connection, call: &Call) -> Result<()> {
    let parts = times_of_parts(call);
    let stop = parts.last().map_or(call.start, |(_, stop)| *stop);
    let sql = "INSERT INTO recordings (id, caller, dialed, start_ms, stop_ms, protected)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection
        .execute(sql, (call.id, call.caller, call.dialed, call.start, stop, call.protected))?;

    let sql = "INSERT INTO media_files
                   (recording, id, path, type, size, start_ms, stop_ms, parameters)
               VALUES (?1, ?2, ?3, 'audio/wav', ?4, ?5, ?6, ?7)";
    let mut insert_media = connection.prepare_cached(sql)?;
    for (number, (start, stop)) in (1..).zip(parts) {
        let id = format!("part-{number}");
        let path = format!("/{}/{id}.wav", call.id);
        let size = Wav::of_seconds(start.seconds_until(stop)).size();
        let parameters = json!({ "agent": call.agent, "channel": "mixed" }).to_string();
        insert_media.execute((call.id, id, path, size, start, stop, parameters))?;
    }
    Ok(())
}

fn times_of_parts(call: &Call) -> Vec<(Timestamp, Timestamp)> {
    let mut start = call.start;
    let times = call.parts.iter().map(|seconds| {
        let part = (start, start.plus_seconds(i64::from(*seconds)));
        start = part.1.plus_seconds(HOLD_SECONDS);
        part
    });
    times.collect()
}
