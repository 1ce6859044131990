//! What goes wrong on the network, and when.

use std::{cell::Cell, time::Duration};

use crate::CLIENTS;

/// A small generator (xorshift64*): the same numbers for the same seed.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that lie side by side must not begin alike, and zero would stay zero.
        Self(Cell::new(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    pub(crate) fn millis(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }

    pub(crate) fn one_of<'a, T>(&self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap();
        &items[index]
    }
}

pub(crate) fn name(client: usize) -> String {
    format!("client-{client}")
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing passes between this client and the server. (Held, not cut: a first packet that is cut
    /// off is never sent again here.)
    Hold(usize),
    /// What was held arrives.
    Release(usize),
    /// From now on a message takes up to this long.
    Latency(Duration),
    /// The server ends and begins anew.
    Restart,
}

impl Fault {
    pub(crate) fn inject(&self, sim: &mut turmoil::Sim<'_>) {
        match self {
            Self::Hold(client) => sim.hold(name(*client), "server"),
            Self::Release(client) => sim.release(name(*client), "server"),
            Self::Latency(latency) => sim.set_max_message_latency(*latency),
            Self::Restart => sim.bounce("server"),
        }
    }
}

/// Faults for as long as the clients ask, each held link released within 3 seconds.
pub(crate) fn planned(random: &Random) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    let mut at = Duration::ZERO;
    while at < Duration::from_secs(20) {
        at += Duration::from_millis(200) + random.millis(1_500);
        let client = usize::try_from(random.below(CLIENTS as u64)).unwrap();
        match random.below(4) {
            0 => faults.push((at, Fault::Restart)),
            1 => faults.push((at, Fault::Latency(Duration::from_millis(2) + random.millis(200)))),
            _ => {
                faults.push((at, Fault::Hold(client)));
                faults.push((at + random.millis(3_000), Fault::Release(client)));
            }
        }
    }
    faults.sort();
    faults
}
