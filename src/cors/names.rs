//! Lists of methods and of field names: what Fetch and the contract let them hold.

use std::collections::HashSet;

use http::{HeaderValue, Method};

use crate::cors::problem::{
    CorsPolicyProblem as Problem, CorsPolicyProblemKind as Kind, CorsPolicySetting as Setting,
};

/// The methods that the contract names.
pub(super) const CONTRACT_METHODS: &str = "GET, POST, OPTIONS";

/// The request fields that the contract names.
pub(super) const CONTRACT_HEADERS: &str = "Authorization, Origin";

/// Methods with a meaning in one case only (RFC 9110, 9.3; RFC 5789). Fetch (2.2.1 "Methods")
/// writes some of them in upper case for a page, and PATCH not: `patch` is then another method.
const KNOWN_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Forbidden methods (Fetch, 2.2.1 "Methods").
const FORBIDDEN_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Forbidden request-headers (Fetch, 2.2.2 "Headers"), without `Origin`, which the contract lists,
/// and with those of Private Network Access and its successor.
const FORBIDDEN_REQUEST_FIELDS: [&str; 22] = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-local-network",
    "access-control-request-method",
    "access-control-request-private-network",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

const FORBIDDEN_REQUEST_PREFIXES: [&str; 2] = ["proxy-", "sec-"];

/// Fields that RFC 9110 gives a meaning in responses only.
const RESPONSE_FIELDS: [&str; 7] =
    ["accept-ranges", "age", "location", "retry-after", "server", "vary", "www-authenticate"];

/// Forbidden response-header names (Fetch, 2.2.2 "Headers").
const FORBIDDEN_RESPONSE_FIELDS: [&str; 2] = ["set-cookie", "set-cookie2"];

/// What one of the lists may hold.
struct ListRules {
    setting: Setting,
    may_be_empty: bool,
    /// Whether `*` is every name, as it is where credentials are not included.
    may_be_any: bool,
    /// What makes two names the same one.
    key: fn(&str) -> String,
    fault: fn(&str) -> Option<Kind>,
}

/// The methods as one line; a list is a set, what is there twice counts once.
pub(super) fn methods(methods: &[String]) -> Result<Option<HeaderValue>, Vec<Problem>> {
    const RULES: ListRules = ListRules {
        setting: Setting::AllowMethods,
        may_be_empty: false,
        may_be_any: false,
        key: str::to_owned,
        fault: method_fault,
    };
    RULES.parse(methods)
}

/// The request headers as one line; for anyone, without credentials, there may be none or `*`.
pub(super) fn request_fields(
    fields: &[String],
    for_anyone: bool,
) -> Result<Option<HeaderValue>, Vec<Problem>> {
    let rules = ListRules {
        setting: Setting::AllowHeaders,
        may_be_empty: for_anyone,
        may_be_any: for_anyone,
        key: str::to_ascii_lowercase,
        fault: request_field_fault,
    };
    rules.parse(fields)
}

/// The response headers as one line.
pub(super) fn exposed_fields(
    fields: &[String],
    for_anyone: bool,
) -> Result<Option<HeaderValue>, Vec<Problem>> {
    let rules = ListRules {
        setting: Setting::ExposeHeaders,
        may_be_empty: true,
        may_be_any: for_anyone,
        key: str::to_ascii_lowercase,
        fault: exposed_field_fault,
    };
    rules.parse(fields)
}

// ===== impl ListRules =====

impl ListRules {
    /// The list as the value of one header line, if it is not empty.
    fn parse(&self, names: &[String]) -> Result<Option<HeaderValue>, Vec<Problem>> {
        if names.is_empty() && !self.may_be_empty {
            return Err(vec![Problem::new(self.setting, Kind::Missing, "")]);
        }
        let mut seen = HashSet::new();
        let set: Vec<_> = names.iter().filter(|name| seen.insert((self.key)(name))).collect();
        let problems: Vec<_> = set.iter().filter_map(|name| self.problem(name)).collect();
        let list = set.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        match HeaderValue::from_str(&list) {
            Ok(_) if set.is_empty() => Ok(None),
            Ok(value) if problems.is_empty() => Ok(Some(value)),
            Ok(_) | Err(_) => Err(problems),
        }
    }

    fn problem(&self, name: &str) -> Option<Problem> {
        if name == "*" && self.may_be_any {
            return None;
        }
        let kind = (self.fault)(name)?;
        let problem = Problem::new(self.setting, kind, name);
        Some(problem.with_corrected(corrected(kind, name)))
    }
}

