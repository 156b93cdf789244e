//! Dependency descriptors: vectors with their bits, and the structures of the specification's examples.

use subrosa_rtp::extension::{
    DescriptorError, DescriptorReader, DescriptorWriter, FrameDependencies, Indication, InterLayer,
    InvalidStructure, Layer, LayeredWriter, Resolution, ScalabilityMode, Structure, Template,
    UnsupportedMode, WriteError,
};

/// Puts fields as written in the specification together: `"1 000101"` is one bit and six.
fn bits(fields: &[&str]) -> Vec<u8> {
    let digits: String =
        fields.iter().flat_map(|field| field.chars()).filter(|c| !c.is_whitespace()).collect();
    let bytes = digits.as_bytes().chunks(8).map(|byte| {
        let padded = byte.iter().chain(std::iter::repeat(&b'0')).take(8);
        padded.fold(0, |value, &digit| value << 1 | (digit - b'0'))
    });
    bytes.collect()
}

fn layer(spatial_id: u8, temporal_id: u8) -> Layer {
    Layer { spatial_id, temporal_id }
}

/// Reads indications as the specification prints them.
fn indications(symbols: &str) -> Vec<Indication> {
    let indication = |symbol| match symbol {
        '-' => Indication::NotPresent,
        'D' => Indication::Discardable,
        'S' => Indication::Switch,
        'R' => Indication::Required,
        other => panic!("{other} is no indication"),
    };
    symbols.chars().map(indication).collect()
}

fn template(place: Layer, frame_diffs: &[u8], chain_diffs: &[u8], symbols: &str) -> Template {
    Template {
        layer: place,
        decode_target_indications: indications(symbols),
        frame_diffs: frame_diffs.to_vec(),
        chain_diffs: chain_diffs.to_vec(),
    }
}

/// The first packet of a keyframe of L1T1, number 1; derived by hand from A.8.2.
fn l1t1_keyframe() -> Vec<u8> {
    bits(&[
        "1 0 000000",        // start, not end, template 0
        "00000000 00000001", // frame 1
        "1 0 0 0 0",         // a structure; no mask, nothing of its own
        "000000 00000",      // ids from 0; 1 decode target
        "00 11",             // a second template of the same layer; no third one
        "10 10",             // both S
        "0",                 // template 0 depends on nothing,
        "1 0000 0",          // template 1 on the frame before
        "1",                 // ns(2): 1 chain; by which the target is protected, ns(1), takes no bits
        "0000 0001",         // the chain's frame before: none, and 1 before
        "0",                 // no resolutions
    ])
}

#[test]
fn the_keyframe_of_l1t1_is_nine_bytes() {
    let vector = l1t1_keyframe();
    assert_eq!(vector, [0x80, 0x00, 0x01, 0x80, 0x00, 0x3A, 0x41, 0x01, 0x00]);

    let mut writer = LayeredWriter::starting_at(1, ScalabilityMode::L1T1);
    let frame = writer.next_frame(Layer::default(), true).unwrap();
    assert_eq!(frame.packet(true, false), vector);
    assert_eq!(frame.packet(false, true), [0x40, 0x00, 0x01]); // only the first packet has the structure
    assert_eq!(frame.max_len(), 9);

    let mut reader = DescriptorReader::new();
    let read = reader.read(&vector).unwrap();
    assert!(read.start_of_frame && !read.end_of_frame && read.is_keyframe());
    assert_eq!(read.frame_number, 1);
    assert_eq!(read.active_decode_targets, 1);
    assert_eq!(read.structure.as_ref(), Some(writer.structure()));
    let next = reader.read(&writer.next_frame(Layer::default(), false).unwrap().packet(true, true)).unwrap();
    assert_eq!((next.frame_number, next.frame_dependencies.as_slice()), (2, [1].as_slice()));
    assert!(!next.is_keyframe() && next.structure.is_none());
}

