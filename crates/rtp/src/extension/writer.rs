//! Writing dependency descriptors.

use super::{
    MAX_BYTES,
    bits::BitWriter,
    frame::FrameDependencies,
    structure::{Indication, MAX_TEMPLATES, Structure, Template, next_layer_idc},
};

/// Why a frame cannot be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A stream, and a new structure, begin with a keyframe.
    #[error("a stream and a new structure begin with a keyframe")]
    KeyframeNeeded,
    /// A keyframe depends on no other frame.
    #[error("a keyframe depends on no other frame")]
    KeyframeWithDependencies,
    /// A keyframe is of temporal layer 0.
    #[error("a keyframe is of temporal layer 0")]
    KeyframeLayer,
    /// No template of the structure is of the frame's layer.
    #[error("the structure has no template for the layer of the frame")]
    UnknownLayer,
    /// There must be one indication for each decode target.
    #[error("a frame has one indication for each decode target")]
    Indications,
    /// A frame depends on frames 1 to 4,096 before it.
    #[error("a frame depends on frames that are 1 to 4,096 before it")]
    Dependencies,
    /// A chain's previous frame is too far away to be named: a keyframe is due.
    #[error("the previous frame of a chain is more than 255 frames away")]
    ChainTooLong,
    /// The descriptor does not fit into a header extension of 255 bytes.
    #[error("the descriptor does not fit into a header extension")]
    TooLarge,
}

/// Writes the dependency descriptors of one RTP stream whose encoder names its references.
///
/// Who only knows the layer of each frame uses [`LayeredWriter`](super::LayeredWriter).
///
/// ```
/// use subrosa_rtp::extension::{DescriptorWriter, FrameDependencies, Indication, Layer, Structure, Template};
///
/// // One decode target, one chain: a keyframe and frames that depend on the one before.
/// let template = |frame_diffs, chain_diff| Template {
///     layer: Layer::default(),
///     decode_target_indications: vec![Indication::Switch],
///     frame_diffs,
///     chain_diffs: vec![chain_diff],
/// };
/// let structure = Structure::new(vec![template(vec![], 0), template(vec![1], 1)], vec![0])?;
///
/// let mut writer = DescriptorWriter::new(structure);
/// let mut frame = FrameDependencies {
///     decode_target_indications: vec![Indication::Switch],
///     ..FrameDependencies::default()
/// };
/// let keyframe = writer.next_frame(&frame, true)?;
/// frame.frame_dependencies = vec![1];
/// let next = writer.next_frame(&frame, false)?;
/// assert_eq!(next.packet(true, true), [0b1100_0001, 0, 1]); // template 1, frame 1
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DescriptorWriter {
    structure: Structure,
    /// The number of the next frame.
    next: u16,
    /// A receiver has the structure, as far as we know.
    announced: bool,
    active: u32,
    /// The mask is on every packet: a receiver cannot know it from the structure.
    tell_active: bool,
    /// For each chain how many frames before the next one its last frame was, once it has one.
    chains: Vec<Option<u32>>,
}

impl DescriptorWriter {
    /// Makes a writer whose first frame has number 0.
    pub fn new(structure: Structure) -> Self {
        Self::starting_at(0, structure)
    }

    /// Makes a writer whose first frame has this number.
    pub fn starting_at(frame_number: u16, structure: Structure) -> Self {
        Self {
            active: structure.all_active(),
            chains: vec![None; structure.chains()],
            structure,
            next: frame_number,
            announced: false,
            tell_active: false,
        }
    }

    /// Returns the structure.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// Takes another structure, and has all decode targets active: the next frame must be a keyframe.
    ///
    /// Its template ids are moved behind those of the structure before (A.8.3).
    pub fn set_structure(&mut self, structure: Structure) {
        let known = if self.announced { self.structure.templates().len() } else { 0 };
        let offset = self.structure.id_of(known);
        *self = Self::starting_at(self.next, structure.with_template_id_offset(offset));
    }

    /// Says which decode targets are still produced, a bit each, the lowest for the first.
    ///
    /// From the next frame on every packet tells it (A.4, the second of its three ways: no loss can hide it),
    /// until all are active again and a keyframe was written.
    pub fn set_active_decode_targets(&mut self, mask: u32) {
        self.active = mask & self.structure.all_active();
    }

