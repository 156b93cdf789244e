//! What a server may read: the dependency descriptor, a header extension.

use core::fmt;

use bytes::Bytes;
use str0m::RtcConfig;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};
use subrosa_rtp::extension::DEPENDENCY_DESCRIPTOR_URI;

/// Extension ids for which one byte of header is enough, in the order in which they are tried. The first are those that str0m has
/// not taken by default; a taken one is never overwritten: without id 10, the RID, there is no simulcast.
const IDS: [u8; 14] = [12, 14, 9, 8, 7, 6, 5, 1, 2, 3, 4, 10, 11, 13];

/// Prepares an `Rtc` for sealed media: turns RTP mode on, and offers the header extension of the [`DependencyDescriptor`] for video.
///
/// For participants and for servers on str0m alike. Extensions that the app itself adds go in before; if they take all ids that
/// there are (1 to 14), the descriptor is not offered, and not sent.
///
/// ```
/// use str0m::rtp::{Extension, ExtensionMap};
/// use str0m::Rtc;
/// use subrosa_str0m::{DependencyDescriptor, configure};
///
/// let mut config = configure(Rtc::builder());
/// assert!(config.rtp_mode());
/// assert_eq!(config.extension_map().id_of(DependencyDescriptor::extension()), Some(12));
/// assert_eq!(config.extension_map().id_of(Extension::RtpStreamId), Some(10));
/// ```
#[must_use]
pub fn configure(config: RtcConfig) -> RtcConfig {
    let mut config = config.set_rtp_mode(true);
    let extensions = config.extension_map();
    if extensions.id_of(DependencyDescriptor::extension()).is_none() {
        let free = IDS.into_iter().find(|id| extensions.lookup(*id).is_none());
        if let Some(id) = free {
            extensions.set(id, DependencyDescriptor::extension());
        }
    }
    config
}

/// The AV1 dependency descriptor of a packet, for any codec: what a server that cannot read the payload forwards and drops by.
///
/// Here it is opaque bytes; [`subrosa_rtp::extension`] reads and writes them. Anybody on the way can read and change them: a hint for
/// servers, of which a receiver believes nothing. A [`FrameSender`](crate::FrameSender) with
/// [layers](crate::FrameSender::layers) sends it.
///
/// A server finds it in what comes out of its `Rtc`, and sends it on, but not the other values of `ext_vals` as they are: MID, RID
/// and the transport's own are those of the publisher's connection.
///
/// ```
/// use str0m::rtp::RtpPacket;
/// use subrosa_rtp::extension::DescriptorReader;
/// use subrosa_str0m::DependencyDescriptor;
///
/// fn temporal_layer(packet: &RtpPacket, reader: &mut DescriptorReader) -> Option<u8> {
///     let descriptor = DependencyDescriptor::of(&packet.header.ext_vals)?;
///     Some(reader.read(&descriptor.0).ok()?.temporal_id)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DependencyDescriptor(
    /// The value of the extension: 1 to 255 bytes. Nothing else is sent.
    pub Bytes,
);

impl DependencyDescriptor {
    /// Returns the extension to put into an `ExtensionMap`; [`configure`] does.
    pub fn extension() -> Extension {
        Extension::with_serializer(DEPENDENCY_DESCRIPTOR_URI, Serializer)
    }

    /// Returns the descriptor among the extensions of a packet.
    pub fn of(values: &ExtensionValues) -> Option<&Self> {
        values.user_values.get()
    }

    /// Puts the descriptor among the extensions of a packet.
    pub fn set(self, values: &mut ExtensionValues) {
        values.user_values.set(self);
    }

    fn is_sendable(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= usize::from(u8::MAX)
    }
}

impl fmt::Debug for DependencyDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DependencyDescriptor({:02x?})", &*self.0)
    }
}

#[derive(Debug)]
struct Serializer;

impl ExtensionSerializer for Serializer {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let descriptor = DependencyDescriptor::of(values).filter(|descriptor| descriptor.is_sendable());
        let Some(DependencyDescriptor(bytes)) = descriptor else { return 0 };
        let Some(place) = buffer.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        DependencyDescriptor(Bytes::copy_from_slice(bytes)).set(values);
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        // RFC 8285 §4.2: 1 to 16 bytes in the one-byte form. More have the descriptors that come with a keyframe.
        DependencyDescriptor::of(values).is_some_and(|descriptor| descriptor.0.len() > 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(len: usize) -> ExtensionValues {
        let mut values = ExtensionValues::default();
        DependencyDescriptor(vec![0xA5; len].into()).set(&mut values);
        values
    }

    #[test]
    fn only_what_is_longer_than_sixteen_bytes_takes_the_long_form() {
        for (len, is_long) in [(1, false), (16, false), (17, true), (255, true)] {
            assert_eq!(Serializer.requires_two_byte_form(&described(len)), is_long);
        }
        assert!(!Serializer.requires_two_byte_form(&ExtensionValues::default()));
    }

    #[test]
    fn where_there_is_no_room_nothing_is_written() {
        let mut buffer = [0; 3];
        assert_eq!(Serializer.write_to(&mut buffer, &described(4)), 0);
        assert_eq!(buffer, [0; 3]);
        assert_eq!(Serializer.write_to(&mut buffer, &described(2)), 2);
        assert_eq!(buffer, [0xA5, 0xA5, 0]);
    }

    #[test]
    fn a_descriptor_is_shown_as_it_is_on_the_wire() {
        let descriptor = DependencyDescriptor(Bytes::from_static(&[0x80, 1]));
        assert_eq!(format!("{descriptor:?}"), "DependencyDescriptor([80, 01])");
    }
}