#[test]
fn a_frame_overrides_all_that_its_template_says() {
    let mut reader = DescriptorReader::new();
    reader.read(&l1t1_keyframe()).unwrap();
    let vector = bits(&[
        "1 1 000001 00000001 00000010", // template 1, frame 258
        "0 0 1 1 1",                    // indications, dependencies and chains of its own
        "11",                           // R
        "01 0001",                      // one nibble: 2 before
        "10 00010011",                  // two: 20 before
        "11 000100101011",              // three: 300 before
        "00",                           // no more
        "00000101",                     // the chain's frame before: 5 before
    ]);
    let read = reader.read(&vector).unwrap();
    assert_eq!(read.decode_target_indications, [Indication::Required]);
    assert_eq!(read.frame_dependencies, [2, 20, 300]);
    assert_eq!(read.depends_on().collect::<Vec<_>>(), [256, 238, 65_494]);
    assert_eq!(read.chain_diffs, [5]);

    // The writer says it in the same bits.
    let mut writer = DescriptorWriter::starting_at(253, reader.structure().unwrap().clone());
    let mut frame =
        FrameDependencies { decode_target_indications: indications("S"), ..FrameDependencies::default() };
    writer.next_frame(&frame, true).unwrap();
    frame.decode_target_indications = indications("D"); // no part of the chain
    for _ in 254..258 {
        writer.next_frame(&frame, false).unwrap();
    }
    frame.decode_target_indications = indications("R");
    frame.frame_dependencies = vec![2, 20, 300];
    let mut expected = vector;
    expected[0] = 0b1100_0000; // either template would do, so it takes the first
    assert_eq!(writer.next_frame(&frame, false).unwrap().packet(true, true), expected);
}

#[test]
fn masks_and_resolutions_are_where_the_specification_has_them() {
    let vector = bits(&[
        "1 1 000101 11111111 11111111",      // template 5, frame 65,535
        "1 1 0 0 0",                         // a structure and a mask
        "000101 00001",                      // ids from 5; 2 decode targets
        "00 10 00 11",                       // two templates of layer 0, two of spatial layer 1
        "10 10 10 11 10 00 10 00",           // SS SR S- S-
        "0 1 0000 1 0001 0 1 0000 0 0",      // -; 1 and 2; 1; -
        "0",                                 // ns(3): no chains
        "1",                                 // resolutions:
        "0000000100111111 0000000010110011", // 320 by 180
        "1111111111111111 0000000101100111", // 65,536 by 360
        "10",                                // decode target 1 is active, 0 is not
    ]);
    let mut reader = DescriptorReader::new();
    let read = reader.read(&vector).unwrap();
    assert_eq!(read.frame_number, u16::MAX);
    assert_eq!(read.active_decode_targets, 0b10);
    assert_eq!(read.resolution, Some(Resolution { width: 320, height: 180 }));
    let structure = read.structure.unwrap();
    assert_eq!(structure.template_id_offset(), 5);
    assert_eq!(structure.chains(), 0);
    assert_eq!(structure.templates()[1], template(layer(0, 0), &[1, 2], &[], "SR"));
    assert_eq!(structure.templates()[2], template(layer(1, 0), &[1], &[], "S-"));
    assert_eq!(structure.resolutions()[1], Resolution { width: 65_536, height: 360 });
    assert_eq!(structure.layer_of(0), Some(layer(1, 0)));
    assert_eq!(structure.layer_of(1), Some(layer(0, 0)));
    assert_eq!(structure.decode_target(layer(3, 7), u32::MAX), Some(0));
    assert_eq!(structure.decode_target(layer(3, 7), 0b10), Some(1));
    assert_eq!(structure.decode_target(layer(0, 7), u32::MAX), Some(1));
    assert_eq!(structure.decode_target(layer(0, 7), 0b01), None);

    let mut writer = DescriptorWriter::starting_at(u16::MAX, structure);
    writer.set_active_decode_targets(0b10);
    let keyframe =
        FrameDependencies { decode_target_indications: indications("SS"), ..FrameDependencies::default() };
    assert_eq!(writer.next_frame(&keyframe, true).unwrap().packet(true, true), vector);
}

