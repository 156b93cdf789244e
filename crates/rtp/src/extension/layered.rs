//! The usual scalability modes: the layer of a frame says all about it.

use super::{
    frame::FrameDependencies,
    structure::{Indication, InvalidStructure, Layer, Resolution, Structure, Template},
    writer::{DescriptorWriter, FrameHeader, WriteError},
};

/// Which frames of a spatial layer depend on the next lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterLayer {
    /// All, as in L2T1.
    Always,
    /// Only those of a keyframe, as in L3T3_KEY.
    OnKeyframes,
}

/// A scalability mode, as [the W3C catalogue](https://www.w3.org/TR/webrtc-svc/#scalabilitymodes*) names them.
///
/// A frame of temporal layer 0 depends on the one before of that layer; any other frame on the latest frame of a
/// lower temporal layer. An encoder whose references differ is described with
/// [`DescriptorWriter`](super::DescriptorWriter) instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScalabilityMode {
    spatial: u8,
    temporal: u8,
    inter_layer: InterLayer,
}

/// A mode has 1 to 3 spatial and 1 to 3 temporal layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a scalability mode has 1 to 3 spatial and 1 to 3 temporal layers")]
pub struct UnsupportedMode;

impl ScalabilityMode {
    /// No scalability: each frame depends on the one before.
    pub const L1T1: Self = Self { spatial: 1, temporal: 1, inter_layer: InterLayer::Always };
    /// Two temporal layers: every second frame can be dropped.
    pub const L1T2: Self = Self { spatial: 1, temporal: 2, inter_layer: InterLayer::Always };
    /// Three temporal layers.
    pub const L1T3: Self = Self { spatial: 1, temporal: 3, inter_layer: InterLayer::Always };
    /// Two spatial layers.
    pub const L2T1: Self = Self { spatial: 2, temporal: 1, inter_layer: InterLayer::Always };
    /// Three spatial layers that depend on each other only in keyframes, with three temporal layers each.
    pub const L3T3_KEY: Self = Self { spatial: 3, temporal: 3, inter_layer: InterLayer::OnKeyframes };

    /// Makes the mode with this many layers.
    ///
    /// # Errors
    ///
    /// [`UnsupportedMode`] if a number is not 1 to 3.
    pub fn new(spatial: u8, temporal: u8, inter_layer: InterLayer) -> Result<Self, UnsupportedMode> {
        let supported = 1..=3;
        if supported.contains(&spatial) && supported.contains(&temporal) {
            Ok(Self { spatial, temporal, inter_layer })
        } else {
            Err(UnsupportedMode)
        }
    }

    /// Makes the structure of the mode: a decode target for each pair of layers, the highest first, and a chain for
    /// each spatial layer.
    ///
    /// Its templates are those that occur when frames come in the usual pattern; a writer overrides them where an
    /// encoder drops or adds frames.
    pub fn structure(self) -> Structure {
        // The writer's own rules, played through twice: what comes out is what has to be said.
        let mut references = References::default();
        let mut chains = Chains::new(self);
        let mut templates = Vec::new();
        let patterns: &[u8] = match self.temporal {
            1 => &[0],
            2 => &[0, 1],
            _ => &[0, 2, 1, 2],
        };
        for (instant, &temporal_id) in patterns.iter().cycle().take(2 * patterns.len() + 1).enumerate() {
            for spatial_id in 0..self.spatial {
                let keyframe = instant == 0;
                let layer = Layer { spatial_id, temporal_id };
                let frame = self.describe(layer, keyframe, &references);
                let template = Template {
                    layer,
                    frame_diffs: frame.frame_dependencies.iter().map(|&diff| small(diff)).collect(),
                    chain_diffs: chains.next(self, layer, keyframe),
                    decode_target_indications: frame.decode_target_indications,
                };
                if !templates.contains(&template) {
                    templates.push(template);
                }
                references.add(layer, keyframe);
            }
        }
        templates.sort_by_key(|template| template.layer);
        let targets = self.decode_targets();
        Structure::new(templates, targets.map(|target| target.spatial_id).collect())
            .expect("at most 24 templates and 9 decode targets, their layers without gaps")
    }

    /// The layers of the decode targets, in their order.
    fn decode_targets(self) -> impl Iterator<Item = Layer> {
        let temporal = self.temporal;
        (0..self.spatial).rev().flat_map(move |spatial_id| {
            (0..temporal).rev().map(move |temporal_id| Layer { spatial_id, temporal_id })
        })
    }

    fn describe(self, layer: Layer, keyframe: bool, references: &References) -> FrameDependencies {
        let mut frame_dependencies = Vec::new();
        if self.uses_lower_layer(layer, keyframe) {
            frame_dependencies.extend(references.spatial(layer));
        }
        if !keyframe {
            frame_dependencies.extend(references.temporal(layer));
        }
        frame_dependencies.sort_unstable();
        let indications = self.decode_targets().map(|target| self.indication(layer, keyframe, target));
        FrameDependencies { layer, decode_target_indications: indications.collect(), frame_dependencies }
    }

    fn uses_lower_layer(self, layer: Layer, keyframe: bool) -> bool {
        layer.spatial_id > 0 && (keyframe || self.inter_layer == InterLayer::Always)
    }

    fn indication(self, frame: Layer, keyframe: bool, target: Layer) -> Indication {
        let is_own = frame.spatial_id == target.spatial_id;
        let is_below = frame.spatial_id < target.spatial_id;
        let is_used = is_own || is_below && (keyframe || self.inter_layer == InterLayer::Always);
        if !is_used || frame.temporal_id > target.temporal_id {
            Indication::NotPresent
        } else if is_below && !keyframe {
            // Nobody comes up to a higher spatial layer with a lower one's frame.
            Indication::Required
        } else if frame.temporal_id > 0 && frame.temporal_id == target.temporal_id {
            Indication::Discardable
        } else {
            Indication::Switch
        }
    }
}

