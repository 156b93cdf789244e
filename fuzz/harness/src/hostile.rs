//! How the fuzzer makes hostile bytes: out of nothing, or out of something genuine.

use arbitrary::{Result, Unstructured};

/// Layout of an input: `0`, then raw bytes up to its end; or `1`, then changes of something genuine (see [`Hostile::read`]).
#[derive(Debug)]
pub enum Hostile {
    /// Just these bytes.
    Raw(Vec<u8>),
    /// The genuine message, with bytes changed at some places, then cut to a length, then with something behind it.
    Mutated {
        /// Where, and with what to XOR.
        changes: Vec<(u16, u8)>,
        /// To which length it is cut.
        keep: Option<u16>,
        /// What comes behind.
        tail: Vec<u8>,
    },
}

impl Hostile {
    /// Reads all that is left of an input. Changed are as many places as one byte says (at most 16).
    pub fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        if input.arbitrary::<u8>()? & 1 == 0 {
            return Ok(Self::Raw(input.bytes(input.len())?.to_vec()));
        }
        let count = input.arbitrary::<u8>()? % 17;
        let changes = (0..count).map(|_| input.arbitrary()).collect::<Result<_>>()?;
        let keep = input.arbitrary()?;
        Ok(Self::Mutated { changes, keep, tail: input.bytes(input.len())?.to_vec() })
    }

    /// Returns the bytes, given a genuine message.
    pub fn bytes(&self, genuine: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Mutated { changes, keep, tail } => {
                let mut bytes = genuine.to_vec();
                for (at, change) in changes.iter().filter(|_| !genuine.is_empty()) {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] ^= change;
                }
                bytes.truncate(keep.map_or(usize::MAX, usize::from));
                bytes.extend_from_slice(tail);
                bytes
            }
        }
    }
}