fn corrected(kind: Kind, name: &str) -> Vec<String> {
    match kind {
        Kind::Case => vec![name.to_ascii_uppercase()],
        Kind::NotAToken => {
            let items: Vec<_> = name.split(',').map(str::trim).collect();
            let are_tokens = items.iter().all(|item| is_token(item));
            items.into_iter().filter(|_| are_tokens).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

// ===== one name =====

/// RFC 9110, 5.6.2 "Tokens": what a method and a field name both are.
fn is_token(name: &str) -> bool {
    Method::from_bytes(name.as_bytes()).is_ok()
}

fn token_fault(name: &str) -> Option<Kind> {
    match name {
        "*" => Some(Kind::Wildcard),
        _ if !is_token(name) => Some(Kind::NotAToken),
        _ => None,
    }
}

fn method_fault(name: &str) -> Option<Kind> {
    if contains(&FORBIDDEN_METHODS, name) {
        Some(Kind::Forbidden)
    } else if contains(&KNOWN_METHODS, name) && !KNOWN_METHODS.contains(&name) {
        Some(Kind::Case)
    } else {
        token_fault(name)
    }
}

fn request_field_fault(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    if contains(&FORBIDDEN_REQUEST_FIELDS, name)
        || FORBIDDEN_REQUEST_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        Some(Kind::Forbidden)
    } else if lower.starts_with("access-control-") || contains(&RESPONSE_FIELDS, name) {
        Some(Kind::WrongDirection)
    } else {
        token_fault(name)
    }
}

fn exposed_field_fault(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    if contains(&FORBIDDEN_RESPONSE_FIELDS, name) {
        Some(Kind::Forbidden)
    } else if lower.starts_with("access-control-") || lower == "origin" {
        Some(Kind::WrongDirection)
    } else {
        token_fault(name)
    }
}

fn contains(names: &[&str], name: &str) -> bool {
    names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[String]) -> Result<Option<HeaderValue>, Vec<Problem>>;

    fn faults(check: Check, names: &[&str]) -> Vec<(Kind, String, String)> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let fault = |p: Problem| (p.kind(), p.value().to_owned(), p.corrected().join(" "));
        check(&names).unwrap_err().into_iter().map(fault).collect()
    }

    #[test]
    fn a_list_in_one_text_is_told_apart() {
        let expected =
            [(Kind::NotAToken, "GET, POST", "GET POST"), (Kind::NotAToken, "OPTIONS:", "")]
                .map(|(kind, value, corrected)| (kind, value.to_owned(), corrected.to_owned()));
        assert_eq!(faults(methods, &["GET, POST", "OPTIONS:"]), expected);
    }

    #[test]
    fn a_list_is_a_set_in_the_order_and_spelling_of_its_first_names() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let text = |line: Result<Option<HeaderValue>, _>| line.unwrap().unwrap();
        assert_eq!(text(methods(&list(&["PUT", "GET", "PUT"]))), "PUT, GET");
        assert_eq!(text(request_fields(&list(&["X-A", "x-a", "Origin"]), false)), "X-A, Origin");
        assert_eq!(text(exposed_fields(&list(&["ETag", "etag"]), false)), "ETag");
        assert_eq!(text(exposed_fields(&list(&["*", "ETag"]), true)), "*, ETag");
        assert_eq!(request_fields(&[], true).unwrap(), None);
        assert_eq!(exposed_fields(&[], false).unwrap(), None);
    }

    #[test]
    fn one_name_has_one_fault() {
        for (fault, name, kind) in [
            (method_fault as fn(&str) -> Option<Kind>, "PURGE", None),
            (method_fault, "purge", None),
            (method_fault, "Patch", Some(Kind::Case)),
            (method_fault, "trace", Some(Kind::Forbidden)),
            (method_fault, "*", Some(Kind::Wildcard)),
            (method_fault, "", Some(Kind::NotAToken)),
            (request_field_fault, "oRIGIN", None),
            (request_field_fault, "X-HTTP-Method-Override", None),
            (request_field_fault, "Cookie", Some(Kind::Forbidden)),
            (request_field_fault, "SEC-", Some(Kind::Forbidden)),
            (request_field_fault, "Vary", Some(Kind::WrongDirection)),
            (request_field_fault, "Access-Control-Allow-Origin", Some(Kind::WrongDirection)),
            (exposed_field_fault, "ETag", None),
            (exposed_field_fault, "Set-Cookie", Some(Kind::Forbidden)),
            (exposed_field_fault, "Authorization", None),
            (exposed_field_fault, "User-Agent", None),
            (exposed_field_fault, "ORIGIN", Some(Kind::WrongDirection)),
            (exposed_field_fault, "Access-Control-Max-Age", Some(Kind::WrongDirection)),
            (exposed_field_fault, "X Y", Some(Kind::NotAToken)),
        ] {
            assert_eq!(fault(name), kind, "{name}");
        }
    }
}
