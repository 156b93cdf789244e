//! Whatever a valid structure and frame say comes back; whatever else comes changes nothing.

use proptest::{
    collection::{SizeRange, vec},
    prelude::*,
    sample::{Index, select},
};
use subrosa_rtp::extension::{
    DescriptorReader, DescriptorWriter, FrameDependencies, FrameMarking, Indication, Layer, Resolution,
    Structure, Template, WriteError,
};

fn indication() -> impl Strategy<Value = Indication> {
    use Indication::{Discardable, NotPresent, Required, Switch};
    select(vec![NotPresent, Discardable, Switch, Required])
}

fn indications(targets: usize) -> impl Strategy<Value = Vec<Indication>> {
    vec(indication(), SizeRange::from(targets))
}

/// A structure of any shape that the format knows, but for those too large for a header extension.
fn structure() -> impl Strategy<Value = Structure> {
    let shape = (1_usize..=32).prop_flat_map(|targets| (Just(targets), 0..=targets, vec(0_u8..3, 0..64)));
    shape.prop_flat_map(|(targets, chains, steps)| {
        let mut layers = vec![Layer::default()];
        let mut layer = Layer::default();
        for step in steps {
            match step {
                1 if layer.temporal_id < 7 => layer.temporal_id += 1,
                2 if layer.spatial_id < 3 => {
                    layer = Layer { spatial_id: layer.spatial_id + 1, temporal_id: 0 }
                }
                _ => {}
            }
            layers.push(layer);
        }
        let size = prop_oneof![Just(1), 1_u32..=65_536, Just(65_536)];
        let sizes = vec((size.clone(), size), usize::from(layer.spatial_id) + 1);
        let rest = vec((indications(targets), vec(1_u8..=16, 0..4), vec(0_u8..16, chains)), layers.len());
        let by =
            vec(0..u8::try_from(chains.max(1)).expect("at most 32"), if chains == 0 { 0 } else { targets });
        (Just(layers), rest, by, proptest::option::of(sizes), 0_u8..64).prop_map(
            |(layers, rest, by, sizes, offset)| {
                let templates =
                    layers.into_iter().zip(rest).map(|(layer, (dtis, frame_diffs, chain_diffs))| Template {
                        layer,
                        decode_target_indications: dtis,
                        frame_diffs,
                        chain_diffs,
                    });
                let sizes = sizes.unwrap_or_default().into_iter();
                let sizes = sizes.map(|(width, height)| Resolution { width, height });
                let structure = Structure::new(templates.collect(), by).expect("valid by construction");
                let structure = structure.with_resolutions(sizes.collect()).expect("one for each layer");
                structure.with_template_id_offset(offset)
            },
        )
    })
}

/// What a frame says of itself: from a template or not, and whether it keeps to it.
#[derive(Debug, Clone)]
struct Plan {
    template: Index,
    keeps: [bool; 2],
    indications: Vec<Indication>,
    dependencies: Vec<u16>,
    mask: Option<u32>,
    keyframe: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let diff = prop_oneof![1_u16..=16, 17_u16..=256, 257_u16..=4_096];
    (
        any::<Index>(),
        any::<[bool; 2]>(),
        indications(32),
        vec(diff, 0..6),
        prop_oneof![4 => Just(None), 1 => any::<u32>().prop_map(Some)],
        prop::bool::weighted(0.1),
    )
        .prop_map(|(template, keeps, indications, dependencies, mask, keyframe)| Plan {
            template,
            keeps,
            indications,
            dependencies,
            mask,
            keyframe,
        })
}

fn frame(plan: &Plan, keyframe: bool, structure: &Structure) -> FrameDependencies {
    let template = plan.template.get(structure.templates());
    let mut frame = FrameDependencies {
        layer: template.layer,
        decode_target_indications: template.decode_target_indications.clone(),
        frame_dependencies: template.frame_diffs.iter().map(|&diff| diff.into()).collect(),
    };
    if !plan.keeps[0] {
        frame.decode_target_indications = plan.indications[..structure.decode_targets()].to_vec();
    }
    if keyframe {
        frame.frame_dependencies.clear();
    } else if !plan.keeps[1] {
        frame.frame_dependencies = plan.dependencies.clone();
    }
    frame
}

