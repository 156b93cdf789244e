//! Dependency descriptors of a stream: what cannot be read changes nothing that is remembered, and what a reader makes of one, a
//! writer writes and another reader reads.

use subrosa_rtp::extension::{
    DescriptorReader, DescriptorWriter, FrameDependencies, FrameDescriptor, InterLayer, Layer, LayeredWriter,
    Resolution, ScalabilityMode, Structure,
};

use crate::Target;

/// Layout: descriptors, each its length (1 byte) and its bytes.
pub const TARGET: Target = Target { name: "dependency_descriptor", run, seeds };

fn run(mut data: &[u8]) {
    let mut reader = DescriptorReader::new();
    while let Some((len, rest)) = data.split_first() {
        let (descriptor, rest) = rest.split_at(rest.len().min((*len).into()));
        data = rest;
        let before = reader.structure().cloned();
        match reader.read(descriptor) {
            Err(_) => assert_eq!(reader.structure(), before.as_ref(), "a refused one is remembered"),
            Ok(read) => {
                let structure = read.structure.as_ref().or(before.as_ref()).expect("one is known");
                holds(&read, structure);
                if let Some(structure) = &read.structure {
                    is_written(&read, structure);
                }
            }
        }
    }
}

fn holds(read: &FrameDescriptor, structure: &Structure) {
    let targets = structure.decode_targets();
    assert_eq!(read.decode_target_indications.len(), targets);
    assert_eq!(read.depends_on().count(), read.frame_dependencies.len());
    assert!(read.frame_dependencies.iter().all(|diff| (1..=4_096).contains(diff)));
    assert_eq!(read.chain_diffs.len(), structure.chains());
    for target in 0..=targets {
        let needs = [read.needed_for(target), read.may_be_dropped_for(target), read.may_switch_to(target)];
        assert_eq!(needs[0], read.indication(target).is_present());
        assert!(needs[0] || needs[1], "neither needed nor to be dropped");
        assert!(!(needs[1] && needs[2]), "dropped and switched to");
        assert_eq!(structure.layer_of(target).is_some(), target < targets);
        assert!(structure.chain_of(target).is_none_or(|chain| chain < structure.chains()));
    }
    let layer = Layer { spatial_id: read.spatial_id, temporal_id: read.temporal_id };
    let wanted = structure.decode_target(layer, read.active_decode_targets);
    assert!(wanted.is_none_or(|target| target < targets && read.active_decode_targets >> target & 1 == 1));
    assert!(usize::from(read.spatial_id) < structure.spatial_layers());
    assert!(structure.resolutions().len() <= structure.spatial_layers());
    let too_many = vec![Resolution { width: 1, height: 1 }; structure.spatial_layers() + 1];
    assert!(structure.clone().with_resolutions(too_many).is_err());
    assert_eq!(read.is_keyframe(), read.frame_dependencies.is_empty());
}

/// A structure that was read can be written, and comes back as it was.
fn is_written(read: &FrameDescriptor, structure: &Structure) {
    let mut writer = DescriptorWriter::starting_at(read.frame_number, structure.clone());
    let frame = FrameDependencies {
        layer: Layer { spatial_id: read.spatial_id, temporal_id: read.temporal_id },
        decode_target_indications: read.decode_target_indications.clone(),
        frame_dependencies: Vec::new(),
    };
    let Ok(header) = writer.next_frame(&frame, true) else { return }; // too large for an extension, then
    let again = DescriptorReader::new().read(&header.packet(true, true)).expect("it was just written");
    assert_eq!(again.structure.as_ref(), Some(structure));
    assert_eq!(again.decode_target_indications, read.decode_target_indications);
    assert_eq!(
        (again.frame_number, again.start_of_frame, again.end_of_frame),
        (read.frame_number, true, true)
    );
    assert_eq!((again.spatial_id, again.temporal_id), (read.spatial_id, read.temporal_id));
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, inter_layer) in [("all", InterLayer::Always), ("key", InterLayer::OnKeyframes)] {
        for (spatial, temporal) in [(1, 1), (1, 3), (2, 1), (3, 3)] {
            let Ok(mode) = ScalabilityMode::new(spatial, temporal, inter_layer) else { continue };
            let mut writer = LayeredWriter::starting_at(0xfffe, mode);
            let sizes = (1..=u32::from(spatial)).map(|n| Resolution { width: 320 * n, height: 180 * n });
            if temporal == 3 {
                writer.set_resolutions(sizes.collect()).expect("one for each layer");
            }
            let mut input = Vec::new();
            for picture in 0..6 {
                if picture == 4 {
                    writer.set_active_decode_targets(1);
                }
                for spatial_id in 0..if picture < 4 { spatial } else { 1 } {
                    let layer =
                        Layer { spatial_id, temporal_id: [0, 2, 1, 2][picture % 4].min(temporal - 1) };
                    let Ok(header) = writer.next_frame(layer, picture == 0) else { continue };
                    let packet = header.packet(true, picture % 2 == 0);
                    input.push(u8::try_from(packet.len()).expect("an extension is short"));
                    input.extend(packet);
                }
            }
            seeds.push((format!("L{spatial}T{temporal}-{name}"), input));
        }
    }
    seeds
}