#[test]
fn every_truncation_is_an_error() {
    let mut writer = LayeredWriter::new(ScalabilityMode::L3T3_KEY);
    writer.set_resolutions(vec![Resolution { width: 640, height: 360 }; 3]).unwrap();
    let keyframe = writer.next_frame(layer(0, 0), true).unwrap().packet(true, true);
    assert_eq!(keyframe.len(), 90);
    for len in 0..keyframe.len() {
        let mut reader = DescriptorReader::new();
        let error = reader.read(&keyframe[..len]).unwrap_err();
        let expected = if len == 3 { DescriptorError::NoStructure } else { DescriptorError::Truncated };
        assert_eq!(error, expected, "{len} bytes");
        assert!(reader.structure().is_none());
    }
    let mut reader = DescriptorReader::new();
    reader.read(&keyframe).unwrap();
    // Padding is ignored (A.8.3), up to what a header extension can carry.
    let mut padded = keyframe.clone();
    padded.resize(255, 0xFF);
    assert_eq!(reader.read(&padded), DescriptorReader::new().read(&keyframe));
    padded.push(0);
    assert_eq!(reader.read(&padded), Err(DescriptorError::TooLong));
}

#[test]
fn what_is_invalid_is_refused_and_changes_nothing() {
    let mut reader = DescriptorReader::new();
    reader.read(&l1t1_keyframe()).unwrap();
    let before = format!("{reader:?}");
    let one_template_too_many = "00".repeat(64);
    let temporal_layer_8 = "01".repeat(8);
    let spatial_layer_4 = "10".repeat(4);
    let start = "1 1 000000 00000000 00000010 1 0 0 0 0 000000 00000";
    let mut valid_but_inside = l1t1_keyframe();
    valid_but_inside[0] &= 0x7F;
    let mut valid_but_template = l1t1_keyframe();
    valid_but_template[0] |= 2;
    let vectors = [
        (bits(&[start, &one_template_too_many, "11"]), DescriptorError::TooManyTemplates),
        (bits(&[start, &temporal_layer_8, "11"]), DescriptorError::TooManyLayers),
        (bits(&[start, &spatial_layer_4, "11"]), DescriptorError::TooManyLayers),
        (valid_but_inside, DescriptorError::StructureInsideFrame),
        (valid_but_template, DescriptorError::UnknownTemplate),
        (vec![0b1100_0010, 0, 2], DescriptorError::UnknownTemplate),
        (vec![], DescriptorError::Truncated),
    ];
    for (vector, expected) in vectors {
        assert_eq!(reader.read(&vector), Err(expected));
        assert_eq!(format!("{reader:?}"), before);
    }
}

#[test]
fn a_late_keyframe_does_not_bring_its_structure_back() {
    let mut writer = LayeredWriter::starting_at(65_530, ScalabilityMode::L1T1);
    let old = writer.next_frame(layer(0, 0), true).unwrap().packet(true, true);
    for _ in 0..9 {
        writer.next_frame(layer(0, 0), false).unwrap();
    }
    writer.set_resolutions(vec![Resolution { width: 640, height: 360 }]).unwrap();
    assert_eq!(writer.next_frame(layer(0, 0), false), Err(WriteError::KeyframeNeeded));
    let new = writer.next_frame(layer(0, 0), true).unwrap().packet(true, true);

    let mut reader = DescriptorReader::new();
    reader.read(&new).unwrap();
    assert!(reader.read(&old).unwrap().is_keyframe()); // it is read all the same
    assert_eq!(reader.structure(), Some(writer.structure()));
    assert_eq!(reader.structure().unwrap().template_id_offset(), 2); // not those of the one before

    // One that is more than 128 frames behind this, number 4, is of a stream that began anew, and is followed.
    for (first, decode_targets) in [(65_412, 1), (65_411, 2)] {
        let anew = LayeredWriter::starting_at(first, ScalabilityMode::L1T2).next_frame(layer(0, 0), true);
        reader.read(&anew.unwrap().packet(true, true)).unwrap();
        assert_eq!(reader.structure().unwrap().decode_targets(), decode_targets);
    }
}

#[test]
fn the_first_frame_has_number_0() {
    let mut layered = LayeredWriter::new(ScalabilityMode::L1T1);
    let mut writer = DescriptorWriter::new(ScalabilityMode::L1T1.structure());
    let frame =
        FrameDependencies { decode_target_indications: indications("S"), ..FrameDependencies::default() };
    for header in [layered.next_frame(layer(0, 0), true), writer.next_frame(&frame, true)] {
        let read = DescriptorReader::new().read(&header.unwrap().packet(true, true)).unwrap();
        assert_eq!(read.frame_number, 0);
    }
}