/// A.6, `PartOfActiveChain`, as the specification has it.
fn part_of_chain(structure: &Structure, chain: usize, indications: &[Indication]) -> bool {
    let mut protects = false;
    for (target, indication) in indications.iter().enumerate() {
        if structure.chain_of(target) == Some(chain) {
            protects = true;
            if matches!(indication, Indication::NotPresent | Indication::Discardable) {
                return false;
            }
        }
    }
    protects
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn what_is_written_is_read(
        structure in structure(),
        first in any::<u16>(),
        plans in vec(plan(), 1..60),
    ) {
        let all = u32::MAX >> (32 - structure.decode_targets());
        let mut writer = DescriptorWriter::starting_at(first, structure.clone());
        let mut reader = DescriptorReader::new();
        let mut number = first;
        let mut active = all;
        // For each chain the count of its last frame, if one is needed.
        let mut chains: Vec<Option<usize>> = vec![None; structure.chains()];
        let mut written = 0_usize;
        for plan in &plans {
            let keyframe = written == 0 || plan.keyframe;
            if let Some(mask) = plan.mask {
                writer.set_active_decode_targets(mask);
                active = mask & all;
            }
            let frame = frame(plan, keyframe, &structure);
            let header = match writer.next_frame(&frame, keyframe) {
                Ok(header) => header,
                Err(WriteError::TooLarge) => continue,
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            };
            for (is_first, is_last) in [(true, false), (false, false), (false, true)] {
                let bytes = header.packet(is_first, is_last);
                prop_assert!(bytes.len() <= header.max_len());
                let read = reader.read(&bytes).expect("what is written is valid");
                prop_assert_eq!((read.start_of_frame, read.end_of_frame), (is_first, is_last));
                prop_assert_eq!(read.frame_number, number);
                prop_assert_eq!((read.spatial_id, read.temporal_id), (frame.layer.spatial_id, frame.layer.temporal_id));
                prop_assert_eq!(&read.decode_target_indications, &frame.decode_target_indications);
                prop_assert_eq!(&read.frame_dependencies, &frame.frame_dependencies);
                prop_assert_eq!(read.active_decode_targets, active);
                let size = structure.resolutions().get(usize::from(frame.layer.spatial_id)).copied();
                prop_assert_eq!(read.resolution, size);
                let attached = (keyframe && is_first).then_some(&structure);
                prop_assert_eq!(read.structure.as_ref(), attached);
                for (chain, &diff) in read.chain_diffs.iter().enumerate() {
                    let followed = (0..32).any(|dt| structure.chain_of(dt) == Some(chain) && active >> dt & 1 == 1);
                    if followed {
                        let expected = if keyframe { 0 } else { chains[chain].map_or(0, |last| written - last) };
                        prop_assert_eq!(usize::from(diff), expected);
                    }
                }
            }
            prop_assert_eq!(reader.structure(), Some(&structure));
            for (chain, last) in chains.iter_mut().enumerate() {
                if part_of_chain(&structure, chain, &frame.decode_target_indications) {
                    *last = Some(written);
                } else if keyframe {
                    *last = None;
                }
            }
            number = number.wrapping_add(1);
            written += 1;
        }
    }

    #[test]
    fn hostile_bytes_change_nothing_unless_they_are_valid(
        structure in structure(),
        noise in vec(vec(any::<u8>(), 0..300), 0..20),
        changes in vec((any::<Index>(), any::<u8>(), any::<Index>()), 0..20),
    ) {
        let keyframe = FrameDependencies {
            decode_target_indications: vec![Indication::Switch; structure.decode_targets()],
            ..FrameDependencies::default()
        };
        let mut writer = DescriptorWriter::new(structure);
        let Ok(header) = writer.next_frame(&keyframe, true) else { return Ok(()) };
        let keyframe = header.packet(true, false);
        let mut reader = DescriptorReader::new();
        reader.read(&keyframe).expect("what is written is valid");
        let changed = changes.into_iter().map(|(place, byte, len)| {
            let mut bytes = keyframe.clone();
            bytes[place.index(keyframe.len())] ^= byte;
            bytes.truncate(len.index(keyframe.len() + 1));
            bytes
        });
        for bytes in noise.into_iter().chain(changed) {
            let before = format!("{reader:?}");
            let structure_before = reader.structure().cloned();
            match reader.read(&bytes) {
                Err(_) => prop_assert_eq!(format!("{reader:?}"), before),
                Ok(read) if read.structure.is_none() => prop_assert_eq!(reader.structure(), structure_before.as_ref()),
                Ok(read) => {
                    // What replaces it is as valid as what can be made by hand, and is written the same.
                    let new = read.structure.expect("just seen");
                    let by = (0..new.decode_targets()).filter_map(|dt| new.chain_of(dt)).map(|c| c as u8);
                    let made = Structure::new(new.templates().to_vec(), by.collect())
                        .and_then(|made| made.with_resolutions(new.resolutions().to_vec()))
                        .expect("valid");
                    prop_assert_eq!(made.with_template_id_offset(new.template_id_offset()), new);
                }
            }
        }
    }

    #[test]
    fn frame_markings_of_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..6)) {
        prop_assert_eq!(FrameMarking::parse(&bytes).is_ok(), (1..=3).contains(&bytes.len()));
    }
}
