//! Times, like `2015-09-10T16:58:22.000+0000`.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment, in milliseconds since 1970; written in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// A time in UTC, for dates that are known to exist.
    pub const fn utc(date: (i64, i64, i64), time: (i64, i64, i64)) -> Self {
        let days = days_since_1970(date.0, date.1, date.2);
        Self(days * DAY + time.0 * HOUR + time.1 * MINUTE + time.2 * SECOND)
    }

    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0 + seconds * SECOND)
    }

    /// Whole seconds; 0 if `later` is not.
    pub fn seconds_until(self, later: Self) -> u32 {
        u32::try_from(later.0.saturating_sub(self.0) / SECOND).unwrap_or_default()
    }
}

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or("a time is written like 2015-09-10T16:58:22.000+0000")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, time) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        let (hour, minute) = (time / HOUR, time % HOUR / MINUTE);
        let (second, millisecond) = (time % MINUTE / SECOND, time % SECOND);
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        write!(f, "T{hour:02}:{minute:02}:{second:02}.{millisecond:03}+0000")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The shape is fixed, so that each number has its place.
const SHAPE: &str = "0000-00-00T00:00:00.000+0000";

fn parse(text: &str) -> Option<Timestamp> {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'+' => byte == b'+' || byte == b'-',
        _ => byte == shape,
    };
    if text.len() != SHAPE.len() || !text.bytes().zip(SHAPE.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, digits: usize, most: i64| -> Option<i64> {
        text.get(from..from + digits)?.parse().ok().filter(|number| *number <= most)
    };
    let (year, month, day) = (number(0, 4, 2999)?, number(5, 2, 12)?, number(8, 2, 31)?);
    let days = days_since_1970(year, month, day);
    // A day that does not exist, such as 30 February, comes back as another one.
    if year < 1970 || date_of(days) != (year, month, day) {
        return None;
    }
    let time = number(11, 2, 23)? * HOUR + number(14, 2, 59)? * MINUTE;
    let time = time + number(17, 2, 59)? * SECOND + number(20, 3, 999)?;
    let offset = number(24, 2, 23)? * HOUR + number(26, 2, 59)? * MINUTE;
    let offset = if text.contains('+') { offset } else { -offset };
    Some(Timestamp(days * DAY + time - offset))
}

// The two conversions are Howard Hinnant's: years begin in March and are counted in eras of 400.

const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}
