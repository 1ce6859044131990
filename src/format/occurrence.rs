//! One error, as its response will tell it.

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::api_error::{ApiError, Cause, FieldError, Members, text::Texts};

/// One error, as its response will tell it.
///
/// It is a small value that borrows what it tells: a format can copy it, set other texts, and hand
/// it to one of the provided formats. This one answers German readers in German:
///
/// ```
/// use http::HeaderValue;
/// use tower_contract::{EnvelopeFormat, ErrorFormat, Occurrence};
///
/// #[derive(Clone)]
/// struct InTheirLanguage;
///
/// impl InTheirLanguage {
///     fn is_german(error: &Occurrence<'_>) -> bool {
///         // The layer remembers this header where it is told to.
///         let accepted = error.header("accept-language").map(HeaderValue::as_bytes);
///         accepted.is_some_and(|languages| languages.starts_with(b"de"))
///     }
/// }
///
/// impl ErrorFormat for InTheirLanguage {
///     fn content_type(&self) -> HeaderValue {
///         EnvelopeFormat.content_type()
///     }
///
///     fn own_names(&self) -> &[&str] {
///         EnvelopeFormat.own_names()
///     }
///
///     fn content_language(&self, error: &Occurrence<'_>) -> Option<HeaderValue> {
///         Self::is_german(error).then_some(HeaderValue::from_static("de"))
///     }
///
///     fn write(&self, error: &Occurrence<'_>, out: &mut Vec<u8>) {
///         let mut told = *error;
///         if Self::is_german(error) && error.has_default_title() && error.status == 404 {
///             told.title = "Nicht gefunden";
///         }
///         EnvelopeFormat.write(&told, out);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Occurrence<'a> {
    /// The status of the response, 400..=599.
    pub status: StatusCode,
    /// The method of the request, at most 32 bytes.
    pub http_method: &'a str,
    /// A short text for this kind of error, at most 128 characters.
    pub title: &'a str,
    /// What is wrong in this case, at most 512 characters.
    pub description: &'a str,
    /// The application's code, or the status.
    pub code: u32,
    /// The request's URI as the client may see it: percent-encoded, at most 2,048 bytes.
    pub uri: &'a str,
    /// Who the error comes from. The provided formats do not tell it.
    pub cause: Cause,
    /// The request's id, 1 to 128 bytes of visible ASCII, where the layer is told to look for one.
    pub request_id: Option<&'a str>,
    /// Title and description, where they are known to stand in JSON as they are.
    pub(super) plain: (&'a str, &'a str),
    has_default_title: bool,
    has_default_description: bool,
    members: Option<&'a Members>,
    fields: &'a [FieldError],
    own_names: &'a [&'a str],
    remembered: Option<&'a HeaderMap>,
}

impl<'a> Occurrence<'a> {
    /// The status of the response at the time of the request, with the texts and the code of the
    /// status.
    pub(crate) fn new(status: StatusCode, http_method: &'a str, uri: &'a str) -> Self {
        let (title, description) = Texts::of_status(status);
        Self {
            status,
            http_method,
            title,
            description,
            code: status.as_u16().into(),
            uri,
            cause: Cause::Application,
            request_id: None,
            plain: (title, description),
            has_default_title: true,
            has_default_description: true,
            members: None,
            fields: &[],
            own_names: &[],
            remembered: None,
        }
    }

    /// Tells these texts; an empty one leaves the default.
    pub(crate) fn with_texts(mut self, texts: &'a Texts<'_>) -> Self {
        let (title, description) = (&texts.title, &texts.description);
        if !title.as_str().is_empty() {
            self.title = title.as_str();
            self.plain.0 = if title.is_plain() { self.title } else { "" };
            self.has_default_title = false;
        }
        if !description.as_str().is_empty() {
            self.description = description.as_str();
            self.plain.1 = if description.is_plain() { self.description } else { "" };
            self.has_default_description = false;
        }
        self
    }

    /// Tells the code, the cause, the members and the field errors of `error`; not its texts, which
    /// first have to be made safe.
    pub(crate) fn with_error(mut self, error: &'a ApiError) -> Self {
        self.code = error.code();
        self.cause = error.cause();
        self.members = error.own_members();
        self.fields = error.fields();
        self
    }

