//! What a search asks for, parsed once; a [`Search`] cannot be wrong.

use std::{fmt, fmt::Display, str::FromStr};

use tower_contract::ApiError;
use url::form_urlencoded;

use crate::{errors, recordings, timestamp::Timestamp};

/// At least one filter, and a page.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub caller: Option<PhonePattern>,
    pub dialed: Option<PhonePattern>,
    /// Recordings that start then or later.
    pub start: Option<Timestamp>,
    /// Recordings that stop then or earlier.
    pub stop: Option<Timestamp>,
    page: Option<Count<{ u32::MAX }>>,
    page_size: Option<Count<100>>,
}

impl Search {
    /// Reads the query's parameters, and tells all that are wrong at once. A name that is not known is
    /// an error too: a filter with a typing mistake would find everything.
    pub fn parse(parameters: &[(String, String)]) -> Result<Self, ApiError> {
        let mut search = Self::default();
        let mut wrong = Vec::new();
        for (name, value) in parameters {
            let read = match name.as_str() {
                "callerPhoneNumber" => set(&mut search.caller, value),
                "dialedPhoneNumber" => set(&mut search.dialed, value),
                "startTime" => set(&mut search.start, value),
                "stopTime" => set(&mut search.stop, value),
                "page" => set(&mut search.page, value),
                "pageSize" => set(&mut search.page_size, value),
                _ => Err("there is no such parameter".to_owned()),
            };
            wrong.extend(read.err().map(|reason| (name.clone(), reason)));
        }
        if let Some((name, reason)) = wrong.first() {
            // The documented words tell the first; the field errors tell each.
            let first = errors::bad_parameter(name, reason);
            let all = wrong.iter();
            return Err(all.fold(first, |error, (name, reason)| {
                error.with_field(name.clone(), "invalid", reason.clone())
            }));
        }
        search.check()
    }

    fn check(self) -> Result<Self, ApiError> {
        if self.filters().next().is_none() {
            let names = "callerPhoneNumber, dialedPhoneNumber, startTime, stopTime";
            let reason = format_args!("at least one of {names} is needed");
            return Err(errors::bad_parameter("filter", reason));
        }
        let times = self.start.zip(self.stop);
        if times.is_some_and(|(start, stop)| start > stop) {
            return Err(errors::bad_parameter("stopTime", "it is before startTime"));
        }
        Ok(self)
    }

    pub fn page(&self) -> u32 {
        self.page.map_or(1, |page| page.0)
    }

    pub fn page_size(&self) -> u32 {
        self.page_size.map_or(20, |size| size.0)
    }

    /// How many recordings the pages before this one hold.
    pub fn offset(&self) -> u64 {
        u64::from(self.page() - 1) * u64::from(self.page_size())
    }

    /// The link to the page before this one; from behind the end, to the last page.
    pub fn previous(&self, total: u32) -> Option<String> {
        let page = (self.page() - 1).min(self.last_page(total));
        (page > 0).then(|| self.link(page))
    }

    pub fn next(&self, total: u32) -> Option<String> {
        (self.page() < self.last_page(total)).then(|| self.link(self.page() + 1))
    }

    fn last_page(&self, total: u32) -> u32 {
        total.div_ceil(self.page_size())
    }

    /// The same search, for another page.
    fn link(&self, page: u32) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.filters())
            .append_pair("page", &page.to_string())
            .append_pair("pageSize", &self.page_size().to_string())
            .finish();
        format!("{}?{query}", recordings::PATH)
    }

    /// The filters that are set, as a query has them.
    fn filters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let filters = [
            ("callerPhoneNumber", written(self.caller.as_ref())),
            ("dialedPhoneNumber", written(self.dialed.as_ref())),
            ("startTime", written(self.start.as_ref())),
            ("stopTime", written(self.stop.as_ref())),
        ];
        filters.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn written<T: Display>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

/// Sets a parameter, once. No value of this API holds a space: it is a `+` that was not escaped.
fn set<T: FromStr<Err: Display>>(place: &mut Option<T>, value: &str) -> Result<(), String> {
    let parsed = value.replace(' ', "+").parse();
    match place.replace(parsed.map_err(|reason: T::Err| reason.to_string())?) {
        None => Ok(()),
        Some(_) => Err("it is given twice".to_owned()),
    }
}

/// A phone number, in which `*` stands for any digits.
#[derive(Clone, Debug)]
pub struct PhonePattern(String);

impl PhonePattern {
    /// The pattern for SQL's `GLOB`. No other character that is special there gets past the parser.
    pub fn as_glob(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhonePattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let known = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
        // E.164 has at most 15 digits; the rest is for wildcards.
        if digits.is_empty() || digits.len() > 32 || !known {
            return Err("a phone number is at most 32 digits, with a + before and * as wildcard");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PhonePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number from 1 to `MAX`.
#[derive(Clone, Copy, Debug)]
struct Count<const MAX: u32>(u32);

impl<const MAX: u32> FromStr for Count<MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        let number = number.filter(|number| (1..=MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("it is not an integer from 1 to {MAX}"))
    }
}
