//! The SFrame header: writing and reading it, as short as headers get and as long.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use subrosa::sframe::{Header, KeyId, MAX_HEADER_LEN};

fn header(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    // A call of two at its start; the camera of somebody in a call of 1,000 after a while; the longest there is.
    for (what, kid, counter) in
        [("2 bytes", 0x31, 5), ("6 bytes", 0x4_3e71, 20_000), ("17 bytes", u64::MAX, u64::MAX)]
    {
        let header = Header { kid: KeyId(kid), counter };
        let mut bytes = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut bytes);
        group.bench_function(format!("encode/{what}"), |b| {
            let mut out = [0; MAX_HEADER_LEN];
            b.iter(|| black_box(header).encode(black_box(&mut out)));
        });
        // As frames have it: with a tag at least behind it.
        let frame: Vec<u8> = bytes[..len].iter().copied().chain([0; 16]).collect();
        group.bench_function(format!("decode/{what}"), |b| {
            b.iter(|| Header::decode(black_box(&frame)).expect("it is one"));
        });
    }
}

criterion_group!(benches, header);
criterion_main!(benches);