    /// Describes the next frame in decoding order; a keyframe carries the structure.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the writer is as it was, and the frame has no number.
    pub fn next_frame(
        &mut self,
        frame: &FrameDependencies,
        keyframe: bool,
    ) -> Result<FrameHeader, WriteError> {
        if !self.announced && !keyframe {
            return Err(WriteError::KeyframeNeeded);
        }
        if keyframe && !frame.frame_dependencies.is_empty() {
            return Err(WriteError::KeyframeWithDependencies);
        }
        if frame.decode_target_indications.len() != self.structure.decode_targets() {
            return Err(WriteError::Indications);
        }
        if frame.frame_dependencies.iter().any(|diff| !(1..=4096).contains(diff)) {
            return Err(WriteError::Dependencies);
        }
        let chain_diffs = self.chain_diffs(keyframe)?;
        let all_active = self.active == self.structure.all_active();
        let tell_active = !all_active || self.tell_active && !keyframe;
        let choice = self.choose(frame, &chain_diffs).ok_or(WriteError::UnknownLayer)?;
        let header = FrameHeader {
            first: self.encode(frame, &chain_diffs, choice, keyframe, tell_active),
            other: self.encode(frame, &chain_diffs, choice, false, tell_active),
        };
        if header.first.len().max(header.other.len()) > MAX_BYTES {
            return Err(WriteError::TooLarge);
        }
        self.next = self.next.wrapping_add(1);
        self.announced = true;
        self.tell_active = tell_active;
        for (chain, since) in self.chains.iter_mut().enumerate() {
            let is_part = self.structure.is_in_chain(chain, &frame.decode_target_indications);
            *since = match *since {
                _ if is_part => Some(1),
                Some(since) if !keyframe => Some(since.saturating_add(1)),
                _ => None, // nothing before a keyframe is needed
            };
        }
        Ok(header)
    }

    /// How far back each chain's last frame is: 0 if none is needed, `None` if nobody follows the chain.
    fn chain_diffs(&self, keyframe: bool) -> Result<Vec<Option<u8>>, WriteError> {
        let diff = |(chain, since): (usize, &Option<u32>)| match *since {
            _ if !self.structure.is_chain_active(chain, self.active) => Ok(None),
            Some(since) if !keyframe => u8::try_from(since).map(Some).map_err(|_| WriteError::ChainTooLong),
            _ => Ok(Some(0)),
        };
        self.chains.iter().enumerate().map(diff).collect()
    }

    /// Finds the template that leaves the fewest bits to write.
    fn choose(&self, frame: &FrameDependencies, chain_diffs: &[Option<u8>]) -> Option<Choice> {
        let templates = self.structure.templates().iter().enumerate();
        templates
            .filter(|(_, template)| template.layer == frame.layer)
            .map(|(index, template)| Choice::of(index, template, frame, chain_diffs))
            .min_by_key(|choice| choice.bits)
    }

    /// Writes `dependency_descriptor`, the marks of the packet unset.
    fn encode(
        &self,
        frame: &FrameDependencies,
        chain_diffs: &[Option<u8>],
        choice: Choice,
        with_structure: bool,
        tell_active: bool,
    ) -> Vec<u8> {
        let mut bits = BitWriter::default();
        bits.bits(0, 2);
        bits.bits(self.structure.id_of(choice.template).into(), 6);
        bits.bits(self.next.into(), 16);
        if !with_structure && !tell_active && choice.bits == 0 {
            return bits.into_bytes();
        }
        bits.flag(with_structure);
        bits.flag(tell_active);
        bits.flag(choice.indications);
        bits.flag(choice.frame_diffs);
        bits.flag(choice.chains);
        if with_structure {
            write_structure(&mut bits, &self.structure);
        }
        if tell_active {
            bits.bits(self.active, self.structure.all_active().count_ones());
        }
        if choice.indications {
            write_indications(&mut bits, &frame.decode_target_indications);
        }
        if choice.frame_diffs {
            for &diff in &frame.frame_dependencies {
                let nibbles = nibbles(diff);
                bits.bits(nibbles, 2);
                bits.bits(u32::from(diff) - 1, 4 * nibbles);
            }
            bits.bits(0, 2);
        }
        if choice.chains {
            for diff in chain_diffs {
                bits.bits(diff.unwrap_or_default().into(), 8);
            }
        }
        bits.into_bytes()
    }
}

