//! What a team adds to an error: members, field errors, header lines and the source.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::Value;

use crate::api_error::{
    ApiError, FieldError, fields::FieldErrors, header_lines::HeaderLines, members::Members,
    source::Source,
};

/// What most errors have nothing of.
#[derive(Clone, Debug, Default)]
pub(super) struct Additions {
    members: Members,
    fields: FieldErrors,
    header_lines: HeaderLines,
    source: Option<Source>,
}

/// What was added to an error and is not sent, because it passed a limit or is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    members: bool,
    fields: usize,
    header_lines: usize,
}

impl ApiError {
    /// Adds a member of the body, after the members that every error has.
    ///
    /// Members stand in the order in which they were first given; of a name that is given twice the
    /// last value counts. Names that the format writes itself, such as `code`, are left out. In
    /// strings of the value, each run of control characters, bidi controls and spaces becomes one
    /// space; nothing of them is cut.
    ///
    /// All members together have at most 16 KiB of JSON, nested at most 128 deep. Past that all of
    /// them are left out, and the event of the error says so.
    ///
    /// ```
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::conflict().with_member("reason", "SOLD_OUT").with_member("left", 0);
    /// assert_eq!(error.member("reason").unwrap(), "SOLD_OUT");
    /// assert!(error.members().map(|(name, _)| name).eq(["reason", "left"]));
    /// ```
    pub fn with_member(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        self.additions_mut().members.insert(name.into(), value.into());
        self
    }

