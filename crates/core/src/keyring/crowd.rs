//! Many senders and one receiver without the call that agreed their keys, for benchmarks: [`crate::fuzzing`].

use core::fmt;

use zeroize::Zeroizing;

use super::{EpochKeys, HoldLimits, KeyRing, Opener, Sealer};
use crate::id::{Epoch, ParticipantId};
use crate::sframe::{Backend, CipherSuite};
use crate::track::TrackKind;

const EPOCH: Epoch = Epoch(0x2e);
const EPOCH_BITS: u32 = 4;

/// One epoch of a call, as its frame path sees it: leaf 0 receives, all others send.
pub struct Crowd {
    suite: CipherSuite,
    backend: Backend,
    senders: u32,
    receiver: KeyRing,
}

impl Crowd {
    /// Fills an epoch with so many senders.
    pub fn new(suite: CipherSuite, backend: Backend, senders: u32) -> Self {
        let receiver = ring(suite, backend, senders, 0);
        Self { suite, backend, senders, receiver }
    }

    /// Returns an opener of the receiver's.
    pub fn opener(&self) -> Opener {
        self.receiver.opener()
    }

    /// Makes the camera's sealer of sender 1, 2, …, which lives as long as what comes with it.
    pub fn sealer(&self, sender: u32) -> (Sealer, impl Sized + use<>) {
        let ring = ring(self.suite, self.backend, self.senders, sender);
        (ring.sealer(TrackKind::Camera).expect("a context is free"), ring)
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("senders", &self.senders).finish_non_exhaustive()
    }
}

fn ring(suite: CipherSuite, backend: Backend, senders: u32, own_leaf: u32) -> KeyRing {
    let leaves = (0..=senders).map(|leaf| Some(ParticipantId(u128::from(leaf).to_be_bytes())));
    let base_key = Zeroizing::new(vec![7; suite.key_len()]);
    let ring = KeyRing::new(suite, EPOCH_BITS, HoldLimits::default());
    ring.set_backend(backend);
    ring.publish(EpochKeys::new(EPOCH, suite, EPOCH_BITS, own_leaf, leaves.collect(), base_key));
    ring.switch(EPOCH);
    ring
}
