//! The front ends of a policy, and which of them a request comes from.

use std::{collections::HashMap, ops::RangeInclusive};

use http::{HeaderMap, HeaderValue};

use crate::cors::request;

/// Up to this many origins are compared one by one, which is then cheaper than a hash.
const COMPARED: usize = 8;

/// Whose pages a policy admits.
#[derive(Debug)]
pub(super) struct Origins {
    /// The first is the answer to a page that is not admitted.
    listed: Vec<HeaderValue>,
    lookup: Lookup,
}

#[derive(Debug)]
enum Lookup {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It is the listed one with this index.
    Listed(u16),
}

impl Origins {
    pub(super) fn new(listed: Vec<HeaderValue>) -> Self {
        let bytes = listed.iter().map(HeaderValue::as_bytes);
        let lookup = if listed.len() <= COMPARED {
            Lookup::Few
        } else {
            let shortest = bytes.clone().map(<[u8]>::len).min().unwrap_or_default();
            let longest = bytes.clone().map(<[u8]>::len).max().unwrap_or_default();
            let indices = bytes.map(Box::from).zip(0..).collect();
            Lookup::Many { indices, lengths: shortest..=longest }
        };
        Self { listed, lookup }
    }

    /// Whether the answer depends on the request's origin.
    pub(super) fn has_several(&self) -> bool {
        self.listed.len() > 1
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
    pub(super) fn admitted(&self, request: &HeaderMap) -> Option<Admitted> {
        let origin = request::only_origin(request)?.as_bytes();
        match &self.lookup {
            Lookup::Few => {
                let index = self.listed.iter().position(|listed| listed.as_bytes() == origin)?;
                u16::try_from(index).ok().map(Admitted::Listed)
            }
            Lookup::Many { indices, lengths } if lengths.contains(&origin.len()) => {
                indices.get(origin).copied().map(Admitted::Listed)
            }
            Lookup::Many { .. } => None,
        }
    }
}
