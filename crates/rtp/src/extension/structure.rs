//! What a stream's frames have in common: templates, decode targets and chains.

/// The template ids on the wire have 6 bits.
pub(super) const MAX_TEMPLATES: usize = 64;
/// The mask of active decode targets has at most 32 bits.
const MAX_DECODE_TARGETS: usize = 32;
/// AV1 has 2 bits for a spatial id and 3 for a temporal one; libwebrtc refuses more in a descriptor too.
pub(super) const MAX_SPATIAL_ID: u8 = 3;
pub(super) const MAX_TEMPORAL_ID: u8 = 7;

/// A place in the grid of layers, or the highest place that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Layer {
    /// The spatial or quality layer, 0 to 3; 0 is the base.
    pub spatial_id: u8,
    /// The temporal layer, 0 to 7; 0 is the base.
    pub temporal_id: u8,
}

/// What a frame is to one decode target (AV1 RTP, table A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Indication {
    /// The frame is no part of the decode target.
    #[default]
    NotPresent,
    /// It belongs to it, but no other frame of it depends on this one.
    Discardable,
    /// It belongs to it, and who can decode it can decode all later frames of the decode target.
    Switch,
    /// It belongs to it, with neither of these properties.
    Required,
}

impl Indication {
    pub(super) fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }

    pub(super) fn to_bits(self) -> u32 {
        match self {
            Self::NotPresent => 0,
            Self::Discardable => 1,
            Self::Switch => 2,
            Self::Required => 3,
        }
    }

    /// Returns whether the frame belongs to the decode target.
    pub fn is_present(self) -> bool {
        self != Self::NotPresent
    }
}

/// The largest size, in pixels, that frames of a spatial layer are rendered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// 1 to 65,536 pixels.
    pub width: u32,
    /// 1 to 65,536 pixels.
    pub height: u32,
}

/// The description that many frames share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Template {
    /// Where the frames are in the grid of layers.
    pub layer: Layer,
    /// What the frames are to each decode target.
    pub decode_target_indications: Vec<Indication>,
    /// How many frames before are those that the frames depend on, each 1 to 16.
    pub frame_diffs: Vec<u8>,
    /// For each chain, how many frames before is its previous frame, 0 to 15; 0: none is needed.
    pub chain_diffs: Vec<u8>,
}

/// A frame dependency structure: what a keyframe tells of all frames that follow.
///
/// A *decode target* is what a subscriber can ask for, such as 15 frames per second in medium size. A *chain* is
/// the frames without which some decode targets break, so that a loss in it is seen at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Structure {
    template_id_offset: u8,
    decode_targets: u8,
    chains: u8,
    /// Ordered by layer, 1 to 64.
    templates: Vec<Template>,
    /// For each decode target its chain; empty if there are no chains.
    protected_by: Vec<u8>,
    /// One for each spatial layer, or none at all.
    resolutions: Vec<Resolution>,
    /// For each decode target the highest layer in it.
    target_layers: Vec<Layer>,
}

/// Why a structure cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStructure {
    /// There must be 1 to 64 templates.
    #[error("a structure has 1 to 64 templates")]
    Templates,
    /// There must be 1 to 32 decode targets, the same number in each template.
    #[error("a structure has 1 to 32 decode targets, the same in each template")]
    DecodeTargets,
    /// There must be as many chain differences in each template, at most one a decode target, of 0 to 15.
    #[error("each template has the same number of chain differences of 0 to 15, at most one a decode target")]
    Chains,
    /// With chains, each decode target names one of them; without, none does.
    #[error("each decode target is protected by one of the chains if there are any")]
    Protection,
    /// Frame differences in a template are 1 to 16.
    #[error("a frame difference in a template is 1 to 16")]
    FrameDiffs,
    /// Templates begin at layer 0, 0 and go on to the next temporal or spatial layer without a gap.
    #[error("templates are ordered by layer, without gaps")]
    Layers,
    /// There is one resolution for each spatial layer or none, of 1 to 65,536 pixels.
    #[error("a structure has a resolution of 1 to 65,536 pixels for each spatial layer, or none")]
    Resolutions,
}