/// Writes the dependency descriptors of one RTP stream in a usual [`ScalabilityMode`].
///
/// The frames of one instant come in the order of their spatial layers, each with the same `keyframe`, as encoders
/// make them; the higher ones may be left out.
///
/// ```
/// use subrosa_rtp::extension::{Layer, LayeredWriter, ScalabilityMode};
///
/// let mut writer = LayeredWriter::new(ScalabilityMode::L1T1);
/// let keyframe = writer.next_frame(Layer::default(), true)?;
/// assert!(keyframe.packet(true, false).len() <= 16); // fits the one-byte form of RFC 8285
/// assert_eq!(keyframe.packet(false, true).len(), 3);
/// assert_eq!(writer.next_frame(Layer::default(), false)?.packet(true, true).len(), 3);
/// # Ok::<(), subrosa_rtp::extension::WriteError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LayeredWriter {
    mode: ScalabilityMode,
    writer: DescriptorWriter,
    references: References,
}

impl LayeredWriter {
    /// Makes a writer whose first frame has number 0.
    pub fn new(mode: ScalabilityMode) -> Self {
        Self::starting_at(0, mode)
    }

    /// Makes a writer whose first frame has this number.
    pub fn starting_at(frame_number: u16, mode: ScalabilityMode) -> Self {
        let writer = DescriptorWriter::starting_at(frame_number, mode.structure());
        Self { mode, writer, references: References::default() }
    }

    /// Returns the structure.
    pub fn structure(&self) -> &Structure {
        self.writer.structure()
    }

    /// Tells the largest size of each spatial layer from now on, or of none: the next frame must be a keyframe, and
    /// all decode targets are active again.
    ///
    /// # Errors
    ///
    /// [`InvalidStructure::Resolutions`] if there is not one for each spatial layer, or a size is out of range.
    pub fn set_resolutions(&mut self, resolutions: Vec<Resolution>) -> Result<(), InvalidStructure> {
        let structure = self.mode.structure().with_resolutions(resolutions)?;
        self.writer.set_structure(structure);
        Ok(())
    }

    /// Says which decode targets are still produced: see [`DescriptorWriter::set_active_decode_targets`].
    pub fn set_active_decode_targets(&mut self, mask: u32) {
        self.writer.set_active_decode_targets(mask);
    }

    /// Describes the next frame in decoding order; `keyframe` holds for all spatial layers of its instant.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: the layer is none of the mode's, or a keyframe is due. The writer is as it was.
    pub fn next_frame(&mut self, layer: Layer, keyframe: bool) -> Result<FrameHeader, WriteError> {
        if keyframe && layer.temporal_id > 0 {
            return Err(WriteError::KeyframeLayer);
        }
        let frame = self.mode.describe(layer, keyframe, &self.references);
        if frame.frame_dependencies.is_empty() && !(keyframe && layer.spatial_id == 0) {
            // What it is predicted from was never sent: to say that it depends on nothing would be wrong (A.3).
            return Err(WriteError::KeyframeNeeded);
        }
        // Only the lowest frame of a keyframe depends on nothing and carries the structure.
        let header = self.writer.next_frame(&frame, keyframe && layer.spatial_id == 0)?;
        self.references.add(layer, keyframe);
        Ok(header)
    }
}

/// How many frames before the next one is the last frame of each layer.
#[derive(Debug, Clone, Default)]
struct References {
    last: [[Option<u16>; 3]; 3],
}

impl References {
    /// The frame that a frame of this layer is predicted from in time.
    fn temporal(&self, layer: Layer) -> Option<u16> {
        let of_spatial = self.last.get(usize::from(layer.spatial_id))?;
        let lower = of_spatial.iter().take(usize::from(layer.temporal_id.max(1)));
        lower.flatten().min().copied()
    }

    /// The frame of the same instant, one spatial layer below: the last one there.
    fn spatial(&self, layer: Layer) -> Option<u16> {
        let below = self.last.get(usize::from(layer.spatial_id.checked_sub(1)?))?;
        below.iter().flatten().min().copied()
    }

    fn add(&mut self, layer: Layer, keyframe: bool) {
        if keyframe && layer.spatial_id == 0 {
            *self = Self::default();
        }
        for since in self.last.iter_mut().flatten().flatten() {
            *since = since.saturating_add(1);
        }
        let of_spatial = self.last.get_mut(usize::from(layer.spatial_id));
        if let Some(last) = of_spatial.and_then(|last| last.get_mut(usize::from(layer.temporal_id))) {
            *last = Some(1);
        }
    }
}

/// The chains while the structure is made: one for each spatial layer, of the frames of temporal layer 0 in it.
#[derive(Debug)]
struct Chains {
    since: Vec<u16>,
}

impl Chains {
    fn new(mode: ScalabilityMode) -> Self {
        Self { since: vec![0; mode.spatial.into()] }
    }

    /// Returns the chain differences of the next frame, and goes on behind it.
    fn next(&mut self, mode: ScalabilityMode, layer: Layer, keyframe: bool) -> Vec<u8> {
        let diffs = self.since.iter().map(|&since| small(since)).collect();
        for (spatial_id, since) in (0..).zip(&mut self.since) {
            let target = Layer { spatial_id, temporal_id: mode.temporal - 1 };
            let indication = mode.indication(layer, keyframe, target);
            let is_part = layer.temporal_id == 0 && indication.is_present();
            *since = if is_part { 1 } else { *since + 1 };
        }
        diffs
    }
}

/// Differences within two rounds of a pattern.
fn small(diff: u16) -> u8 {
    u8::try_from(diff).expect("a pattern has at most 12 frames")
}