#[test]
fn a_keyframe_without_its_lower_layer_is_not_described() {
    let mode = ScalabilityMode::new(3, 1, InterLayer::Always).unwrap();
    let mut writer = LayeredWriter::new(mode);
    writer.next_frame(layer(0, 0), true).unwrap();
    // What its highest layer is predicted from was never sent.
    assert_eq!(writer.next_frame(layer(2, 0), true), Err(WriteError::KeyframeNeeded));
    writer.next_frame(layer(1, 0), true).unwrap();
    writer.next_frame(layer(2, 0), true).unwrap();
}

#[test]
fn a_server_sees_what_it_may_drop_and_where_it_may_switch() {
    let (higher, lower) = (0, 1); // decode targets
    let mut writer = LayeredWriter::new(ScalabilityMode::L1T2);
    let mut reader = DescriptorReader::new();
    let mut seen = Vec::new();
    for (temporal_id, keyframe) in [(0, true), (1, false), (0, false)] {
        let header = writer.next_frame(layer(0, temporal_id), keyframe).unwrap();
        let read = reader.read(&header.packet(true, true)).unwrap();
        seen.push((read.may_be_dropped_for(higher), read.may_switch_to(higher), read.may_switch_to(lower)));
    }
    assert_eq!(seen, [(false, true, true), (true, false, false), (false, true, true)]);
}

#[test]
fn active_decode_targets_are_told_until_a_keyframe_makes_them_plain() {
    let mut writer = LayeredWriter::new(ScalabilityMode::L2T1);
    let mut reader = DescriptorReader::new();
    let mut read = |bytes: Vec<u8>| reader.read(&bytes).unwrap();
    let mut send = |writer: &mut LayeredWriter, spatial, keyframe| {
        let bytes = writer.next_frame(layer(spatial, 0), keyframe).unwrap().packet(true, true);
        (bytes.len(), read(bytes).active_decode_targets)
    };
    assert_eq!(send(&mut writer, 0, true).1, 0b11);
    assert_eq!(send(&mut writer, 1, true), (3, 0b11));
    writer.set_active_decode_targets(0b10); // the lower one alone
    assert_eq!(send(&mut writer, 0, false), (4, 0b10)); // 3 bytes, 5 flags, 2 bits of mask
    assert_eq!(send(&mut writer, 0, false).1, 0b10);
    writer.set_active_decode_targets(u32::MAX);
    assert_eq!(send(&mut writer, 0, false).1, 0b11);
    assert_eq!(send(&mut writer, 1, false).1, 0b11);
    assert_eq!(send(&mut writer, 0, true).1, 0b11);
    assert_eq!(send(&mut writer, 1, true), (3, 0b11)); // no mask any more
    writer.set_active_decode_targets(0b10);
    writer.set_active_decode_targets(0b11); // thought better of before anybody was told
    assert_eq!(send(&mut writer, 0, false), (3, 0b11));
}

#[test]
fn a_late_packet_does_not_bring_an_old_mask_back() {
    let mut writer = LayeredWriter::new(ScalabilityMode::L1T2);
    let mut reader = DescriptorReader::new();
    let next = |writer: &mut LayeredWriter, keyframe| {
        writer.next_frame(layer(0, 0), keyframe).unwrap().packet(true, true)
    };
    reader.read(&next(&mut writer, true)).unwrap();
    writer.set_active_decode_targets(0b01);
    let late = next(&mut writer, false);
    writer.set_active_decode_targets(0b10);
    reader.read(&next(&mut writer, false)).unwrap();
    assert_eq!(reader.read(&late).unwrap().active_decode_targets, 0b01); // true of that frame
    assert_eq!(reader.read(&[0xC1, 0, 3]).unwrap().active_decode_targets, 0b10);
}