impl Structure {
    /// Makes a structure without resolutions whose template ids begin at 0.
    ///
    /// `protected_by` has the index of a chain for each decode target, or is empty if there are no chains.
    ///
    /// # Errors
    ///
    /// [`InvalidStructure`] names the rule of the format that is broken.
    pub fn new(templates: Vec<Template>, protected_by: Vec<u8>) -> Result<Self, InvalidStructure> {
        let first = templates.first().ok_or(InvalidStructure::Templates)?;
        if templates.len() > MAX_TEMPLATES {
            return Err(InvalidStructure::Templates);
        }
        let targets = first.decode_target_indications.len();
        let chains = first.chain_diffs.len();
        if targets == 0 || targets > MAX_DECODE_TARGETS {
            return Err(InvalidStructure::DecodeTargets);
        }
        if chains > targets {
            return Err(InvalidStructure::Chains);
        }
        if protected_by.len() != if chains == 0 { 0 } else { targets }
            || protected_by.iter().any(|&chain| usize::from(chain) >= chains)
        {
            return Err(InvalidStructure::Protection);
        }
        for template in &templates {
            if template.decode_target_indications.len() != targets {
                return Err(InvalidStructure::DecodeTargets);
            }
            if template.chain_diffs.len() != chains || template.chain_diffs.iter().any(|&diff| diff > 15) {
                return Err(InvalidStructure::Chains);
            }
            if template.frame_diffs.iter().any(|diff| !(1..=16).contains(diff)) {
                return Err(InvalidStructure::FrameDiffs);
            }
        }
        let in_range =
            |layer: Layer| layer.spatial_id <= MAX_SPATIAL_ID && layer.temporal_id <= MAX_TEMPORAL_ID;
        if first.layer != Layer::default() || !templates.iter().all(|template| in_range(template.layer)) {
            return Err(InvalidStructure::Layers);
        }
        let mut steps = templates.iter().zip(templates.iter().skip(1));
        if !steps.all(|(before, after)| next_layer_idc(before.layer, after.layer).is_some()) {
            return Err(InvalidStructure::Layers);
        }
        let target_layers = (0..targets).map(|target| highest_layer(&templates, target)).collect();
        Ok(Self {
            template_id_offset: 0,
            decode_targets: u8::try_from(targets).map_err(|_| InvalidStructure::DecodeTargets)?,
            chains: u8::try_from(chains).map_err(|_| InvalidStructure::Chains)?,
            templates,
            protected_by,
            resolutions: Vec::new(),
            target_layers,
        })
    }

    /// Adds the resolution of each spatial layer, or removes them if there are none.
    ///
    /// # Errors
    ///
    /// [`InvalidStructure::Resolutions`] if their number or a size is wrong.
    pub fn with_resolutions(mut self, resolutions: Vec<Resolution>) -> Result<Self, InvalidStructure> {
        let in_range = |pixels| (1..=1 << 16).contains(&pixels);
        let valid = resolutions.iter().all(|size| in_range(size.width) && in_range(size.height));
        if !valid || !(resolutions.is_empty() || resolutions.len() == self.spatial_layers()) {
            return Err(InvalidStructure::Resolutions);
        }
        self.resolutions = resolutions;
        Ok(self)
    }

    /// Has the template ids begin at `offset`, modulo 64.
    ///
    /// A structure that replaces another one must begin elsewhere (A.8.3), so that a receiver that missed it
    /// notices; [`DescriptorWriter::set_structure`](super::DescriptorWriter::set_structure) sees to that.
    #[must_use]
    pub fn with_template_id_offset(mut self, offset: u8) -> Self {
        self.template_id_offset = offset % 64;
        self
    }

    /// Returns the id of the first template.
    pub fn template_id_offset(&self) -> u8 {
        self.template_id_offset
    }

    /// Returns the templates, ordered by layer.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Returns how many decode targets there are, 1 to 32.
    pub fn decode_targets(&self) -> usize {
        self.decode_targets.into()
    }

