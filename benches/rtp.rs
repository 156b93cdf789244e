//! A frame on its way into RTP packets and out of them: sealed and cut, put together and opened; beside sealing and opening alone.
//!
//! The difference is what `subrosa-rtp` costs: a copy into packets at one end, and at the other one into the frame.

use core::time::Duration;
use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use subrosa::{Codec, Metadata, Opening, TrackKind};
use subrosa_rtp::{
    ConnectionLimits, Form, IncomingStreams, MediaFrame, OutgoingStream, PayloadFormat, Received, RtpPayload,
};
use subrosa_testkit::table::Table;

const SIZES: [usize; 4] = [100, 1_200, 10_000, 100_000];
const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
/// RTP payloads of that many bytes at most.
const MTU: usize = 1_200;
const PAYLOAD_TYPE: u8 = 96;
const BATCH: BatchSize = BatchSize::NumIterations(16);

fn rtp(c: &mut Criterion) {
    let table = Table::of(&["Ann", "Bob"]);
    for size in SIZES {
        let payload = vec![0x2a; size];
        let mut group = c.benchmark_group(format!("rtp/{size}"));
        group.throughput(Throughput::Bytes(size as u64));

        let mut sealer = table.sealer("Bob", TrackKind::Camera);
        group.bench_function("seal", |b| {
            let mut out = BytesMut::new(); // kept, as the stream keeps its own: fresh memory costs more than sealing
            b.iter(|| {
                out.clear();
                _ = sealer.seal(black_box(METADATA), black_box(&payload), &mut out).expect("it seals");
                black_box(&mut out);
            });
        });
        let mut opener = table.opener("Ann");
        group.bench_function("open", |b| {
            let sealed = || {
                let mut frame = BytesMut::new();
                sealer.seal(METADATA, &payload, &mut frame).expect("it seals");
                frame
            };
            let routine = |frame: &mut BytesMut| match opener.open(black_box(METADATA), frame) {
                Ok(Opening::Opened(opened)) => opened,
                other => panic!("{other:?}"),
            };
            b.iter_batched_ref(sealed, routine, BATCH);
        });

        let stream = || {
            OutgoingStream::new(table.sealer("Bob", TrackKind::Camera), Codec::Vp8, Form::Frame, MTU)
                .expect("an MTU")
        };
        let mut outgoing = stream();
        group.bench_function("seal and packetize", |b| {
            b.iter(|| {
                let sent = outgoing.send(&MediaFrame::new(black_box(&payload), 0)).expect("it is sent");
                sent.packets.map(|packet| black_box(packet.payload).len()).sum::<usize>()
            });
        });
        let mut incoming = IncomingStreams::new(table.opener("Ann"), ConnectionLimits::default());
        incoming.set_format(PAYLOAD_TYPE, PayloadFormat { codec: Codec::Vp8, form: Form::Frame });
        let (mut outgoing, mut sequence, mut timestamp) = (stream(), 0_u16, 0_u32);
        group.bench_function("reassemble and open", |b| {
            let packets = || {
                timestamp = timestamp.wrapping_add(3_000);
                let sent = outgoing.send(&MediaFrame::new(&payload, timestamp)).expect("it is sent");
                let packet = |packet: subrosa_rtp::OutgoingPacket| {
                    sequence = sequence.wrapping_add(1);
                    RtpPayload {
                        sequence,
                        timestamp,
                        payload_type: PAYLOAD_TYPE,
                        marker: packet.marker,
                        payload: packet.payload,
                    }
                };
                sent.packets.map(packet).collect::<Vec<_>>()
            };
            let routine = |packets: Vec<RtpPayload>| {
                for packet in packets {
                    incoming.push(1, packet, Duration::ZERO).expect("a packet");
                }
                let mut frames = 0;
                while let Some(received) = incoming.poll() {
                    assert!(matches!(black_box(received), Received::Frame(_)), "a frame");
                    frames += 1;
                }
                assert_eq!(frames, 1, "the frame comes out");
            };
            b.iter_batched(packets, routine, BATCH);
        });
    }
}

criterion_group!(benches, rtp);
criterion_main!(benches);
