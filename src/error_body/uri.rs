//! The `uri` member: what a client may see of the URI that it asked for.

use crate::{error_body::public_url::PublicUrl, request_head::RequestHead, uri_text::UriText};

/// How requests' URIs are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct UriRule {
    pub(super) public_url: Option<PublicUrl>,
    /// Keys of the query that are shown with their values; `None`: the query is dropped.
    pub(super) keep_query: Option<Vec<String>>,
}

impl UriRule {
    pub(super) fn show(&self, head: &RequestHead) -> UriText {
        let mut uri = UriText::new();
        if let Some(public_url) = &self.public_url {
            let (origin, prefix) = public_url.origin_and_path();
            uri.push_origin(origin);
            uri.push_encoded(prefix);
        }
        match (&self.public_url, head.path()) {
            // The asterisk form asks about the server itself.
            (Some(_), "*") => {}
            (Some(_), path) => uri.push_encoded(path),
            (None, path) => {
                if path.starts_with("//") {
                    // Alone it would read as a host (RFC 3986, 4.2).
                    uri.push_encoded("/.");
                }
                uri.push_encoded(path);
            }
        }
        if let (Some(keep), Some(query)) = (&self.keep_query, head.query()) {
            push_query(&mut uri, query, keep);
        }
        uri
    }
}

/// Appends the query with the values of all but the kept keys masked.
fn push_query(uri: &mut UriText, query: &str, keep: &[String]) {
    for (index, pair) in query.split('&').enumerate() {
        uri.push_encoded(if index == 0 { "?" } else { "&" });
        match pair.split_once('=') {
            Some((key, _)) if keep.iter().any(|kept| kept == key) => uri.push_encoded(pair),
            Some((key, _)) => {
                uri.push_encoded(key);
                uri.push_encoded("=***");
            }
            // A lone word is shown only if it is a kept key: it may be a token itself.
            None if keep.iter().any(|kept| kept == pair) => uri.push_encoded(pair),
            None => uri.push_encoded("***"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[track_caller]
    fn shown(rule: &UriRule, target: &str) -> String {
        let request = Request::builder().uri(target).body(()).unwrap();
        rule.show(&RequestHead::of(&request)).as_str().to_owned()
    }

    #[test]
    fn without_a_public_url_the_path_alone_is_shown() {
        let rule = UriRule::default();
        for (target, expected) in [
            ("/x?token=s", "/x"),
            ("//evil.example/x", "/.//evil.example/x"),
            ("http://u:p@evil.example/x?y", "/x"),
            ("http://evil.example", "/"),
            ("*", "*"),
            ("example.com:443", "/"),
        ] {
            assert_eq!(shown(&rule, target), expected, "{target}");
        }
    }

    #[test]
    fn a_public_url_is_put_before_the_path() {
        let public_url = "https://api.example.com:8443/v1//".parse().ok();
        let rule = UriRule { public_url, keep_query: None };
        for (target, expected) in [
            ("/x?token=s", "https://api.example.com:8443/v1/x"),
            ("//x", "https://api.example.com:8443/v1//x"),
            ("/../x", "https://api.example.com:8443/v1/../x"),
            ("*", "https://api.example.com:8443/v1"),
            ("example.com:443", "https://api.example.com:8443/v1/"),
        ] {
            assert_eq!(shown(&rule, target), expected, "{target}");
        }
    }

    #[test]
    fn an_ip_literal_keeps_its_brackets_and_a_prefix_is_encoded() {
        for (url, expected) in [
            ("http://[::1]:8080", "http://[::1]:8080/x"),
            ("http://[::1]/a|[b]/", "http://[::1]/a%7C%5Bb%5D/x"),
        ] {
            let rule = UriRule { public_url: url.parse().ok(), keep_query: None };
            assert_eq!(shown(&rule, "/x"), expected);
        }
    }

    #[test]
    fn only_the_kept_values_of_a_query_are_shown() {
        let keep = |keys: &[&str]| UriRule {
            public_url: None,
            keep_query: Some(keys.iter().map(ToString::to_string).collect()),
        };
        let page = keep(&["page"]);
        assert_eq!(shown(&page, "/x?token=s&page=2"), "/x?token=***&page=2");
        assert_eq!(shown(&page, "/x?page"), "/x?page");
        assert_eq!(shown(&page, "/x?secret&=v&page=%22&a=b=c"), "/x?***&=***&page=%22&a=***");
        assert_eq!(shown(&keep(&[]), "/x?page=2"), "/x?page=***");
        assert_eq!(shown(&page, "/x"), "/x");
    }
}
