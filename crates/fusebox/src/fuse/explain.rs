//! A pipeline in words.

#[cfg(feature = "tokio")]
use super::Fuse;
use super::{BlockingFuse, Inner, PooledFuse};
use fusebox_core::breaker::Settings;
use fusebox_core::explain::{self, Doubt, Page};
use fusebox_core::pipeline::Stage;
use std::sync::Arc;

impl<K> Inner<K> {
    fn explain(&self) -> String {
        let mut page = Page::default();
        page.line(self.circuit.service());
        page.wrapped("  ", 2, &format!("{} \u{203a} the call", self.pipeline.describe()));
        for stage in self.pipeline.stages() {
            let lines = match stage {
                Stage::Breaker => self.explain_circuits(),
                Stage::Scopes(_) => {
                    let mut lines = explain::stage(stage);
                    lines.extend(self.explain_scopes());
                    lines
                }
                stage => explain::stage(stage),
            };
            for (i, line) in lines.iter().enumerate() {
                page.stage(if i == 0 { stage.name() } else { "" }, line);
            }
        }
        let doubts = self.doubts();
        if !doubts.is_empty() {
            page.line("\nwarnings");
            doubts.iter().for_each(|doubt| page.wrapped("  ", 4, &doubt.to_string()));
        }
        page.into_text()
    }

    /// The circuits, those that run on the same settings together.
    fn explain_circuits(&self) -> Vec<String> {
        let mut groups: Vec<(Arc<Settings>, Vec<&str>)> = Vec::new();
        for circuit in self.circuits() {
            let settings = circuit.core().settings();
            match groups.iter_mut().find(|(known, _)| known.config() == settings.config()) {
                Some((_, names)) => names.push(circuit.name()),
                None => groups.push((settings, vec![circuit.name()])),
            }
        }
        let mut lines = Vec::new();
        for (settings, names) in groups {
            lines.push(explain::opens(settings.config()));
            lines.extend(explain::circuit(&settings));
            let one = if names.len() == 1 { "circuit" } else { "circuits" };
            lines.push(format!("{one} {}", names.join(", ")));
        }
        lines
    }

    fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = explain::doubts(&self.pipeline, Some(&self.circuit.core().settings()));
        for other in &self.others {
            let of_other = explain::doubts(&self.pipeline, Some(&other.core().settings()));
            let new: Vec<_> = of_other.into_iter().filter(|doubt| !doubts.contains(doubt)).collect();
            doubts.extend(new);
        }
        doubts
    }
}

macro_rules! explained {
    ($($(#[$on:meta])* $fuse:ident, |$this:ident| $inner:expr;)*) => {$(
        $(#[$on])*
        impl<K> $fuse<K> {
            /// The chain in words: its stages in order, what each will do, and what is doubtful about them together.
            ///
            /// ```
            /// use fusebox::{Fuse, bulkhead};
            ///
            /// let orders = Fuse::builder("orders").bulkhead(bulkhead::Config::default()).build_blocking()?;
            /// let text = orders.explain();
            /// assert!(text.contains("Bulkhead    25 calls at once; 25 more wait up to 100ms, fifo"));
            /// assert!(text.contains("no call_timeout and no deadline: a call that hangs is held for ever"));
            /// # Ok::<(), fusebox::InvalidConfig>(())
            /// ```
            pub fn explain(&self) -> String {
                let $this = self;
                $inner.explain()
            }

            /// What is doubtful about the policies together; none of it keeps them from working.
            pub fn doubts(&self) -> Vec<Doubt> {
                let $this = self;
                $inner.doubts()
            }
        }
    )*};
}

explained! {
    #[cfg(feature = "tokio")]
    Fuse, |this| this.0;
    BlockingFuse, |this| this.0;
    PooledFuse, |this| this.inner;
}