    /// Tells this code.
    pub(crate) fn with_code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// Tells these members.
    pub(crate) fn with_members(mut self, members: &'a Members) -> Self {
        self.members = Some(members);
        self
    }

    /// Tells this id of the request: at most 128 bytes of visible ASCII.
    pub(crate) fn with_request_id(mut self, request_id: Option<&'a str>) -> Self {
        self.request_id = request_id;
        self
    }

    /// Shows these headers of the request.
    pub(crate) fn with_remembered(mut self, headers: &'a HeaderMap) -> Self {
        self.remembered = Some(headers);
        self
    }

    /// Leaves out members that have one of `names`, which the format writes itself.
    pub(crate) fn without(mut self, names: &'a [&'a str]) -> Self {
        self.own_names = names;
        self
    }

    /// Whether there may be more to tell than the five members of the envelope.
    pub(super) fn may_add(&self) -> bool {
        self.members.is_some() || !self.fields.is_empty() || self.request_id.is_some()
    }

    /// Whether the error set no title, and this is the one of its status.
    pub fn has_default_title(&self) -> bool {
        self.has_default_title
    }

    /// Whether the error set no description, and this is the sentence of its status.
    pub fn has_default_description(&self) -> bool {
        self.has_default_description
    }

    /// The members that the error adds, in order, safe to send: at most 16 KiB of JSON.
    ///
    /// Left out are [`own_names`](crate::ErrorFormat::own_names) of the format, `errors` where
    /// there are [field errors](Self::fields), and `request_id` where the request has
    /// [one](Self#structfield.request_id).
    pub fn members(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + Clone + use<'a> {
        let own_names = self.own_names;
        let taken = [
            (!self.fields.is_empty()).then_some("errors"),
            self.request_id.is_some().then_some("request_id"),
        ];
        let members = self.members.into_iter().flat_map(Members::iter);
        members.filter(move |(name, _)| !own_names.contains(name) && !taken.contains(&Some(name)))
    }

    /// What is wrong with single fields of the request, safe to send: at most 100, with 16 KiB of
    /// JSON.
    pub fn fields(&self) -> &'a [FieldError] {
        self.fields
    }

    /// The first line of a request header that the layer was told to remember, such as
    /// `accept-language`.
    pub fn header(&self, name: &str) -> Option<&'a HeaderValue> {
        self.remembered?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(error: &Occurrence<'_>) -> Vec<String> {
        error.members().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn members_that_the_format_or_the_layer_writes_are_left_out() {
        let given = ["a", "code", "errors", "request_id", "b"];
        let given = given.into_iter().fold(ApiError::conflict(), |e, name| e.with_member(name, 1));
        let error = Occurrence::new(given.status(), "GET", "/").with_error(&given);
        assert_eq!(names(&error), ["a", "code", "errors", "request_id", "b"]);
        let error = error.without(&["code"]).with_request_id(Some("7"));
        assert_eq!(names(&error), ["a", "errors", "b"]);
        let others = ApiError::gone().with_member("c", 1);
        assert_eq!(names(&error.with_members(others.own_members().unwrap())), ["c"]);
        let with_fields = given.clone().with_field("f", "c", "m");
        assert_eq!(names(&error.with_error(&with_fields)), ["a", "b"]);
    }

    #[test]
    fn an_empty_text_is_the_default_and_known_as_such() {
        let error = Occurrence::new(StatusCode::NOT_FOUND, "GET", "/");
        let texts = Texts::of("", " why\n");
        let told = error.with_texts(&texts);
        assert_eq!((told.title, told.description), ("Not Found", "why"));
        assert!(told.has_default_title() && !told.has_default_description());
    }

    #[test]
    fn a_header_is_found_where_it_is_remembered() {
        let headers = [("accept-language", "de")].map(|(name, value)| {
            (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_static(value))
        });
        let headers = HeaderMap::from_iter(headers);
        let error = Occurrence::new(StatusCode::NOT_FOUND, "GET", "/");
        assert_eq!(error.header("accept-language"), None);
        let error = error.with_remembered(&headers);
        assert_eq!(error.header("Accept-Language").unwrap(), "de");
    }
}
