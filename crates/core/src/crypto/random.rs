//! Where randomness comes from.

use core::fmt;
use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use thiserror::Error;
use zeroize::Zeroizing;

use super::hash;

/// The operating system gave no randomness.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// The source of all randomness of a participant: keys, nonces, HPKE (R25).
pub struct Random(Source);

enum Source {
    Os,
    Seeded(Box<Seeded>),
}

struct Seeded {
    seed: [u8; 32],
    /// The engine asks through `&self` from wherever it likes, hence the lock; nobody else ever holds it.
    stream: Mutex<ChaCha20Rng>,
}

impl Random {
    /// Takes randomness from the operating system, anew for every key: the one for all uses but tests.
    pub const fn os() -> Self {
        Self(Source::Os)
    }

    pub(crate) fn seeded(seed: [u8; 32]) -> Self {
        Self(Source::Seeded(Box::new(Seeded { seed, stream: Mutex::new(ChaCha20Rng::from_seed(seed)) })))
    }

    pub(crate) fn fill(&self, out: &mut [u8]) -> Result<(), NoRandomness> {
        match &self.0 {
            Source::Os => getrandom::fill(out).map_err(|_| NoRandomness),
            Source::Seeded(seeded) => {
                seeded.stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
                Ok(())
            }
        }
    }

    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    pub(crate) fn secret<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, NoRandomness> {
        let mut out = Zeroizing::new([0; N]);
        self.fill(&mut *out)?;
        Ok(out)
    }

    /// A generator for one operation of a crate that wants one of its own, given what the operation is about.
    ///
    /// The engine seals to many keys on several threads at once. So a seeded source does not hand out its stream here, which
    /// would depend on which thread is first, but derives from the seed and what is sealed to whom.
    pub(crate) fn generator(&self, about: &[&[u8]]) -> Result<ChaCha20Rng, NoRandomness> {
        Ok(ChaCha20Rng::from_seed(*self.secret_about(about)?))
    }

    /// A fresh secret for one operation; see [`generator`](Self::generator).
    pub(crate) fn secret_about(&self, about: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, NoRandomness> {
        match &self.0 {
            Source::Os => self.secret(),
            Source::Seeded(seeded) => {
                let parts = [&[&seeded.seed[..]], about].concat();
                Ok(Zeroizing::new(hash::labelled("seeded generator", &parts)))
            }
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Os => "Random(os)",
            Source::Seeded(_) => "Random(seeded)",
        })
    }
}
