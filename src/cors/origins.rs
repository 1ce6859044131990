//! The front ends of a policy, and which of them a request comes from.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
};

use http::{HeaderMap, HeaderValue};

use crate::cors::{patterns::Patterns, request};

/// Up to this many origins are compared one by one, which is then cheaper than a hash.
const COMPARED: usize = 8;

/// Whose pages a policy admits.
#[derive(Debug)]
pub(super) struct Origins {
    /// The first is the answer to a page that is not admitted.
    listed: Vec<HeaderValue>,
    lookup: Lookup,
    patterns: Option<Box<Patterns>>,
}

#[derive(Debug)]
enum Lookup {
    /// None is admitted with credentials.
    Nobody,
    /// Few: each is compared.
    Few,
    /// Many: found by value. The request's cost does not grow with their number, and the keys of
    /// the standard map's hash are random, so no tenant can choose colliding names.
    Many {
        indices: HashMap<Box<[u8]>, u16>,
        /// What is longer or shorter is foreign, and is not hashed.
        lengths: RangeInclusive<usize>,
    },
}

/// Why an origin is admitted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Admitted<'a> {
    /// It is the listed one with this index.
    Listed(u16),
    /// It is not listed, and was checked byte by byte.
    ByPattern(&'a HeaderValue),
}

impl Origins {
    /// The set of these, in their order, and what the patterns admit.
    pub(super) fn new(mut listed: Vec<HeaderValue>, patterns: Patterns) -> Self {
        let mut seen = HashSet::new();
        listed.retain(|origin| seen.insert(Box::<[u8]>::from(origin.as_bytes())));
        let bytes = listed.iter().map(HeaderValue::as_bytes);
        let lookup = if listed.len() <= COMPARED {
            Lookup::Few
        } else {
            let shortest = bytes.clone().map(<[u8]>::len).min().unwrap_or_default();
            let longest = bytes.clone().map(<[u8]>::len).max().unwrap_or_default();
            let indices = bytes.map(Box::from).zip(0..).collect();
            Lookup::Many { indices, lengths: shortest..=longest }
        };
        let patterns = (!patterns.is_empty()).then(|| Box::new(patterns));
        Self { listed, lookup, patterns }
    }

    /// One value for all, which names nobody.
    pub(super) fn anyone(value: HeaderValue) -> Self {
        Self { listed: vec![value], lookup: Lookup::Nobody, patterns: None }
    }

    /// Whether more than one origin is admitted, so that the answer depends on the request's.
    pub(super) fn are_several(&self) -> bool {
        self.listed.len() > 1 || self.patterns.is_some()
    }

    #[cfg(feature = "tracing")]
    pub(super) fn is_anyone(&self) -> bool {
        matches!(self.lookup, Lookup::Nobody)
    }

    pub(super) fn get(&self, index: u16) -> Option<&HeaderValue> {
        self.listed.get(usize::from(index))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeaderValue> {
        self.listed.iter()
    }

    /// The request's origin, if it has exactly one and that is admitted, byte for byte. What comes
    /// from the request is compared and never split, trimmed, folded or decoded.
    #[inline]
    pub(super) fn admitted<'a>(&self, request: &'a HeaderMap) -> Option<Admitted<'a>> {
        let origin = request::only_origin(request)?;
        match self.index(origin.as_bytes()) {
            Some(index) => Some(Admitted::Listed(index)),
            None if self.patterns.as_ref()?.admit(origin.as_bytes()) => {
                Some(Admitted::ByPattern(origin))
            }
            None => None,
        }
    }

    #[inline]
    fn index(&self, origin: &[u8]) -> Option<u16> {
        match &self.lookup {
            Lookup::Few => {
                let index = self.listed.iter().position(|listed| listed.as_bytes() == origin)?;
                u16::try_from(index).ok()
            }
            Lookup::Many { indices, lengths } if lengths.contains(&origin.len()) => {
                indices.get(origin).copied()
            }
            Lookup::Many { .. } | Lookup::Nobody => None,
        }
    }
}
