//! Whatever packets come, a reassembler keeps no more than its limits, comes to rest, counts every packet once, and gives out no
//! frame that was not there.

use core::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use subrosa_rtp::{Assembled, Descriptor, Form, Limits, Reassembler, RtpPayload};

use crate::Target;

/// Layout: form (1 byte), limits of packets, bytes and frames (1 each), then packets: see `packet`.
pub const TARGET: Target = Target { name: "reassembly", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let form = if input.arbitrary::<u8>()? & 1 == 0 { Form::Frame } else { Form::Packet };
    let [packets, bytes, frame]: [u8; 3] = input.arbitrary()?;
    let limits = Limits {
        max_packets: usize::from(packets),
        max_bytes: usize::from(bytes) * 4,
        max_frame_bytes: usize::from(frame) * 4,
        ..Limits::default()
    };
    let mut reassembler = Reassembler::new(form, limits);
    let (mut now, mut sequence, mut came, mut pushed) = (Duration::ZERO, 0_u16, 0, 0_u64);
    while !input.is_empty() && pushed < 400 {
        let packet = packet(&mut input, &mut sequence, &mut now)?;
        let (len, before) = (packet.payload.len(), held(&reassembler));
        came += len;
        pushed += 1;
        if reassembler.push(packet, now).is_err() {
            let after = held(&reassembler);
            assert!(after.0 <= before.0 && after.1 <= before.1, "a refused packet was kept");
        }
        for _ in 0.. {
            match reassembler.poll() {
                None => break,
                Some(Assembled::Lost(_)) => {}
                Some(Assembled::Frame(frame)) => {
                    assert!(!frame.data.is_empty() && frame.data.len() <= limits.max_frame_bytes);
                    assert_eq!(frame.form, form);
                    came = came.checked_sub(frame.data.len()).expect("a frame out of nothing");
                }
            }
        }
        let (packets, bytes) = held(&reassembler);
        assert!(packets <= limits.max_packets.max(1) + 2, "{packets} packets");
        assert!(bytes <= limits.max_bytes.max(1) + 3 * 255, "{bytes} bytes");
    }
    while let Some(deadline) = reassembler.next_timeout() {
        reassembler.handle_timeout(deadline);
        while reassembler.poll().is_some() {}
        assert!(reassembler.next_timeout().is_none_or(|next| next > deadline), "it does not come to rest");
    }
    let (packets, _) = held(&reassembler);
    assert!(packets <= 1, "something is kept with nothing to wait for, beside what is on probation");
    assert_eq!(reassembler.stats().received, pushed);
    Ok(())
}

fn held(reassembler: &Reassembler) -> (usize, usize) {
    (reassembler.buffered_packets(), reassembler.buffered_bytes())
}

/// A packet: what its sequence number is ahead of the last one's (1 byte, signed; 127: 2 more, for anything), milliseconds since then (1),
/// bits of timestamp and payload type (1), descriptor (1), length of the rest (1), the rest (so many bytes, zeros).
fn packet(input: &mut Unstructured<'_>, sequence: &mut u16, now: &mut Duration) -> Result<RtpPayload> {
    *sequence = match input.arbitrary::<i8>()? {
        127 => input.arbitrary()?,
        step => sequence.wrapping_add_signed(step.into()),
    };
    let [wait, other, descriptor, len]: [u8; 4] = input.arbitrary()?;
    *now += Duration::from_millis(u64::from(wait));
    let mut payload = vec![descriptor; usize::from(len)];
    payload.truncate(255);
    Ok(RtpPayload {
        sequence: *sequence,
        timestamp: u32::from(other >> 2),
        payload_type: other & 1,
        marker: other & 2 != 0,
        payload: Bytes::from(payload),
    })
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let byte = |first, last, form| Descriptor { first, last, form }.to_byte();
    let (alone, begin, middle, end) = (
        byte(true, true, Form::Frame),
        byte(true, false, Form::Frame),
        byte(false, false, Form::Frame),
        byte(false, true, Form::Frame),
    );
    let input = |packets: &[[u8; 5]]| [&[0, 64, 255, 255][..], &packets.concat()].concat();
    let orders: [(&str, Vec<[u8; 5]>); 5] = [
        ("alone", vec![[1, 5, 0, alone, 20]; 6]),
        ("three", [[1, 1, 0, begin, 20], [1, 1, 0, middle, 20], [1, 1, 0, end, 9]].repeat(3)),
        (
            "swapped",
            vec![[1, 1, 0, begin, 20], [2, 1, 0, end, 20], [255, 1, 0, middle, 9], [2, 1, 0, alone, 9]],
        ),
        (
            "gap",
            vec![[1, 1, 0, alone, 20], [5, 1, 0, alone, 20], [1, 250, 0, alone, 9], [1, 250, 0, alone, 9]],
        ),
        ("endless", vec![[1, 1, 0, begin, 20]; 100]),
    ];
    let mut seeds: Vec<_> =
        orders.iter().map(|(name, packets)| ((*name).to_owned(), input(packets))).collect();
    let jump =
        [&[0, 64, 255, 255, 1, 1, 0, alone, 9][..], &[127, 0x80, 0, 1, 0, alone, 9], &[1, 1, 0, alone, 9]];
    seeds.push(("jump".to_owned(), jump.concat()));
    seeds
}