/// The descriptors of one frame's packets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// For the first packet: the only one that carries a structure.
    first: Vec<u8>,
    other: Vec<u8>,
}

impl FrameHeader {
    /// Returns the header extension of a packet: 3 bytes if a template says it all, at most 255.
    pub fn packet(&self, first: bool, last: bool) -> Vec<u8> {
        let mut bytes = if first { self.first.clone() } else { self.other.clone() };
        if let Some(byte) = bytes.first_mut() {
            *byte |= u8::from(first) << 7 | u8::from(last) << 6;
        }
        bytes
    }

    /// Returns the length of the longest extension, for those who plan the size of packets.
    pub fn max_len(&self) -> usize {
        self.first.len().max(self.other.len())
    }
}

/// A template for a frame, and which of its fields are to be overridden.
#[derive(Debug, Clone, Copy)]
struct Choice {
    template: usize,
    indications: bool,
    frame_diffs: bool,
    chains: bool,
    /// What the overriding fields take.
    bits: usize,
}

impl Choice {
    fn of(index: usize, template: &Template, frame: &FrameDependencies, chain_diffs: &[Option<u8>]) -> Self {
        let indications = template.decode_target_indications != frame.decode_target_indications;
        let in_template = template.frame_diffs.iter().map(|&diff| u16::from(diff));
        let frame_diffs = !in_template.eq(frame.frame_dependencies.iter().copied());
        // A.5: a chain that protects no active decode target may say anything.
        let mut pairs = template.chain_diffs.iter().zip(chain_diffs);
        let chains = pairs.any(|(&in_template, diff)| diff.is_some_and(|diff| diff != in_template));
        let mut bits = 0;
        if indications {
            bits += 2 * frame.decode_target_indications.len();
        }
        if frame_diffs {
            let each = frame.frame_dependencies.iter().map(|&diff| 2 + 4 * nibbles(diff) as usize);
            bits += each.sum::<usize>() + 2;
        }
        if chains {
            bits += 8 * chain_diffs.len();
        }
        Self { template: index, indications, frame_diffs, chains, bits }
    }
}

/// How many times 4 bits a frame difference takes.
fn nibbles(diff: u16) -> u32 {
    match diff {
        0..=16 => 1,
        17..=256 => 2,
        _ => 3,
    }
}

/// Writes `template_dependency_structure`.
fn write_structure(bits: &mut BitWriter, structure: &Structure) {
    let templates = structure.templates();
    debug_assert!((1..=MAX_TEMPLATES).contains(&templates.len()));
    let decode_targets = structure.all_active().count_ones();
    bits.bits(structure.template_id_offset().into(), 6);
    bits.bits(decode_targets - 1, 5);
    for (before, after) in templates.iter().zip(templates.iter().skip(1)) {
        let idc = next_layer_idc(before.layer, after.layer);
        bits.bits(idc.expect("`Structure::new` refuses other steps"), 2);
    }
    bits.bits(3, 2);
    for template in templates {
        write_indications(bits, &template.decode_target_indications);
    }
    for template in templates {
        for &diff in &template.frame_diffs {
            bits.flag(true);
            bits.bits(u32::from(diff) - 1, 4);
        }
        bits.flag(false);
    }
    let small = |count: usize| u8::try_from(count).expect("`Structure::new` refuses more than 32");
    let chains = small(structure.chains());
    bits.non_symmetric(chains, small(structure.decode_targets()) + 1);
    for &chain in structure.protected_by() {
        bits.non_symmetric(chain, chains);
    }
    for &diff in templates.iter().flat_map(|template| &template.chain_diffs) {
        bits.bits(diff.into(), 4);
    }
    bits.flag(!structure.resolutions().is_empty());
    for resolution in structure.resolutions() {
        bits.bits(resolution.width - 1, 16);
        bits.bits(resolution.height - 1, 16);
    }
}

fn write_indications(bits: &mut BitWriter, indications: &[Indication]) {
    for indication in indications {
        bits.bits(indication.to_bits(), 2);
    }
}
