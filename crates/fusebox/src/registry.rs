//! Circuits by name.

use crate::circuit::CircuitBreaker;
use crate::clock::Clock;
use crate::error::InvalidConfig;
use crate::record::Slot;
use crate::timer;
use fusebox_core::breaker::{Config, Settings};
use fusebox_core::event::Event;
use fusebox_core::registry;
use fusebox_core::{Rng, SharedRng, Time};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// How many circuits a registry holds unless told otherwise.
const DEFAULT_MOST: usize = 1_000;

type Listener = Arc<dyn Fn(&str, &Event) + Send + Sync>;

/// Who wants to know what, of every circuit of a registry and its parts.
#[derive(Default)]
struct Hearing {
    listeners: Vec<Listener>,
    /// Attempts are recorded.
    recording: bool,
}

/// Circuits by name, bounded, and safe for names from user input. A cheap handle: clones share the circuits.
///
/// Listeners hear every circuit, those made later too, on time even without traffic: the first subscription starts one
/// timer thread.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    circuits: registry::Registry<CircuitBreaker>,
    config: Config,
    clock: Clock,
    rng: SharedRng,
    hearing: Arc<RwLock<Hearing>>,
    /// Bounded parts, each with newcomers of its own.
    parts: RwLock<Vec<Registry>>,
    timer: OnceLock<()>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("circuits", &self.0.circuits).finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Registry::with_clock(
            DEFAULT_MOST,
            Clock::default(),
            Rng::seeded(crate::circuit::drawn_seed("registry")),
        )
    }
}

impl Registry {
    /// A registry of at most `most` circuits, all on `clock`, with jitter from `rng`.
    pub fn with_clock(most: usize, clock: Clock, rng: Rng) -> Self {
        Registry::assemble(registry::Registry::new(most), clock, rng, Arc::default())
    }

    fn assemble(
        circuits: registry::Registry<CircuitBreaker>,
        clock: Clock,
        rng: Rng,
        hearing: Arc<RwLock<Hearing>>,
    ) -> Self {
        Registry(Arc::new(Shared {
            circuits,
            config: Config::default(),
            clock,
            rng: SharedRng::new(rng),
            hearing,
            parts: RwLock::default(),
            timer: OnceLock::new(),
        }))
    }

    /// A part of this registry for at most `most` circuits, with a circuit named `other` for its own newcomers: names
    /// that one user makes up crowd out nobody else's. The same `other` is the same part, which holds `most` from now on. Its
    /// circuits show in [`all`](Self::all) and its events are heard here.
    pub fn part(&self, other: &str, most: usize) -> Registry {
        let mut parts = self.0.parts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.iter().find(|part| part.0.circuits.other() == other) {
            part.hold_at_most(most);
            return part.clone();
        }
        let circuits = registry::Registry::sharing(most, other);
        let (clock, rng) = (self.0.clock.clone(), self.0.rng.fork());
        let part = Registry::assemble(circuits, clock, rng, self.0.hearing.clone());
        parts.push(part.clone());
        part
    }

    fn parts(&self) -> Vec<Registry> {
        self.0.parts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process's own registry.
    pub fn global() -> &'static Registry {
        static GLOBAL: OnceLock<Registry> = OnceLock::new();
        GLOBAL.get_or_init(Registry::default)
    }

    /// The circuit with this name; made with the default configuration if there is none. When the registry is full of
    /// active circuits, newcomers share one named `other`.
    pub fn circuit(&self, name: &str) -> CircuitBreaker {
        // The default configuration is valid; a core test pins that.
        self.circuit_with(name, &self.0.config).unwrap_or_else(|_| CircuitBreaker::new(name))
    }

    /// The circuit with this name; made with `config` if there is none.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every field that can never work, whether or not the circuit exists.
    pub fn circuit_with(&self, name: &str, config: &Config) -> Result<CircuitBreaker, InvalidConfig> {
        let settings = Arc::new(config.clone().check(None)?);
        Ok(self.circuit_of(name, name, &settings))
    }

