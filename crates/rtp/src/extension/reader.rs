//! Reading dependency descriptors.

use super::{
    MAX_BYTES,
    bits::{BitReader, Truncated},
    frame::FrameDescriptor,
    structure::{
        Indication, Layer, MAX_SPATIAL_ID, MAX_TEMPLATES, MAX_TEMPORAL_ID, Resolution, Structure, Template,
    },
};

/// A keyframe's packet that comes at most this many frames late does not bring its old structure back; one from
/// further behind is a stream that began anew. Two seconds at 60 frames a second.
const REORDERED: u16 = 128;

/// Why a descriptor cannot be used; what was remembered is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The bytes end inside a field.
    #[error("the dependency descriptor is truncated")]
    Truncated,
    /// There are more bytes than a header extension can carry.
    #[error("the dependency descriptor is longer than a header extension")]
    TooLong,
    /// The structure has more than 64 templates.
    #[error("the structure has too many templates")]
    TooManyTemplates,
    /// The structure has more than 4 spatial or 8 temporal layers.
    #[error("the structure has too many layers")]
    TooManyLayers,
    /// A structure is attached to a packet in the middle of a frame.
    #[error("a structure is attached to a packet that does not begin a frame")]
    StructureInsideFrame,
    /// No keyframe was seen yet.
    #[error("no structure is known yet")]
    NoStructure,
    /// The template is not in the structure that is known: a keyframe was missed.
    #[error("the frame names a template that is not known")]
    UnknownTemplate,
}

impl From<Truncated> for DescriptorError {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

/// Reads the dependency descriptors of one RTP stream.
///
/// Packets are read in the order in which they come: each refers to the structure that a keyframe brought, and which
/// only a later valid one replaces. After an error, ask the sender for a keyframe if it is
/// [`NoStructure`](DescriptorError::NoStructure) or [`UnknownTemplate`](DescriptorError::UnknownTemplate); the
/// others say that the packet's extension is of no use.
///
/// ```
/// use subrosa_rtp::extension::{DescriptorError, DescriptorReader};
///
/// let mut reader = DescriptorReader::new();
/// assert_eq!(reader.read(&[0xC0, 0x12, 0x34]), Err(DescriptorError::NoStructure));
/// ```
#[derive(Debug, Clone, Default)]
pub struct DescriptorReader {
    known: Option<Known>,
}

/// What is remembered from packet to packet.
#[derive(Debug, Clone)]
struct Known {
    structure: Structure,
    /// The frame that brought it.
    since: u16,
    active: u32,
    /// The frame that last said what is active.
    active_since: u16,
}

impl DescriptorReader {
    /// Makes a reader that knows no structure yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the structure of the latest keyframe.
    pub fn structure(&self) -> Option<&Structure> {
        self.known.as_ref().map(|known| &known.structure)
    }

    /// Reads the data of a header extension element, without its id and length.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`]; what is remembered stays.
    pub fn read(&mut self, data: &[u8]) -> Result<FrameDescriptor, DescriptorError> {
        let (descriptor, active) = self.parse(data)?;
        self.remember(&descriptor, active);
        Ok(descriptor)
    }

    /// Reads a descriptor, and the mask of active decode targets if the packet itself tells one.
    fn parse(&self, data: &[u8]) -> Result<(FrameDescriptor, Option<u32>), DescriptorError> {
        if data.len() > MAX_BYTES {
            return Err(DescriptorError::TooLong);
        }
        let mut bits = BitReader::new(data);
        let start_of_frame = bits.flag()?;
        let end_of_frame = bits.flag()?;
        let template_id = bits.small(6)?;
        let frame_number = u16::try_from(bits.bits(16)?).map_err(|_| DescriptorError::Truncated)?;
        let extended = if data.len() > 3 { Extended::read(&mut bits)? } else { Extended::default() };
        if extended.structure.is_some() && !start_of_frame {
            // A.8.3: only the first packet of a coded video sequence has one.
            return Err(DescriptorError::StructureInsideFrame);
        }
        let known = self.known.as_ref();
        let structure = extended.structure.as_ref().or(known.map(|known| &known.structure));
        let structure = structure.ok_or(DescriptorError::NoStructure)?;
        let told = if extended.has_active {
            let mask = bits.bits(structure.all_active().count_ones())?;
            Some(mask)
        } else {
            // A.4: a structure without a mask means that all are active.
            extended.structure.as_ref().map(Structure::all_active)
        };
        let active = told.or(known.map(|known| known.active)).unwrap_or_default();
        let template = structure.template_by_id(template_id).ok_or(DescriptorError::UnknownTemplate)?;
        let decode_target_indications = if extended.custom_indications {
            read_indications(&mut bits, structure.decode_targets())?
        } else {
            template.decode_target_indications.clone()
        };
        let frame_dependencies = if extended.custom_frame_diffs {
            read_frame_diffs(&mut bits)?
        } else {
            template.frame_diffs.iter().map(|&diff| diff.into()).collect()
        };
        let chain_diffs = if extended.custom_chains {
            (0..structure.chains()).map(|_| bits.small(8)).collect::<Result<_, _>>()?
        } else {
            template.chain_diffs.clone()
        };
        // What is left is padding, to be ignored (A.8.3).
        let descriptor = FrameDescriptor {
            start_of_frame,
            end_of_frame,
            frame_number,
            spatial_id: template.layer.spatial_id,
            temporal_id: template.layer.temporal_id,
            decode_target_indications,
            frame_dependencies,
            chain_diffs,
            active_decode_targets: active,
            resolution: structure.resolutions().get(usize::from(template.layer.spatial_id)).copied(),
            structure: extended.structure,
        };
        Ok((descriptor, told))
    }

