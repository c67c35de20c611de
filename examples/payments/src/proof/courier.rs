//! How deferred payments are made: ask first, then charge, through the policies of live traffic.

use super::bank::Bank;
use fusebox::Fuse;
use fusebox::queue::{Checked, Courier, Leased, Sent, Told, send};
use serde::{Deserialize, Serialize};

/// What is kept of a payment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) cents: u64,
    /// Which providers may have charged already.
    pub(crate) unsure: [bool; 2],
}

impl Parcel {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn of(item: &Leased) -> Option<Parcel> {
        serde_json::from_slice(&item.payload).ok()
    }
}

/// Charges at the first provider, and asks both what became of a key.
pub(crate) struct Teller {
    pub(super) banks: [Bank; 2],
    pub(super) fuse: Fuse,
}

impl Courier for Teller {
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked> {
        Box::pin(async {
            let Some(parcel) = Parcel::of(item) else { return Checked::NotFound };
            for (at, bank) in self.banks.iter().enumerate() {
                // Replays go to the first one, so it may always have charged; the second only if it was tried.
                if at == 1 && !parcel.unsure[1] {
                    continue;
                }
                match bank.knows(&item.view.key).await {
                    Some(true) => return Checked::Completed(b"found".to_vec()),
                    Some(false) => {}
                    None => return Checked::Unknown(format!("{} does not say", bank.name())),
                }
            }
            Checked::NotFound
        })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(async {
            let Some(parcel) = Parcel::of(item) else { return Sent::Undecodable("no parcel".into()) };
            let charge = async || {
                self.banks[0].charge(&item.view.key, parcel.cents).await.map(|_| b"charged".to_vec())
            };
            send(&self.fuse, charge).await
        })
    }
}
