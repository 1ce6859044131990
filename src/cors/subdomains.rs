//! Every host below one: previews, tenants, branches.

use std::{cell::Cell, collections::HashSet, ops::RangeInclusive};

use psl::Psl;

use crate::cors::{
    origin::Origin,
    patterns::{Parts, is_name},
};

/// The origins whose subdomains are admitted.
#[derive(Debug)]
pub(super) struct Subdomains {
    /// Host and port of each, as they stand behind the scheme.
    http: HashSet<Box<[u8]>>,
    https: HashSet<Box<[u8]>>,
    /// Of host and port: what is longer or shorter is not hashed.
    lengths: RangeInclusive<usize>,
}

// ===== the decision =====

impl Subdomains {
    /// Whether the host ends with a dot and one of the bases, scheme and port being the same.
    #[inline]
    pub(super) fn admit(&self, origin: Parts<'_>) -> bool {
        !self.is_empty() && self.admit_below(origin)
    }

    fn admit_below(&self, Parts { is_https, host, authority }: Parts<'_>) -> bool {
        let bases = if is_https { &self.https } else { &self.http };
        let is_base = |dot: &usize| {
            let base = authority.get(dot + 1..).unwrap_or_default();
            self.lengths.contains(&base.len()) && bases.contains(base)
        };
        let mut dots = host.iter().enumerate().filter(|(_, b)| **b == b'.').map(|(at, _)| at);
        let Some(dot) = dots.find(is_base) else {
            return false;
        };
        let base_length = host.len() - dot - 1;
        // Below the base there may be a public suffix, and below that anyone: the list grows.
        is_name(host) && psl::suffix(host).is_some_and(|own| own.as_bytes().len() < base_length)
    }
}

/// Whether all hosts below this one belong to whoever has this one.
///
/// A public suffix is everyone's (`github.io`), and so is a host below which the list has a public
/// suffix (`amazonaws.com`): the list then asks for one more label than the host has.
pub(super) fn can_be_base(origin: &Origin) -> bool {
    let Some(name) = origin.name() else {
        return false;
    };
    let asked_for_more = Cell::new(false);
    let more = std::iter::once_with(|| {
        asked_for_more.set(true);
        &b""[..]
    });
    psl::List.find(name.rsplit('.').map(str::as_bytes).chain(more));
    let is_suffix =
        psl::suffix(name.as_bytes()).is_none_or(|own| own.as_bytes().len() == name.len());
    !is_suffix && !asked_for_more.get() && is_name(name.as_bytes())
}

// ===== impl Subdomains =====

impl Subdomains {
    /// The subdomains of origins that [`can_be_base`].
    pub(super) fn of(bases: &[Origin]) -> Self {
        let mut subdomains = Self::default();
        for origin in bases {
            let text = origin.to_text();
            if let Some(Parts { is_https, authority, .. }) = Parts::of(text.as_bytes()) {
                let of_scheme = if is_https { &mut subdomains.https } else { &mut subdomains.http };
                of_scheme.insert(authority.into());
            }
        }
        let lengths = subdomains.http.iter().chain(&subdomains.https).map(|base| base.len());
        let (shortest, longest) = (lengths.clone().min(), lengths.max());
        subdomains.lengths = shortest.unwrap_or_default()..=longest.unwrap_or_default();
        subdomains
    }

    pub(super) fn is_empty(&self) -> bool {
        *self.lengths.end() == 0
    }
}

impl Default for Subdomains {
    fn default() -> Self {
        Self { http: HashSet::new(), https: HashSet::new(), lengths: 0..=0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    #[test]
    fn a_base_is_a_host_whose_subdomains_are_all_its_own() {
        for base in ["https://example.com", "https://preview.example.com", "https://x.github.io"] {
            assert!(can_be_base(&origin(base)), "{base}");
        }
        for base in [
            "https://com",
            "https://co.uk",
            "https://localhost",
            "https://intranet",
            "https://github.io",
            "https://vercel.app",
            "https://run.app",
            "https://amazonaws.com",
            "https://s3.amazonaws.com",
            "https://kawasaki.jp",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "https://a_b.example.com",
        ] {
            assert!(!can_be_base(&origin(base)), "{base}");
        }
    }

    #[test]
    fn a_host_is_below_a_base_byte_for_byte() {
        let bases = ["https://preview.example.com", "http://dev.localhost:3000"].map(origin);
        let subdomains = Subdomains::of(&bases);
        let admits = |text: &str| Parts::of(text.as_bytes()).is_some_and(|o| subdomains.admit(o));
        for text in [
            "https://pr-1.preview.example.com",
            "https://a.b.preview.example.com",
            "https://xn--bcher-kva.preview.example.com",
            "http://app.dev.localhost:3000",
        ] {
            assert!(admits(text), "{text}");
        }
        let long = |n| format!("https://{}.preview.example.com", "a".repeat(n));
        assert!(admits(&long(233)) && !admits(&long(234)));
        for text in [
            "https://preview.example.com",
            "https://.preview.example.com",
            "https://a..preview.example.com",
            "https://evilpreview.example.com",
            "https://a.evilpreview.example.com",
            "https://a.preview.example.com.evil.test",
            "https://a.preview.example.com.",
            "https://A.preview.example.com",
            "https://a.Preview.example.com",
            "https://a_b.preview.example.com",
            "https://a%2e.preview.example.com",
            "https://evil.test/.preview.example.com",
            "https://evil.test#.preview.example.com",
            "https://evil.test:443.preview.example.com",
            "https://user@a.preview.example.com",
            "https://a.preview.example.com:443",
            "https://a.preview.example.com:8443",
            "http://a.preview.example.com",
            "http://app.dev.localhost",
            "https://app.dev.localhost:3000",
            "https://*.preview.example.com",
            "https://a.b,c.preview.example.com",
        ] {
            assert!(!admits(text), "{text}");
        }
    }

    #[test]
    fn a_public_suffix_below_a_base_ends_it() {
        // As if the list had got `s3.amazonaws.com` after the policy was written.
        let subdomains = Subdomains::of(&[origin("https://amazonaws.com")]);
        let admits = |text: &str| Parts::of(text.as_bytes()).is_some_and(|o| subdomains.admit(o));
        assert!(!admits("https://evil.s3.amazonaws.com"));
        assert!(!admits("https://s3.amazonaws.com"));
        assert!(admits("https://console.amazonaws.com"));
    }
}