#[test]
fn differences_take_as_few_bits_as_the_format_allows() {
    let mut writer = DescriptorWriter::new(ScalabilityMode::L1T1.structure());
    let mut frame =
        FrameDependencies { decode_target_indications: indications("S"), ..FrameDependencies::default() };
    writer.next_frame(&frame, true).unwrap();
    // 24 bits and 5 flags; then 2 for the size of each difference and for the end.
    for (diff, bits) in [(16, 4), (17, 8), (256, 8), (257, 12), (4_096, 12)] {
        frame.frame_dependencies = vec![diff; 9];
        let bytes = writer.next_frame(&frame, false).unwrap().max_len();
        assert_eq!(bytes, (24 + 5 + 9 * (2 + bits) + 2_usize).div_ceil(8), "{diff}");
    }
}

#[test]
fn of_decode_targets_of_one_layer_the_first_is_chosen() {
    let templates = vec![template(layer(0, 0), &[], &[], "SSS"), template(layer(0, 1), &[1], &[], "-DD")];
    let structure = Structure::new(templates, vec![]).unwrap();
    assert_eq!(structure.decode_target(layer(0, 1), u32::MAX), Some(1));
    assert_eq!(structure.decode_target(layer(0, 1), 0b101), Some(2));
    assert_eq!(structure.decode_target(layer(0, 0), u32::MAX), Some(0));
}

#[test]
fn nothing_from_before_a_keyframe_is_referred_to() {
    let mut writer = LayeredWriter::new(ScalabilityMode::new(2, 1, InterLayer::OnKeyframes).unwrap());
    for spatial in [0, 1] {
        writer.next_frame(layer(spatial, 0), true).unwrap();
    }
    writer.next_frame(layer(1, 0), false).unwrap();
    writer.next_frame(layer(0, 0), true).unwrap(); // and the upper layer is left out
    assert_eq!(writer.next_frame(layer(1, 0), false), Err(WriteError::KeyframeNeeded));
}

#[test]
fn a_chain_nobody_follows_may_grow_and_one_that_is_followed_asks_for_a_keyframe() {
    let mut writer = LayeredWriter::new(ScalabilityMode::L2T1);
    for spatial in [0, 1] {
        writer.next_frame(layer(spatial, 0), true).unwrap();
    }
    writer.set_active_decode_targets(0b10);
    for _ in 0..1_000 {
        // S0 goes on in chain 1 too in this mode, so nothing grows; leave S1 out for good all the same.
        writer.next_frame(layer(0, 0), false).unwrap();
    }
    let mut writer = LayeredWriter::new(ScalabilityMode::new(2, 1, InterLayer::OnKeyframes).unwrap());
    for spatial in [0, 1] {
        writer.next_frame(layer(spatial, 0), true).unwrap();
    }
    for _ in 0..255 {
        writer.next_frame(layer(0, 0), false).unwrap();
    }
    assert_eq!(writer.next_frame(layer(0, 0), false), Err(WriteError::ChainTooLong));
    writer.set_active_decode_targets(0b10);
    writer.next_frame(layer(0, 0), false).unwrap();
    writer.set_active_decode_targets(0b11);
    assert_eq!(writer.next_frame(layer(1, 0), false), Err(WriteError::ChainTooLong));
    writer.next_frame(layer(0, 0), true).unwrap();
    writer.next_frame(layer(1, 0), true).unwrap();
}

