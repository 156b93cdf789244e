//! One frame as its descriptor tells it.

use super::structure::{Indication, Layer, Resolution, Structure};

/// What an encoder tells of a frame, besides that there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FrameDependencies {
    /// Where the frame is in the grid of layers.
    pub layer: Layer,
    /// What it is to each decode target of the structure.
    pub decode_target_indications: Vec<Indication>,
    /// How many frames before are those that it depends on, each 1 to 4,096.
    pub frame_dependencies: Vec<u16>,
}

/// What one packet's dependency descriptor says, templates resolved.
///
/// It comes from outside of the end-to-end envelope: see [the module](super) for what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameDescriptor {
    /// The packet is the first of its frame.
    pub start_of_frame: bool,
    /// The packet is the last of its frame.
    pub end_of_frame: bool,
    /// The number of the frame, in decoding order; wraps.
    pub frame_number: u16,
    /// The spatial or quality layer, 0 to 3.
    pub spatial_id: u8,
    /// The temporal layer, 0 to 7.
    pub temporal_id: u8,
    /// What the frame is to each decode target.
    pub decode_target_indications: Vec<Indication>,
    /// How many frames before are those that it depends on, each 1 to 4,096.
    pub frame_dependencies: Vec<u16>,
    /// For each chain, how many frames before is its previous frame; 0: none is needed.
    pub chain_diffs: Vec<u8>,
    /// The decode targets that are produced and forwarded, a bit each, the lowest for the first.
    pub active_decode_targets: u32,
    /// The largest size of the frame's spatial layer, if it is told.
    pub resolution: Option<Resolution>,
    /// The structure, if this packet brought one: then it begins a keyframe.
    pub structure: Option<Structure>,
}

impl FrameDescriptor {
    /// Returns whether decoding can begin with this frame: it depends on no other.
    ///
    /// Of a keyframe with several spatial layers only the lowest is one. A structure alone does not make a
    /// keyframe: it also stands on frames whose sender contradicts itself.
    pub fn is_keyframe(&self) -> bool {
        self.frame_dependencies.is_empty()
    }

    /// Returns what the frame is to a decode target; there is none beyond those of the structure.
    pub fn indication(&self, decode_target: usize) -> Indication {
        self.decode_target_indications.get(decode_target).copied().unwrap_or_default()
    }

    /// Returns whether the frame is forwarded to a subscriber of this decode target.
    pub fn needed_for(&self, decode_target: usize) -> bool {
        self.indication(decode_target).is_present()
    }

    /// Returns whether a subscriber of this decode target decodes all other frames of it without this one.
    pub fn may_be_dropped_for(&self, decode_target: usize) -> bool {
        matches!(self.indication(decode_target), Indication::NotPresent | Indication::Discardable)
    }

    /// Returns whether a subscriber who can decode this frame can go over to this decode target with it.
    pub fn may_switch_to(&self, decode_target: usize) -> bool {
        self.indication(decode_target) == Indication::Switch
    }

    /// Returns the numbers of the frames that this one depends on.
    pub fn depends_on(&self) -> impl Iterator<Item = u16> {
        self.frame_dependencies.iter().map(|&diff| self.frame_number.wrapping_sub(diff))
    }
}
