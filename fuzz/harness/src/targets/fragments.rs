//! What is cut into packets comes together again, in order and whole, whatever the network does within the reassembler's patience;
//! and of what it loses, exactly the frames that lost nothing come.

use core::time::Duration;

use arbitrary::{Result, Unstructured};
use subrosa::sframe::{MAX_HEADER_LEN, MAX_TAG_LEN};
use subrosa_rtp::{Assembled, Form, Limits, MarkerBit, Packetizer, Reassembler, RtpPayload};

use crate::Target;

/// Layout: form (1 byte), first sequence number (2), bytes in a packet beside the descriptor (1), number of frames (1), their lengths
/// (2 each), then for each packet what becomes of it (1): see `Fate`.
pub const TARGET: Target = Target { name: "fragments", run: |data| _ = run(data), seeds };

const STEP: Duration = Duration::from_millis(1);

/// What the network does to a packet.
enum Fate {
    Comes,
    Doubled,
    /// It changes places with the next one.
    Overtaken,
    Lost,
}

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let form = if input.arbitrary::<u8>()? & 1 == 0 { Form::Frame } else { Form::Packet };
    let first: u16 = input.arbitrary()?;
    let mtu = usize::from(input.arbitrary::<u8>()?) + 2;
    let count = input.arbitrary::<u8>()? % 9;
    let packetizer = Packetizer::new(form, mtu).expect("there is room");
    assert_eq!(packetizer.media_payload(), mtu.saturating_sub(1 + MAX_HEADER_LEN + MAX_TAG_LEN));
    assert!(Packetizer::new(form, mtu % 2).is_err() && packetizer.packetize(&[], MarkerBit::Never).is_err());
    let mut sequence = first;
    let (mut frames, mut packets) = (Vec::new(), Vec::new());
    for number in 0..count {
        // At most some 60 packets, so that no wait is long.
        let len = usize::from(input.arbitrary::<u16>()?) % (8 * mtu) + 1;
        let frame: Vec<u8> = (0..len).map(|at| number ^ at as u8).collect();
        let cut = packetizer.packetize(&frame, MarkerBit::OnLast).expect("it is not empty");
        for fragment in cut {
            let marker = fragment.marker;
            assert!(fragment.payload.len() <= mtu);
            let timestamp = u32::from(number) * 3_000;
            let payload = fragment.payload;
            packets.push((
                usize::from(number),
                RtpPayload { sequence, timestamp, payload_type: 96, marker, payload },
            ));
            sequence = sequence.wrapping_add(1);
        }
        frames.push(frame);
    }

    let mut whole = vec![true; frames.len()];
    let mut sent = Vec::new();
    let mut held_back = None;
    for (number, packet) in packets {
        let fate = match input.arbitrary::<u8>().unwrap_or(0) % 8 {
            0..=4 => Fate::Comes,
            5 => Fate::Doubled,
            6 => Fate::Overtaken,
            _ => Fate::Lost,
        };
        match fate {
            Fate::Comes => sent.push(packet),
            Fate::Doubled => sent.extend([packet.clone(), packet]),
            Fate::Overtaken => {
                sent.extend(held_back.replace(packet));
                continue;
            }
            Fate::Lost => whole[number] = false,
        }
        sent.extend(held_back.take());
    }
    sent.extend(held_back);

    let mut reassembler = Reassembler::starting_at(first, form, Limits::default());
    let (mut now, mut came) = (Duration::ZERO, Vec::new());
    let mut collect = |reassembler: &mut Reassembler| {
        while let Some(assembled) = reassembler.poll() {
            if let Assembled::Frame(frame) = assembled {
                assert_eq!(frame.form, form);
                came.push(frame.data.to_vec());
            }
        }
    };
    for packet in sent {
        now += STEP;
        let _ = reassembler.push(packet, now); // a copy is refused
        collect(&mut reassembler);
    }
    while let Some(deadline) = reassembler.next_timeout() {
        reassembler.handle_timeout(deadline);
        collect(&mut reassembler);
    }
    let wanted: Vec<_> =
        frames.into_iter().zip(whole).filter_map(|(frame, whole)| whole.then_some(frame)).collect();
    assert_eq!(came.len(), wanted.len(), "frames");
    assert!(came == wanted, "other frames than were sent");
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let frames = |fates: &[u8]| [&[0, 0xff, 0xf0, 10, 4, 0, 3, 0, 40, 0, 25, 0, 60][..], fates].concat();
    vec![
        ("all".to_owned(), frames(&[])),
        ("doubled".to_owned(), frames(&[5; 20])),
        ("swapped".to_owned(), frames(&[6, 0, 6, 0, 0, 6, 0, 0])),
        ("lost".to_owned(), frames(&[0, 7, 0, 0, 0, 0, 7])),
        ("packets".to_owned(), [&[1, 0, 0, 200, 3, 0, 90, 0, 10, 1, 0][..], &[0, 6, 5]].concat()),
    ]
}