#[test]
fn what_cannot_be_described_is_refused() {
    let mut writer = LayeredWriter::new(ScalabilityMode::L1T2);
    let before = format!("{writer:?}");
    assert_eq!(writer.next_frame(layer(0, 0), false), Err(WriteError::KeyframeNeeded));
    assert_eq!(writer.next_frame(layer(0, 1), true), Err(WriteError::KeyframeLayer));
    assert_eq!(writer.next_frame(layer(1, 0), true), Err(WriteError::KeyframeNeeded));
    assert_eq!(format!("{writer:?}"), before);
    writer.next_frame(layer(0, 0), true).unwrap();
    assert_eq!(writer.next_frame(layer(0, 2), false), Err(WriteError::UnknownLayer));
    assert_eq!(writer.next_frame(layer(200, 200), false), Err(WriteError::KeyframeNeeded));

    let mut writer = DescriptorWriter::new(ScalabilityMode::L1T1.structure());
    let mut frame = FrameDependencies { frame_dependencies: vec![1], ..FrameDependencies::default() };
    assert_eq!(writer.next_frame(&frame, true), Err(WriteError::KeyframeWithDependencies));
    frame.frame_dependencies.clear();
    assert_eq!(writer.next_frame(&frame, true), Err(WriteError::Indications));
    frame.decode_target_indications = indications("S");
    writer.next_frame(&frame, true).unwrap();
    for wrong in [0, 4_097] {
        frame.frame_dependencies = vec![wrong];
        assert_eq!(writer.next_frame(&frame, false), Err(WriteError::Dependencies));
    }
    frame.frame_dependencies = vec![4_096];
    writer.next_frame(&frame, false).unwrap();
    // 3 bytes, 5 flags, 2 + 12 bits of each difference, 2 bits that end them: 255 bytes are the most.
    frame.frame_dependencies = vec![4_096; 144];
    assert_eq!(writer.next_frame(&frame, false), Err(WriteError::TooLarge));
    frame.frame_dependencies.pop();
    assert_eq!(writer.next_frame(&frame, false).unwrap().max_len(), 255);
    assert_eq!(ScalabilityMode::new(0, 1, InterLayer::Always), Err(UnsupportedMode));
    assert_eq!(ScalabilityMode::new(1, 4, InterLayer::Always), Err(UnsupportedMode));
}

#[test]
fn structures_that_the_format_cannot_say_are_refused() {
    let base = || template(layer(0, 0), &[], &[0], "SS");
    let new = |templates, by: &[u8]| Structure::new(templates, by.to_vec()).map(drop).unwrap_err();
    assert_eq!(new(vec![], &[]), InvalidStructure::Templates);
    assert_eq!(new(vec![base(); 65], &[0, 0]), InvalidStructure::Templates);
    assert_eq!(new(vec![template(layer(0, 0), &[], &[], "")], &[]), InvalidStructure::DecodeTargets);
    let many = "S".repeat(33);
    assert_eq!(new(vec![template(layer(0, 0), &[], &[], &many)], &[]), InvalidStructure::DecodeTargets);
    let other = template(layer(0, 0), &[], &[0], "S");
    assert_eq!(new(vec![base(), other], &[0, 0]), InvalidStructure::DecodeTargets);
    assert_eq!(new(vec![template(layer(0, 0), &[], &[0, 0], "S")], &[0]), InvalidStructure::Chains);
    assert_eq!(new(vec![template(layer(0, 0), &[], &[16], "S")], &[0]), InvalidStructure::Chains);
    assert_eq!(new(vec![base()], &[0, 1]), InvalidStructure::Protection);
    assert_eq!(new(vec![base()], &[0]), InvalidStructure::Protection);
    for diff in [0, 17] {
        let wrong = template(layer(0, 0), &[diff], &[0], "SS");
        assert_eq!(new(vec![base(), wrong], &[0, 0]), InvalidStructure::FrameDiffs);
    }
    for place in [layer(0, 2), layer(1, 1), layer(2, 0), layer(0, 8), layer(255, 255)] {
        let wrong = template(place, &[], &[0], "SS");
        assert_eq!(new(vec![base(), wrong], &[0, 0]), InvalidStructure::Layers);
    }
    // There are 4 spatial layers, 8 temporal ones, and the first layer is not coded.
    let steps = |layers: &[Layer]| -> Vec<_> {
        layers.iter().map(|place| template(*place, &[], &[0], "SS")).collect()
    };
    let spatial = [0, 1, 2, 3, 4].map(|spatial_id| layer(spatial_id, 0));
    let temporal = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|temporal_id| layer(0, temporal_id));
    for (layers, most) in [(&spatial[..], 4), (&temporal[..], 8)] {
        assert!(Structure::new(steps(&layers[..most]), vec![0, 0]).is_ok());
        assert_eq!(new(steps(layers), &[0, 0]), InvalidStructure::Layers);
        assert_eq!(new(steps(&layers[1..2]), &[0, 0]), InvalidStructure::Layers);
    }
    let structure = Structure::new(vec![base()], vec![0, 0]).unwrap();
    assert_eq!(structure.clone().with_template_id_offset(63).template_id_offset(), 63);
    assert_eq!(structure.clone().with_template_id_offset(64).template_id_offset(), 0);
    for sizes in [vec![Resolution { width: 0, height: 1 }], vec![Resolution { width: 1, height: 65_537 }]] {
        assert_eq!(structure.clone().with_resolutions(sizes), Err(InvalidStructure::Resolutions));
    }
}