    /// Returns how many chains there are.
    pub fn chains(&self) -> usize {
        self.chains.into()
    }

    /// Returns how many spatial layers there are.
    pub fn spatial_layers(&self) -> usize {
        self.templates.last().map_or(0, |last| usize::from(last.layer.spatial_id) + 1)
    }

    /// Returns the chain that protects a decode target.
    pub fn chain_of(&self, decode_target: usize) -> Option<usize> {
        self.protected_by.get(decode_target).map(|&chain| chain.into())
    }

    /// Returns the highest layer in a decode target.
    pub fn layer_of(&self, decode_target: usize) -> Option<Layer> {
        self.target_layers.get(decode_target).copied()
    }

    /// Returns the resolutions of the spatial layers, or nothing if they are not told.
    pub fn resolutions(&self) -> &[Resolution] {
        &self.resolutions
    }

    /// Returns the best decode target in `active` (a bit each, the lowest for the first) that has no layer above
    /// `wanted`: more spatial layers before more temporal ones.
    pub fn decode_target(&self, wanted: Layer, active: u32) -> Option<usize> {
        let within =
            |layer: Layer| layer.spatial_id <= wanted.spatial_id && layer.temporal_id <= wanted.temporal_id;
        let candidates = self.target_layers.iter().enumerate();
        candidates
            .filter(|&(target, &layer)| active >> target & 1 == 1 && within(layer))
            // Of equals the first, which `max_by_key` gives when it comes last.
            .rev()
            .max_by_key(|&(_, layer)| layer)
            .map(|(target, _)| target)
    }

    /// The mask in which every decode target is active.
    pub(super) fn all_active(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.decode_targets))
    }

    pub(super) fn protected_by(&self) -> &[u8] {
        &self.protected_by
    }

    pub(super) fn template_by_id(&self, id: u8) -> Option<&Template> {
        self.templates.get(usize::from(id + 64 - self.template_id_offset) % 64)
    }

    pub(super) fn id_of(&self, index: usize) -> u8 {
        u8::try_from((index + usize::from(self.template_id_offset)) % 64).unwrap_or_default()
    }

    /// Whether a frame with these indications belongs to a chain (A.6, `PartOfActiveChain`; what it says of a chain
    /// that nobody follows does not matter).
    pub(super) fn is_in_chain(&self, chain: usize, indications: &[Indication]) -> bool {
        let mut pairs = self.protected_by.iter().zip(indications);
        pairs.all(|(&by, indication)| {
            usize::from(by) != chain || matches!(indication, Indication::Switch | Indication::Required)
        })
    }

    /// Whether a decode target in `active` is protected by the chain (A.6, `ChainHasActiveDecodeTarget`).
    pub(super) fn is_chain_active(&self, chain: usize, active: u32) -> bool {
        let mut targets = self.protected_by.iter().enumerate();
        targets.any(|(target, &by)| usize::from(by) == chain && active >> target & 1 == 1)
    }
}

/// How the layer of a template follows from that of the one before (A.8.3, table A.2), if it can.
pub(super) fn next_layer_idc(before: Layer, after: Layer) -> Option<u32> {
    let same_spatial = before.spatial_id == after.spatial_id;
    if before == after {
        Some(0)
    } else if same_spatial && after.temporal_id == before.temporal_id + 1 {
        Some(1)
    } else if after.spatial_id == before.spatial_id + 1 && after.temporal_id == 0 {
        Some(2)
    } else {
        None
    }
}

/// The layer of a decode target (A.8.2, `decode_target_layers`).
fn highest_layer(templates: &[Template], target: usize) -> Layer {
    let mut highest = Layer::default();
    for template in templates {
        if template.decode_target_indications.get(target).is_some_and(|dti| dti.is_present()) {
            highest.spatial_id = highest.spatial_id.max(template.layer.spatial_id);
            highest.temporal_id = highest.temporal_id.max(template.layer.temporal_id);
        }
    }
    highest
}
