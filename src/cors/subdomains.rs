//! Every host below one: previews, tenants, branches.

use std::{cell::Cell, collections::HashMap, ops::RangeInclusive};

use psl::Psl;

use crate::cors::{
    origin::Origin,
    patterns::{MAX_HOST, is_name},
};

/// Up to this many bases are compared one by one.
const COMPARED: usize = 8;

/// The origins whose subdomains are admitted.
#[derive(Debug)]
pub(super) enum Subdomains {
    Few(Vec<Base>),
    /// Found by their ends.
    Many {
        bases: HashMap<Box<[u8]>, Vec<Base>>,
        /// Of the ends: what is longer or shorter is not hashed.
        lengths: RangeInclusive<usize>,
    },
}

/// An origin whose subdomains are admitted, as the two ends of theirs.
#[derive(Clone, Debug)]
pub(super) struct Base {
    scheme: &'static [u8],
    /// A dot, host and port.
    end: Box<[u8]>,
    port_length: usize,
}

// ===== the decision =====

impl Subdomains {
    /// Whether the host ends with a dot and one of the bases, scheme and port being the same.
    pub(super) fn admit(&self, origin: &[u8]) -> bool {
        match self {
            Self::Few(bases) => bases.iter().any(|base| base.is_above(origin)),
            Self::Many { bases, lengths } => {
                let ends = (0..origin.len()).filter_map(|at| origin.get(at..));
                let of_length = ends
                    .filter(|end| end.first() == Some(&b'.') && lengths.contains(&end.len()))
                    .filter_map(|end| bases.get(end));
                of_length.flatten().any(|base| base.is_above(origin))
            }
        }
    }
}

impl Base {
    fn is_above(&self, origin: &[u8]) -> bool {
        let Some(authority) = origin.strip_prefix(self.scheme) else {
            return false;
        };
        let host_length = authority.len().saturating_sub(self.port_length);
        let (Some(labels), Some(host)) =
            (authority.strip_suffix(&*self.end), authority.get(..host_length))
        else {
            return false;
        };
        let base_length = self.end.len() - self.port_length - 1;
        // Below the base there may be a public suffix, and below that anyone: the list grows.
        host_length <= MAX_HOST
            && is_name(labels)
            && psl::suffix(host).is_some_and(|own| own.as_bytes().len() < base_length)
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
    pub(super) fn of(origins: &[Origin]) -> Self {
        let few: Vec<_> = origins.iter().filter_map(Base::of).collect();
        if few.len() <= COMPARED {
            return Self::Few(few);
        }
        let lengths = few.iter().map(|base| base.end.len());
        let (shortest, longest) = (lengths.clone().min(), lengths.max());
        let mut bases: HashMap<_, Vec<_>> = HashMap::new();
        for base in few {
            bases.entry(base.end.clone()).or_default().push(base);
        }
        let lengths = shortest.unwrap_or_default()..=longest.unwrap_or_default();
        Self::Many { bases, lengths }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Few(bases) if bases.is_empty())
    }
}

impl Default for Subdomains {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Base {
    fn of(origin: &Origin) -> Option<Self> {
        let text = origin.to_text();
        let (scheme, authority) = text.split_once("://")?;
        // A base is a name, so the first colon is that of the port.
        let port = authority.find(':').and_then(|at| authority.get(at..)).unwrap_or_default();
        Some(Self {
            scheme: if scheme == "https" { b"https://" } else { b"http://" },
            end: format!(".{authority}").into_bytes().into(),
            port_length: port.len(),
        })
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
        below_two_bases(&[]);
    }

    #[test]
    fn a_host_is_below_one_of_many_bases_byte_for_byte() {
        let more: Vec<_> = (0..20).map(|n| format!("https://t{n}.example.com")).collect();
        below_two_bases(&more);
    }

    fn below_two_bases(more: &[String]) {
        let bases = ["https://preview.example.com", "http://dev.localhost:3000"];
        let bases = bases.into_iter().chain(more.iter().map(String::as_str));
        let subdomains = Subdomains::of(&bases.map(origin).collect::<Vec<_>>());
        assert_eq!(matches!(subdomains, Subdomains::Many { .. }), !more.is_empty());
        let admits = |text: &str| subdomains.admit(text.as_bytes());
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
        let admits = |text: &str| subdomains.admit(text.as_bytes());
        assert!(!admits("https://evil.s3.amazonaws.com"));
        assert!(!admits("https://s3.amazonaws.com"));
        assert!(admits("https://console.amazonaws.com"));
    }
}