/// Compares without regard to the order, of templates within a layer and of frame differences, which says nothing.
fn assert_is(mode: ScalabilityMode, protected_by: &[usize], table: &[Template]) {
    let sorted = |templates: &[Template]| {
        let mut templates = templates.to_vec();
        templates.iter_mut().for_each(|template| template.frame_diffs.sort_unstable());
        templates.sort_by_key(|template| {
            (template.layer, template.frame_diffs.clone(), template.chain_diffs.clone())
        });
        templates
    };
    let structure = mode.structure();
    assert_eq!(sorted(structure.templates()), sorted(table));
    let chains: Vec<_> = (0..structure.decode_targets()).filter_map(|dt| structure.chain_of(dt)).collect();
    assert_eq!(chains, protected_by);
}

#[test]
fn l1t3_is_the_example_of_the_specification() {
    // A.10.2.1
    let table = [
        template(layer(0, 0), &[], &[0], "SSS"),
        template(layer(0, 0), &[4], &[4], "SSS"),
        template(layer(0, 1), &[2], &[2], "SD-"),
        template(layer(0, 2), &[1], &[1], "D--"),
        template(layer(0, 2), &[1], &[3], "D--"),
    ];
    assert_is(ScalabilityMode::L1T3, &[0, 0, 0], &table);
}

#[test]
fn l3t3_is_the_example_of_the_specification() {
    // A.10.2.2
    let table = [
        template(layer(0, 0), &[], &[0, 0, 0], "SSSSSSSSS"),
        template(layer(0, 0), &[12], &[12, 11, 10], "RRRRRRSSS"),
        template(layer(0, 1), &[6], &[6, 5, 4], "RR-RR-SD-"),
        template(layer(0, 2), &[3], &[3, 2, 1], "R--R--D--"),
        template(layer(0, 2), &[3], &[9, 8, 7], "R--R--D--"),
        template(layer(1, 0), &[1], &[1, 1, 1], "SSSSSS---"),
        template(layer(1, 0), &[12, 1], &[1, 1, 1], "RRRSSS---"),
        template(layer(1, 1), &[6, 1], &[7, 6, 5], "RR-SD----"),
        template(layer(1, 2), &[3, 1], &[4, 3, 2], "R--D-----"),
        template(layer(1, 2), &[3, 1], &[10, 9, 8], "R--D-----"),
        template(layer(2, 0), &[1], &[2, 1, 1], "SSS------"),
        template(layer(2, 0), &[12, 1], &[2, 1, 1], "SSS------"),
        template(layer(2, 1), &[6, 1], &[8, 7, 6], "SD-------"),
        template(layer(2, 2), &[3, 1], &[5, 4, 3], "D--------"),
        template(layer(2, 2), &[3, 1], &[11, 10, 9], "D--------"),
    ];
    let mode = ScalabilityMode::new(3, 3, InterLayer::Always).unwrap();
    assert_is(mode, &[2, 2, 2, 1, 1, 1, 0, 0, 0], &table);
}

#[test]
fn l1t2_and_l2t1_are_those_of_libwebrtc() {
    // modules/video_coding/svc/scalability_structure_full_svc.cc, with the decode targets the other way round.
    let l1t2 = [
        template(layer(0, 0), &[], &[0], "SS"),
        template(layer(0, 0), &[2], &[2], "SS"),
        template(layer(0, 1), &[1], &[1], "D-"),
    ];
    assert_is(ScalabilityMode::L1T2, &[0, 0], &l1t2);
    let l2t1 = [
        template(layer(0, 0), &[2], &[2, 1], "RS"),
        template(layer(0, 0), &[], &[0, 0], "SS"),
        template(layer(1, 0), &[2, 1], &[1, 1], "S-"),
        template(layer(1, 0), &[1], &[1, 1], "S-"),
    ];
    assert_is(ScalabilityMode::L2T1, &[1, 0], &l2t1);
}