    fn remember(&mut self, descriptor: &FrameDescriptor, told: Option<u32>) {
        let frame = descriptor.frame_number;
        let is_late = |since: u16| (1..=REORDERED).contains(&since.wrapping_sub(frame));
        match (&descriptor.structure, &mut self.known) {
            (Some(_), Some(known)) if is_late(known.since) => {}
            (Some(structure), known) => {
                *known = Some(Known {
                    structure: structure.clone(),
                    since: frame,
                    active: descriptor.active_decode_targets,
                    active_since: frame,
                });
            }
            (None, Some(known)) => {
                if let Some(active) = told
                    && !is_late(known.active_since)
                {
                    known.active = active;
                    known.active_since = frame;
                }
            }
            (None, None) => {}
        }
    }
}

/// The fields behind the first three bytes and before the frame's own (A.8.2, `extended_descriptor_fields`).
#[derive(Debug, Default)]
struct Extended {
    structure: Option<Structure>,
    /// The mask follows; how long it is, the structure says.
    has_active: bool,
    custom_indications: bool,
    custom_frame_diffs: bool,
    custom_chains: bool,
}

impl Extended {
    fn read(bits: &mut BitReader<'_>) -> Result<Self, DescriptorError> {
        let has_structure = bits.flag()?;
        let has_active = bits.flag()?;
        let custom_indications = bits.flag()?;
        let custom_frame_diffs = bits.flag()?;
        let custom_chains = bits.flag()?;
        let structure = if has_structure { Some(read_structure(bits)?) } else { None };
        Ok(Self { structure, has_active, custom_indications, custom_frame_diffs, custom_chains })
    }
}

/// Reads `template_dependency_structure`.
fn read_structure(bits: &mut BitReader<'_>) -> Result<Structure, DescriptorError> {
    let offset = bits.small(6)?;
    let decode_targets = usize::from(bits.small(5)?) + 1;
    let mut templates = read_layers(bits)?;
    for template in &mut templates {
        template.decode_target_indications = read_indications(bits, decode_targets)?;
    }
    for template in &mut templates {
        while bits.flag()? {
            template.frame_diffs.push(bits.small(4)? + 1);
        }
    }
    let most_chains = u8::try_from(decode_targets).unwrap_or(u8::MAX); // at most 32
    let chains = bits.non_symmetric(most_chains + 1)?;
    let mut protected_by = Vec::new();
    if chains > 0 {
        for _ in 0..decode_targets {
            protected_by.push(bits.non_symmetric(chains)?);
        }
        for template in &mut templates {
            template.chain_diffs = (0..chains).map(|_| bits.small(4)).collect::<Result<_, _>>()?;
        }
    }
    let mut resolutions = Vec::new();
    if bits.flag()? {
        let spatial_layers = templates.last().map_or(0, |last| last.layer.spatial_id + 1);
        for _ in 0..spatial_layers {
            resolutions.push(Resolution { width: bits.bits(16)? + 1, height: bits.bits(16)? + 1 });
        }
    }
    let structure = Structure::new(templates, protected_by)
        .and_then(|structure| structure.with_resolutions(resolutions))
        .expect("the format has no bits for an invalid one, but for what `read_layers` refuses");
    Ok(structure.with_template_id_offset(offset))
}

/// Reads `template_layers`: the templates, nothing known of them but their layers.
fn read_layers(bits: &mut BitReader<'_>) -> Result<Vec<Template>, DescriptorError> {
    let mut layer = Layer::default();
    let mut templates = Vec::new();
    loop {
        if templates.len() == MAX_TEMPLATES {
            return Err(DescriptorError::TooManyTemplates);
        }
        templates.push(Template { layer, ..Template::default() });
        match bits.small(2)? {
            0 => {}
            1 => layer.temporal_id += 1,
            2 => layer = Layer { spatial_id: layer.spatial_id + 1, temporal_id: 0 },
            _ => return Ok(templates),
        }
        if layer.spatial_id > MAX_SPATIAL_ID || layer.temporal_id > MAX_TEMPORAL_ID {
            return Err(DescriptorError::TooManyLayers);
        }
    }
}

fn read_indications(bits: &mut BitReader<'_>, count: usize) -> Result<Vec<Indication>, Truncated> {
    (0..count).map(|_| bits.small(2).map(Indication::from_bits)).collect()
}

/// Reads `frame_fdiffs`.
fn read_frame_diffs(bits: &mut BitReader<'_>) -> Result<Vec<u16>, DescriptorError> {
    let mut diffs = Vec::new();
    loop {
        let nibbles = bits.bits(2)?;
        if nibbles == 0 {
            return Ok(diffs);
        }
        let diff = bits.bits(4 * nibbles)? + 1;
        diffs.push(u16::try_from(diff).map_err(|_| DescriptorError::Truncated)?); // at most 12 bits
    }
}
