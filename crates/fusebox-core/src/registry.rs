//! Circuits by name, bounded.
//!
//! Names may come from user input (a tenant, a shard), so their number is a resource. A registry holds at most so
//! many circuits. When it is full it makes room by letting go of circuits that nobody holds, that are closed and that
//! have seen no call in their window; when there are none, newcomers share one circuit under the name
//! [`OTHER`], and are counted.

use crate::Time;
use crate::breaker::CircuitBreaker;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Relaxed, lock};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The name of the circuit that newcomers share when a registry is full.
pub const OTHER: &str = "other";

/// After a search for room in vain, this long passes before the next one.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Circuits by name, at most so many. `T` is what a driver keeps of a circuit: usually a handle.
#[derive(Debug)]
pub struct Registry<T> {
    most: AtomicUsize,
    /// The name of the circuit that newcomers share.
    other: Arc<str>,
    circuits: Mutex<Circuits<T>>,
    turned_away: AtomicU64,
}

#[derive(Debug)]
struct Circuits<T> {
    named: BTreeMap<Arc<str>, T>,
    other: Option<T>,
    search_again: Time,
}

/// What a registry can hold.
pub trait Entry: Clone {
    /// The circuit itself.
    fn circuit(&self) -> &CircuitBreaker;
    /// Whether somebody besides the registry holds it.
    fn is_held(&self) -> bool;
}

impl Entry for Arc<CircuitBreaker> {
    fn circuit(&self) -> &CircuitBreaker {
        self
    }

    fn is_held(&self) -> bool {
        Arc::strong_count(self) > 1
    }
}

impl<T: Entry> Registry<T> {
    /// An empty registry for at most `most` circuits, the shared one not counted.
    pub fn new(most: usize) -> Self {
        Registry::sharing(most, OTHER)
    }

    /// As [`new`](Self::new), with a name of its own for the circuit that newcomers share.
    pub fn sharing(most: usize, other: &str) -> Self {
        let circuits = Circuits { named: BTreeMap::new(), other: None, search_again: Time::ZERO };
        Registry {
            most: AtomicUsize::new(most),
            other: other.into(),
            circuits: Mutex::new(circuits),
            turned_away: AtomicU64::new(0),
        }
    }

    /// The circuit with this name; made by `make` if there is none, with the name it is to have.
    pub fn circuit(&self, name: &str, now: Time, make: impl FnOnce(&str) -> T) -> T {
        let mut circuits = lock(&self.circuits);
        if name == &*self.other {
            return circuits.shared(name, make);
        }
        if let Some(entry) = circuits.named.get(name) {
            return entry.clone();
        }
        let most = self.most.load(Relaxed);
        if circuits.named.len() < most || circuits.make_room(most, now) {
            let entry = make(name);
            circuits.named.insert(name.into(), entry.clone());
            return entry;
        }
        self.turned_away.fetch_add(1, Relaxed);
        circuits.shared(&self.other, make)
    }

    /// The circuit with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<T> {
        let circuits = lock(&self.circuits);
        circuits.named.get(name).cloned().or_else(|| circuits.other.clone().filter(|_| name == &*self.other))
    }

    /// Every circuit, by name.
    pub fn all(&self) -> Vec<(Arc<str>, T)> {
        let circuits = lock(&self.circuits);
        let other = circuits.other.iter().map(|entry| (self.other.clone(), entry.clone()));
        circuits.named.iter().map(|(name, entry)| (name.clone(), entry.clone())).chain(other).collect()
    }

    /// Holds at most `most` circuits from now on. Those that there are stay, even if they are more.
    pub fn hold_at_most(&self, most: usize) {
        let mut circuits = lock(&self.circuits);
        self.most.store(most, Relaxed);
        circuits.search_again = Time::ZERO;
    }

    /// Lets go of every circuit whose name `stays` says no to, whatever its state. Whoever holds one goes on with it, and
    /// the next to ask by its name has a new one.
    pub fn let_go(&self, stays: impl Fn(&str) -> bool) {
        let mut circuits = lock(&self.circuits);
        circuits.named.retain(|name, _| stays(name));
        circuits.other = circuits.other.take().filter(|_| stays(&self.other));
    }

    /// Calls that had to share the circuit of newcomers.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    /// The name of the circuit that newcomers share.
    pub fn other(&self) -> &str {
        &self.other
    }
}