#[test]
fn l3t3_key_is_that_of_libwebrtc() {
    // modules/video_coding/svc/scalability_structure_key_svc.cc, with the decode targets the other way round.
    let table = [
        template(layer(0, 0), &[], &[0, 0, 0], "SSSSSSSSS"),
        template(layer(0, 0), &[12], &[12, 11, 10], "------SSS"),
        template(layer(0, 1), &[6], &[6, 5, 4], "------SD-"),
        template(layer(0, 2), &[3], &[3, 2, 1], "------D--"),
        template(layer(0, 2), &[3], &[9, 8, 7], "------D--"),
        template(layer(1, 0), &[1], &[1, 1, 1], "SSSSSS---"),
        template(layer(1, 0), &[12], &[1, 12, 11], "---SSS---"),
        template(layer(1, 1), &[6], &[7, 6, 5], "---SD----"),
        template(layer(1, 2), &[3], &[4, 3, 2], "---D-----"),
        template(layer(1, 2), &[3], &[10, 9, 8], "---D-----"),
        template(layer(2, 0), &[1], &[2, 1, 1], "SSS------"),
        template(layer(2, 0), &[12], &[2, 1, 12], "SSS------"),
        template(layer(2, 1), &[6], &[8, 7, 6], "SD-------"),
        template(layer(2, 2), &[3], &[5, 4, 3], "D--------"),
        template(layer(2, 2), &[3], &[11, 10, 9], "D--------"),
    ];
    assert_is(ScalabilityMode::L3T3_KEY, &[2, 2, 2, 1, 1, 1, 0, 0, 0], &table);
}

#[test]
fn frames_in_the_usual_pattern_take_three_bytes_in_every_mode() {
    for spatial in 1..=3 {
        for temporal in 1..=3 {
            for inter_layer in [InterLayer::Always, InterLayer::OnKeyframes] {
                let mode = ScalabilityMode::new(spatial, temporal, inter_layer).unwrap();
                let mut writer = LayeredWriter::starting_at(65_500, mode);
                let mut reader = DescriptorReader::new();
                let pattern = [[0].as_slice(), &[0, 1], &[0, 2, 1, 2]][usize::from(temporal) - 1];
                for (instant, &temporal_id) in pattern.iter().cycle().take(100).enumerate() {
                    for spatial_id in 0..spatial {
                        let keyframe = instant == 0 || instant == 40;
                        let frame = writer.next_frame(layer(spatial_id, temporal_id), keyframe).unwrap();
                        let bytes = frame.packet(true, true);
                        let read = reader.read(&bytes).unwrap();
                        assert_eq!((read.spatial_id, read.temporal_id), (spatial_id, temporal_id));
                        assert_eq!(read.is_keyframe(), keyframe && spatial_id == 0);
                        assert_eq!(read.structure.is_some(), keyframe && spatial_id == 0);
                        assert!(
                            bytes.len() == 3 || read.structure.is_some(),
                            "{mode:?} {instant}: {bytes:?}"
                        );
                        for target in 0..usize::from(spatial * temporal) {
                            let wanted = reader.structure().unwrap().layer_of(target).unwrap();
                            if read.needed_for(target) {
                                assert!(temporal_id <= wanted.temporal_id && spatial_id <= wanted.spatial_id);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_forwarded_to_a_decode_target_can_be_decoded() {
    let mode = ScalabilityMode::L3T3_KEY;
    let targets = mode.structure().decode_targets();
    for target in 0..targets {
        let mut writer = LayeredWriter::new(mode);
        let mut reader = DescriptorReader::new();
        let mut forwarded = Vec::new();
        for (instant, &temporal_id) in [0, 2, 1, 2].iter().cycle().take(60).enumerate() {
            for spatial_id in 0..3 {
                let frame = writer.next_frame(layer(spatial_id, temporal_id), instant == 0).unwrap();
                let read = reader.read(&frame.packet(true, true)).unwrap();
                if read.needed_for(target) {
                    assert!(read.depends_on().all(|number| forwarded.contains(&number)));
                    // Also without those that may be dropped.
                    if !read.may_be_dropped_for(target) {
                        forwarded.push(read.frame_number);
                    }
                }
            }
        }
        assert!(forwarded.len() > 10);
    }
}