    /// Adds what is wrong with one field of the request: an entry of the member `errors`.
    ///
    /// `field` is the path of the field, `code` a word for programs, `message` a sentence for
    /// people, without the value that was refused. At most 100 entries with 16 KiB of JSON are
    /// sent; from the first that does not fit, the others are left out, and the event of the error
    /// says how many. Field errors win over a member of the name `errors`.
    ///
    /// ```
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::unprocessable()
    ///     .with_field("items[3].price", "range", "A price is not negative.");
    /// assert_eq!(error.fields()[0].field, "items[3].price");
    /// ```
    pub fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (field, code, message) = (field.into(), code.into(), message.into());
        self.additions_mut().fields.push(FieldError { field, code, message });
        self
    }

    /// Adds a header line to the response. A name may be given several times.
    ///
    /// At most 32 lines with 8 KiB of names and values are sent. Left out are lines past that; a
    /// name or value that does not parse; `content-type`, `content-length`, `content-encoding`,
    /// `transfer-encoding`, `connection`, `keep-alive`, `upgrade`, `te`, `trailer` and `date`, and
    /// every `access-control-*` and `grpc-*`, which others write. The event of the error says how
    /// many.
    ///
    /// ```
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::method_not_allowed()
    ///     .with_header("allow", "GET, HEAD")
    ///     .with_header("content-length", "7");
    /// let response: http::Response<String> = error.into_http();
    /// assert_eq!(response.headers()["allow"], "GET, HEAD");
    /// assert!(!response.headers().contains_key("content-length"));
    /// ```
    pub fn with_header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        let line = name.try_into().ok().zip(value.try_into().ok());
        self.additions_mut().header_lines.push(line);
        self
    }

    /// Says when the client may come back: `Retry-After`, in whole seconds, rounded up, at least 1.
    ///
    /// It replaces one that was there. A page reads it where the CORS policy exposes it:
    /// `expose_headers(["Retry-After"])`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::too_many_requests().with_retry_after(Duration::from_millis(1500));
    /// let response: http::Response<String> = error.into_http();
    /// assert_eq!(response.headers()["retry-after"], "2");
    /// ```
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        let seconds = after.as_secs().saturating_add((after.subsec_nanos() > 0).into()).max(1);
        self.additions_mut().header_lines.remove(&RETRY_AFTER);
        self.with_header(RETRY_AFTER, seconds)
    }

    /// Adds a challenge: a `WWW-Authenticate` line, which every 401 has to have (RFC 9110, 15.5.2).
    ///
    /// ```
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::unauthorized().with_challenge("Bearer realm=\"recordings\"");
    /// let response: http::Response<String> = error.into_http();
    /// assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"recordings\"");
    /// ```
    pub fn with_challenge(self, challenge: impl TryInto<HeaderValue>) -> Self {
        self.with_header(WWW_AUTHENTICATE, challenge)
    }

    /// Sets why it happened, for hooks and events. It is never sent.
    ///
    /// It is the [`source`](Error::source) of this error. Comparing two errors ignores it.
    ///
    /// ```
    /// use std::{error::Error, io};
    ///
    /// use tower_contract::ApiError;
    ///
    /// let error = ApiError::internal().with_source(io::Error::other("disk 7 is gone"));
    /// assert_eq!(error.source().unwrap().to_string(), "disk 7 is gone");
    /// assert_eq!(error, ApiError::internal());
    /// ```
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.additions_mut().source = Some(Source::new(source.into()));
        self
    }

    /// The value of a member that was added.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The members that were added, in the order in which they are sent.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value)> + Clone {
        self.own_members().into_iter().flat_map(Members::iter)
    }

    /// The field errors that were added, in the order in which they are sent.
    pub fn fields(&self) -> &[FieldError] {
        self.additions().map_or(&[], |additions| additions.fields.as_slice())
    }

    /// The header lines that were added, in the order in which they are sent.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &HeaderValue)> {
        self.header_lines().iter().map(|(name, value)| (name, value))
    }

    /// The members, where some were added.
    pub(crate) fn own_members(&self) -> Option<&Members> {
        self.additions().map(|additions| &additions.members)
    }

    /// Appends the header lines of this error to a head.
    pub(crate) fn append_headers(&self, headers: &mut HeaderMap) {
        if let Some(additions) = self.additions() {
            additions.header_lines.append_to(headers);
        }
    }

    /// What was added and is not sent, if anything is.
    pub(crate) fn left_out(&self) -> Option<LeftOut> {
        let Additions { members, fields, header_lines, .. } = self.additions()?;
        let left_out = LeftOut {
            members: members.is_too_large(),
            fields: fields.left_out(),
            header_lines: header_lines.left_out(),
        };
        (left_out != LeftOut::default()).then_some(left_out)
    }

    pub(super) fn own_source(&self) -> Option<&(dyn Error + 'static)> {
        self.additions()?.source.as_ref()?.error()
    }

    /// Whether what is sent of the additions of both errors is the same.
    pub(super) fn adds_the_same_as(&self, other: &Self) -> bool {
        self.members().eq(other.members())
            && self.fields() == other.fields()
            && self.header_lines() == other.header_lines()
    }

    fn header_lines(&self) -> &[(HeaderName, HeaderValue)] {
        self.additions().map_or(&[], |additions| additions.header_lines.as_slice())
    }

    fn additions(&self) -> Option<&Additions> {
        self.additions.as_deref()
    }

    fn additions_mut(&mut self) -> &mut Additions {
        Arc::make_mut(self.additions.get_or_insert_default())
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |n: usize, what: &str| {
            (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }))
        };
        let parts = [
            self.members.then(|| "all members".to_owned()),
            counted(self.fields, "field error"),
            counted(self.header_lines, "header line"),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use http::Response;

    use super::*;
    use crate::api_error::Cause;

    #[test]
    fn the_value_is_one_word_larger_than_its_five_texts_and_numbers() {
        assert_eq!(size_of::<ApiError>(), 56 + size_of::<usize>());
    }

    #[test]
    fn errors_that_send_the_same_are_equal_and_a_difference_in_what_is_sent_is_one() {
        let error = ApiError::internal;
        assert_eq!(error(), error().with_source("why"));
        assert_eq!(error().with_source("why"), error().with_source("because"));
        let different = [
            error(),
            error().with_member("a", 1),
            error().with_member("a", 2),
            error().with_field("a", "b", "c"),
            error().with_header("a", "b"),
            error().with_retry_after(Duration::ZERO),
            error().with_code(1),
            error().with_cause(Cause::Panic),
        ];
        for (n, one) in different.iter().enumerate() {
            for (m, other) in different.iter().enumerate() {
                assert_eq!(one == other, n == m, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_clone_keeps_what_it_has_when_the_other_adds_more() {
        let error = ApiError::conflict().with_member("a", 1).with_source("why");
        let more = error.clone().with_member("a", 2).with_header("b", "c");
        assert_eq!(error.member("a").unwrap(), 1);
        assert_eq!((error.headers().len(), more.headers().len()), (0, 1));
        assert_eq!(Error::source(&more).unwrap().to_string(), "why");
    }

    #[test]
    fn header_lines_are_on_the_response_in_the_order_given() {
        let error = ApiError::unauthorized()
            .with_challenge("Bearer")
            .with_header("x-b", "1")
            .with_challenge("Basic realm=\"a\"");
        let response: Response<()> = error.into_http();
        let lines = response.headers().get_all("www-authenticate");
        assert!(lines.iter().eq(["Bearer", "Basic realm=\"a\""]));
        assert_eq!(response.headers()["x-b"], "1");
    }

    #[test]
    fn retry_after_is_rounded_up_and_stands_once() {
        for (after, seconds) in [
            (Duration::ZERO, "1"),
            (Duration::from_nanos(1), "1"),
            (Duration::from_secs(7), "7"),
            (Duration::from_millis(7001), "8"),
            (Duration::MAX, "18446744073709551615"),
        ] {
            let error = ApiError::unavailable().with_retry_after(Duration::from_secs(99));
            let response: Response<()> = error.with_retry_after(after).into_http();
            assert!(response.headers().get_all("retry-after").iter().eq([seconds]), "{after:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted_and_told_in_words() {
        assert_eq!(ApiError::internal().left_out(), None);
        assert_eq!(ApiError::internal().with_source(io::Error::other("a")).left_out(), None);
        let mut error = ApiError::internal()
            .with_member("a", "x".repeat(20_000))
            .with_header("x-a", "b\nc")
            .with_header("date", "now");
        for _ in 0..101 {
            error = error.with_field("a", "b", "c");
        }
        let left_out = error.left_out().unwrap().to_string();
        assert_eq!(left_out, "all members, 1 field error, 2 header lines");
        assert_eq!(error.members().count(), 0);
    }
}