impl<T: Entry> Circuits<T> {
    /// The circuit of newcomers. Whoever asks for it by its name gets it too: no two circuits have one name.
    fn shared(&mut self, name: &str, make: impl FnOnce(&str) -> T) -> T {
        self.other.get_or_insert_with(|| make(name)).clone()
    }

    /// Lets go of idle circuits; whether there is room now.
    fn make_room(&mut self, most: usize, now: Time) -> bool {
        if now < self.search_again {
            return false;
        }
        self.named.retain(|_, entry| entry.is_held() || !entry.circuit().is_idle(now));
        let room = self.named.len() < most;
        if !room {
            self.search_again = now + SEARCH_PAUSE;
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::Config;
    use crate::{Failure, Outcome, Rng};
    use alloc::format;

    fn make(_: &str) -> Arc<CircuitBreaker> {
        let settings = Config::default().check(None).expect("the default works");
        Arc::new(CircuitBreaker::new(settings, Rng::seeded(1), Time::ZERO))
    }

    fn fail(circuit: &CircuitBreaker, now: Time) {
        let ticket = circuit.admit(now).expect("closed");
        circuit.settle(ticket, Outcome::Failure(Failure::Error), now);
    }

    #[test]
    fn newcomers_to_a_registry_of_active_keys_share_one_circuit_and_are_counted() {
        let (registry, now) = (Registry::new(3), Time::from_secs(1));
        (0..3).for_each(|i| fail(&registry.circuit(&format!("tenant-{i}"), now, make), now));
        let (a, b) = (registry.circuit("late-a", now, make), registry.circuit("late-b", now, make));
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!((registry.turned_away(), registry.all().len()), (2, 4));
        assert!(registry.find(OTHER).is_some());
    }

    #[test]
    fn the_shared_circuits_name_is_nobody_elses() {
        let (registry, now) = (Registry::new(1), Time::from_secs(1));
        let asked = registry.circuit(OTHER, now, make);
        fail(&registry.circuit("tenant", now, make), now);
        assert!(Arc::ptr_eq(&asked, &registry.circuit("newcomer", now, make)));
        let names: Vec<_> = registry.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names, registry.turned_away()), (Vec::from(["tenant".into(), Arc::from(OTHER)]), 1));
    }

    #[test]
    fn room_is_made_by_idle_closed_circuits_only() {
        let registry = Registry::new(3);
        let held = registry.circuit("held", Time::ZERO, make);
        let open = registry.circuit("open", Time::ZERO, make);
        (0..10).for_each(|_| fail(&open, Time::ZERO));
        drop(open);
        drop(registry.circuit("idle", Time::ZERO, make));
        registry.circuit("new", Time::from_secs(10), make);
        let names: Vec<_> = registry.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["held".into(), "new".into(), Arc::from("open")]);
        drop(held);
    }

    #[test]
    fn what_is_let_go_of_makes_room_and_comes_back_new() {
        let (registry, now) = (Registry::new(1), Time::from_secs(1));
        let open = registry.circuit("old", now, make);
        (0..10).for_each(|_| fail(&open, now));
        registry.let_go(|name| name != "old");
        assert!(registry.all().is_empty());
        assert!(!Arc::ptr_eq(&open, &registry.circuit("old", now, make)));
        registry.hold_at_most(2);
        registry.circuit("new", now, make);
        assert_eq!((registry.all().len(), registry.turned_away()), (2, 0));
    }

    #[test]
    fn a_million_names_from_outside_stay_within_the_bound() {
        let (registry, now) = (Registry::new(16), Time::ZERO);
        let keep: Vec<_> = (0..16).map(|i| registry.circuit(&format!("{i}"), now, make)).collect();
        for i in 0..1_000_000u32 {
            registry.circuit(&format!("attack-{i}"), now, |_| keep[0].clone());
        }
        assert_eq!(registry.all().len(), 17);
    }
}
