//! The server: str0m and the dependency descriptor. It has no key, and no part of Subrosa that could use one.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Event;
use str0m::Rtc;
use str0m::format::PayloadParams;
use str0m::media::{KeyframeRequestKind, Mid, Pt};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use subrosa_rtp::extension::{DescriptorReader, FrameDescriptor, Layer};
use subrosa_str0m::{DependencyDescriptor, configure};

use crate::numbers::Numbers;
use crate::plumbing::Peer;

/// How long after a keyframe was asked for it is asked for again.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// A selective forwarding server for a few participants, in one thread.
#[derive(Default)]
pub(crate) struct Sfu {
    ports: Vec<Port>,
    /// What it could have written down: the RTP payloads of all that came.
    pub(crate) seen: Vec<Arc<[u8]>>,
    /// How many packets it sent on.
    pub(crate) forwarded: usize,
    /// How many it left out on purpose.
    pub(crate) left_out: usize,
    /// How many of these came too late for that, and were replaced with padding.
    pub(crate) padded: usize,
}

/// One participant's connection.
struct Port {
    peer: Peer,
    /// What its participant sends.
    publishes: Mid,
    reader: DescriptorReader,
    asked_at: Option<Instant>,
    /// What its participant gets.
    legs: Vec<Leg>,
}

/// The way of one participant's stream to another.
struct Leg {
    from: usize,
    mid: Mid,
    /// The highest temporal layer that is wanted.
    wanted: u8,
    /// Since the keyframe with which it began.
    numbers: Option<Numbers>,
}

impl Sfu {
    /// Answers a participant's offer: `publishes` is what he sends, and each of `subscribes` gets the stream of the participant with
    /// that number, with temporal layers up to the one that is wanted.
    pub(crate) fn join(
        &mut self,
        offer: &str,
        publishes: Mid,
        subscribes: impl IntoIterator<Item = (usize, Mid, u8)>,
    ) -> Result<String, Box<dyn Error>> {
        let mut peer = Peer::new(configure(Rtc::builder()))?;
        let answer = peer.answer(offer)?;
        let leg = |(from, mid, wanted)| Leg { from, mid, wanted, numbers: None };
        let legs = subscribes.into_iter().map(leg).collect();
        self.ports.push(Port { peer, publishes, reader: DescriptorReader::new(), asked_at: None, legs });
        Ok(answer)
    }

    /// Throws away every so many packets of media that arrive.
    pub(crate) fn lose(&mut self, every: Option<u64>) {
        self.ports.iter_mut().for_each(|port| port.peer.loses = every);
    }

    /// Does what there is to do.
    pub(crate) fn run(&mut self) -> Result<(), Box<dyn Error>> {
        for port in 0..self.ports.len() {
            while let Some(event) = self.ports[port].peer.next_event()? {
                match event {
                    Event::RtpPacket(packet) => self.handle_packet(port, &packet),
                    Event::KeyframeRequest(request) => {
                        let leg = self.ports[port].legs.iter().find(|leg| leg.mid == request.mid);
                        if let Some(from) = leg.map(|leg| leg.from) {
                            self.ports[from].ask_for_keyframe(request.kind);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn handle_packet(&mut self, from: usize, packet: &RtpPacket) {
        self.seen.push(packet.payload.clone());
        let source = &mut self.ports[from];
        let descriptor = DependencyDescriptor::of(&packet.header.ext_vals);
        // Without a descriptor (padding), or one that cannot be read before the next keyframe, nothing is forwarded.
        let frame = descriptor.and_then(|descriptor| source.reader.read(&descriptor.0).ok());
        let structure = source.reader.structure().cloned();
        let mut params = source.peer.rtc.codec_config().params().iter();
        let params = params.find(|params| params.pt() == packet.header.payload_type).copied();
        let Some(params) = params else { return };

        let mut is_awaited = false;
        for port in (0..self.ports.len()).filter(|port| *port != from) {
            let Port { peer, legs, .. } = &mut self.ports[port];
            let Some(leg) = legs.iter_mut().find(|leg| leg.from == from) else { continue };
            if !peer.rtc.is_connected() {
                continue;
            }
            let is_wanted = frame.as_ref().zip(structure.as_ref()).is_some_and(|(frame, structure)| {
                let layer = Layer { spatial_id: u8::MAX, temporal_id: leg.wanted };
                let target = structure.decode_target(layer, frame.active_decode_targets);
                target.is_some_and(|target| frame.needed_for(target))
            });
            if leg.numbers.is_none() && frame.as_ref().is_some_and(begins_keyframe) {
                leg.numbers = Some(Numbers::beginning_at(*packet.seq_no));
            }
            let Some(numbers) = &mut leg.numbers else {
                is_awaited = true;
                continue;
            };
            if is_wanted {
                self.forwarded += 1;
                if let Some(number) = numbers.forward(*packet.seq_no) {
                    leg.write(peer, &params, number, packet, descriptor);
                }
            } else {
                self.left_out += 1;
                if let Some(number) = numbers.leave_out(*packet.seq_no) {
                    self.padded += 1;
                    leg.write_padding(peer, &params, number, packet);
                }
            }
        }
        if is_awaited {
            self.ports[from].ask_for_keyframe(KeyframeRequestKind::Pli);
        }
    }
}

fn begins_keyframe(frame: &FrameDescriptor) -> bool {
    frame.start_of_frame && frame.is_keyframe()
}

impl Port {
    fn ask_for_keyframe(&mut self, kind: KeyframeRequestKind) {
        let now = Instant::now();
        if self.asked_at.is_some_and(|at| now - at < IMPATIENCE) {
            return;
        }
        let mut direct = self.peer.rtc.direct_api();
        if let Some(stream) = direct.stream_rx_by_mid(self.publishes, None) {
            stream.request_keyframe(kind);
            self.asked_at = Some(now);
        }
    }
}

impl Leg {
    /// Sends the packet on under the subscriber's SSRC and payload type, the payload as it came.
    fn write(
        &self,
        peer: &mut Peer,
        params: &PayloadParams,
        number: u64,
        packet: &RtpPacket,
        descriptor: Option<&DependencyDescriptor>,
    ) {
        // Of the extensions the descriptor alone: MID, RID and the transport's own are those of the publisher's connection.
        let mut values = ExtensionValues::default();
        if let Some(descriptor) = descriptor {
            descriptor.clone().set(&mut values);
        }
        self.write_rtp(peer, params, |pt| {
            let (time, payload) = (packet.header.timestamp, packet.payload.clone());
            let write = RtpWrite::new(pt, number.into(), time, packet.timestamp, payload);
            write.marker(packet.header.marker).ext_vals(values).nackable(true)
        });
    }

    /// Takes up a number that nothing else can have any more.
    fn write_padding(&self, peer: &mut Peer, params: &PayloadParams, number: u64, packet: &RtpPacket) {
        self.write_rtp(peer, params, |pt| {
            RtpWrite::new(pt, number.into(), packet.header.timestamp, packet.timestamp, &[][..])
                .nackable(true)
        });
    }

    fn write_rtp(&self, peer: &mut Peer, params: &PayloadParams, write: impl FnOnce(Pt) -> RtpWrite) {
        let same = |theirs: &&PayloadParams| theirs.spec() == params.spec();
        let pt = peer.rtc.codec_config().params().iter().find(same).map(PayloadParams::pt);
        let mut direct = peer.rtc.direct_api();
        if let Some((stream, pt)) = direct.stream_tx_by_mid(self.mid, None).zip(pt) {
            stream.write_rtp(write(pt));
        }
    }
}
