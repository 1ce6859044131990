//! The limit of connections, and who makes room when it is reached.
//!
//! A client that sends half of a head, or nothing, takes a place and a file descriptor. When all
//! places are taken, the connection that has waited longest for a request is closed: never one
//! whose request is in flight, and none that has waited for less than [`PATIENCE`].

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};

/// What a client is given to send the head of its request, however many others want its place.
const PATIENCE: Duration = Duration::from_millis(500);

/// A socket that was told to close is closed within this time, or another one is told.
const CLOSES_WITHIN: Duration = Duration::from_millis(100);

/// All places; a clone is another reference to them.
#[derive(Clone, Debug)]
pub struct Places {
    limit: u32,
    free: Arc<Semaphore>,
    guests: Arc<Mutex<Vec<Weak<Guest>>>>,
}

/// A connection, as far as its place is concerned.
#[derive(Debug)]
pub struct Guest {
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Debug)]
struct State {
    requests: usize,
    has_asked: bool,
    is_refused: bool,
    waits_since: Instant,
}

/// A request in flight: until it is dropped, its connection keeps its place.
#[derive(Debug)]
pub struct InFlight(Arc<Guest>);

impl Places {
    pub fn new(limit: u32) -> Self {
        let free = Semaphore::new(limit.try_into().unwrap_or(Semaphore::MAX_PERMITS));
        Self { limit, free: Arc::new(free), guests: Arc::default() }
    }

    /// How many places are taken.
    pub fn taken(&self) -> u32 {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        self.limit.saturating_sub(free)
    }

    /// Waits until every connection is closed.
    pub async fn all_free(&self) {
        // The semaphore is never closed.
        let _ = self.free.acquire_many(self.limit).await;
    }

    /// Waits for a place; if none is free, somebody who only waits has to leave.
    pub async fn take(&self) -> OwnedSemaphorePermit {
        loop {
            let place = Arc::clone(&self.free).acquire_owned();
            let wait = if self.free.available_permits() == 0 { self.make_room() } else { None };
            if let Ok(Ok(place)) = timeout(wait.unwrap_or(CLOSES_WITHIN), place).await {
                return place;
            }
        }
    }

    /// Makes room because the system is out of file descriptors, before the places are taken.
    pub async fn wait_for_descriptor(&self) {
        sleep(self.make_room().unwrap_or(Duration::from_millis(10))).await;
    }

    /// Tells the connection that has waited longest to close. `Some` if none has waited for long
    /// enough: how long until one has.
    fn make_room(&self) -> Option<Duration> {
        let guests: Vec<_> = lock(&self.guests).iter().filter_map(Weak::upgrade).collect();
        let waiting = guests.iter().filter_map(|guest| Some((guest.waits_since()?, guest)));
        let Some((since, guest)) = waiting.min_by_key(|(since, _)| *since) else {
            return Some(CLOSES_WITHIN);
        };
        let missing = PATIENCE.saturating_sub(since.elapsed());
        if !missing.is_zero() {
            return Some(missing);
        }
        guest.leave.notify_one();
        // Told once: the next one to be told is another.
        let told = Arc::downgrade(guest);
        lock(&self.guests).retain(|guest| !guest.ptr_eq(&told));
        None
    }

    /// Registers a connection that has a place.
    pub fn enter(&self) -> Arc<Guest> {
        let state = Mutex::new(State {
            requests: 0,
            has_asked: false,
            is_refused: false,
            waits_since: Instant::now(),
        });
        let guest = Arc::new(Guest { state, leave: Notify::new() });
        let mut guests = lock(&self.guests);
        guests.retain(|guest| guest.strong_count() > 0);
        guests.push(Arc::downgrade(&guest));
        guest
    }
}

impl Guest {
    /// Waits until this connection has to make room.
    pub async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Marks the connection as one that is closed without an answer.
    pub fn refuse(&self) {
        lock(&self.state).is_refused = true;
    }

    /// The same for a connection on which no request has come yet.
    pub fn refuse_if_silent(&self) {
        let mut state = lock(&self.state);
        state.is_refused |= !state.has_asked;
    }

    /// Whether the connection is closed without an answer: then nothing can get lost.
    pub fn is_refused(&self) -> bool {
        lock(&self.state).is_refused
    }

    /// Waits for so long, and for ever if a request has come by then.
    pub async fn silent_for(&self, limit: Duration) {
        sleep(limit).await;
        if lock(&self.state).has_asked {
            pending::<()>().await;
        }
    }

    /// Waits until no request has been in flight for so long.
    pub async fn waits_for(&self, limit: Duration) {
        loop {
            let since = self.waits_since().unwrap_or_else(Instant::now);
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    pub fn request(self: &Arc<Self>) -> InFlight {
        let mut state = lock(&self.state);
        state.requests += 1;
        state.has_asked = true;
        drop(state);
        InFlight(Arc::clone(self))
    }

    /// Since when the connection waits for a request, if none is in flight.
    fn waits_since(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (state.requests == 0).then_some(state.waits_since)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.requests -= 1;
        state.waits_since = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
