//! A header that is read is written back as it was; one that is written is read back, whatever follows.

use arbitrary::{Result, Unstructured};
use subrosa::sframe::{Header, KeyId, MAX_HEADER_LEN};

use crate::Target;

/// Layout: a frame. Of the same bytes KID, counter (8 each) and how far to shift them (1 each) are made, to be written.
pub const TARGET: Target = Target { name: "sframe_header", run, seeds };

fn run(data: &[u8]) {
    let mut out = [0; MAX_HEADER_LEN];
    if let Ok((header, len)) = Header::decode(data) {
        assert_eq!(header.kid.to_string(), format!("{:#x}", header.kid.0));
        assert_eq!((header.encode(&mut out), header.encoded_len()), (len, len));
        assert_eq!(out[..len], data[..len], "it was written in another way");
        (0..len).for_each(|cut| assert!(Header::decode(&data[..cut]).is_err(), "{cut} bytes of it will do"));
    }
    let _ = write(Unstructured::new(data), data);
}

fn write(mut input: Unstructured<'_>, tail: &[u8]) -> Result<()> {
    let (kid, counter, shift): (u64, u64, [u8; 2]) = input.arbitrary()?;
    let header = Header { kid: KeyId(kid >> (shift[0] % 64)), counter: counter >> (shift[1] % 64) };
    let mut out = [0; MAX_HEADER_LEN];
    let len = header.encode(&mut out);
    assert_eq!(Header::decode(&[&out[..len], tail].concat()), Ok((header, len)));
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for kid_bits in [0, 3, 4, 8, 9, 16, 33, 64] {
        for counter_bits in [0, 3, 4, 8, 9, 24, 64] {
            let largest = |bits: u32| u64::MAX.checked_shr(64 - bits).unwrap_or(0);
            let header = Header { kid: KeyId(largest(kid_bits)), counter: largest(counter_bits) };
            let mut out = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut out);
            seeds.push((format!("{kid_bits}-{counter_bits}"), out[..len].to_vec()));
        }
    }
    seeds
}