    /// The circuit with this name; made for `service` on `settings` if there is none.
    pub fn circuit_of(&self, name: &str, service: &str, settings: &Arc<Settings>) -> CircuitBreaker {
        if let Some(circuit) = self.find(name) {
            return circuit;
        }
        let shared = &*self.0;
        // Before the circuits' lock, as in `subscribe`: a circuit made meanwhile has every listener, once.
        let hearing = shared.hearing.read().unwrap_or_else(PoisonError::into_inner);
        shared.circuits.circuit(name, shared.clock.now(), |name| {
            let names = (name.into(), service.into());
            let (clock, rng) = (shared.clock.clone(), shared.rng.fork());
            let slot = Slot::switched(hearing.recording);
            let circuit = CircuitBreaker::assemble(names, settings.clone(), clock, rng, slot);
            hearing.listeners.iter().for_each(|listener| listen(&circuit, listener));
            circuit
        })
    }

    /// The circuit with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<CircuitBreaker> {
        self.0.circuits.find(name).or_else(|| self.parts().iter().find_map(|part| part.find(name)))
    }

    /// Every circuit, by name.
    pub fn all(&self) -> Vec<CircuitBreaker> {
        let own = self.0.circuits.all().into_iter().map(|(_, circuit)| circuit);
        own.chain(self.parts().iter().flat_map(Registry::all)).collect()
    }

    /// Holds at most `most` circuits from now on, its [parts](Self::part) not counted. Those that there are stay, even if
    /// they are more.
    pub fn hold_at_most(&self, most: usize) {
        self.0.circuits.hold_at_most(most);
    }

    /// Lets go of every circuit whose name `stays` says no to, whatever its state, and of every [part](Self::part) whose
    /// circuit of newcomers has such a name, with all circuits in it. Whoever holds one goes on with it; the next to ask by
    /// its name has a new one.
    pub fn let_go(&self, stays: impl Fn(&str) -> bool) {
        self.0.circuits.let_go(&stays);
        let mut parts = self.0.parts.write().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| stays(part.0.circuits.other()));
    }

    /// Calls that had to share the circuit of newcomers because the registry was full.
    pub fn turned_away(&self) -> u64 {
        self.0.circuits.turned_away() + self.parts().iter().map(Registry::turned_away).sum::<u64>()
    }

    /// The clock all circuits run on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Calls `listener` with the name and every event of every circuit: in order for each circuit, outside every lock; a
    /// panic in it ends there, and one that falls 32 events of a circuit behind loses the oldest. Starts the timer thread,
    /// so that events come on time without traffic.
    pub fn on_event(&self, listener: impl Fn(&str, &Event) + Send + Sync + 'static) {
        self.subscribe(Arc::new(listener));
        self.start_timer();
    }

    /// Starts the timer thread, once: what is due happens on time without traffic. It ends with the registry.
    pub fn start_timer(&self) {
        self.0.timer.get_or_init(|| {
            let shared = Arc::downgrade(&self.0);
            timer::start(move || shared.upgrade().map(|shared| Registry(shared).tick()));
        });
    }

    /// As [`on_event`](Self::on_event), without a timer thread, for drivers that call [`tick`](Self::tick) themselves.
    pub fn subscribe(&self, listener: Listener) {
        let mut hearing = self.0.hearing.write().unwrap_or_else(PoisonError::into_inner);
        self.all().iter().for_each(|circuit| listen(circuit, &listener));
        hearing.listeners.push(listener);
    }

    /// [Records](crate::record) the attempts of every circuit from now on, of those made later too.
    pub fn start_recording(&self) {
        let mut hearing = self.0.hearing.write().unwrap_or_else(PoisonError::into_inner);
        hearing.recording = true;
        self.all().iter().for_each(CircuitBreaker::start_recording);
    }

    /// Lets everything happen in every circuit that is due; answers how long until something is due next, `None` if
    /// only a call can change anything.
    pub fn tick(&self) -> Option<std::time::Duration> {
        let now = self.0.clock.now();
        let mut next = Time::NEVER;
        for circuit in self.all() {
            let core = circuit.core();
            if core.next_due() <= now {
                core.tick(now);
            }
            next = next.min(core.next_due());
        }
        (next != Time::NEVER).then(|| next.since(now))
    }
}

fn listen(circuit: &CircuitBreaker, listener: &Listener) {
    let listener = listener.clone();
    circuit.on_event(move |name, event| listener(name, event));
}
