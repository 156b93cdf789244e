//! Frames that a server makes up, damages or replays.

use std::time::Duration;

use bytes::BytesMut;
use subrosa::sframe::{Header, KeyId, MAX_HEADER_LEN};
use subrosa::{FrameFault, Opener, Opening, Sealer, Time, TrackKind};
use subrosa_fuzz_harness::pair::{METADATA, Pair, drain};

use crate::row::{FLOOD, Report, Row, median, timed};

const LEN: usize = 1_200;

struct Media {
    sealer: Sealer,
    opener: Opener,
    pair: Pair,
}

impl Media {
    fn new() -> Self {
        let pair = Pair::new();
        let sealer = pair.bob.sealer(TrackKind::Camera).expect("a track");
        Self { sealer, opener: pair.ann.opener(), pair }
    }

    fn seal(&mut self, len: usize) -> Vec<u8> {
        let mut frame = BytesMut::new();
        self.sealer.seal(METADATA, &vec![7; len], &mut frame).expect("he may");
        frame.to_vec()
    }

    fn open(&mut self, frame: &[u8]) -> (Duration, &'static str) {
        let mut frame = BytesMut::from(frame);
        let (took, opening) = timed(|| self.opener.open(METADATA, &mut frame));
        let answer = match opening {
            Ok(Opening::Opened(_)) => "opened",
            Ok(Opening::Held(_)) => "held",
            Err(error) => match error.reason {
                FrameFault::Malformed(_) => "`Malformed`",
                FrameFault::EpochClosed => "`EpochClosed`",
                FrameFault::UnknownSender => "`UnknownSender`",
                FrameFault::UnknownTrack => "`UnknownTrack`",
                FrameFault::Reflected => "`Reflected`",
                FrameFault::Replayed => "`Replayed`",
                FrameFault::Unauthentic => "`Unauthentic`",
                FrameFault::HoldFull => "`HoldFull`",
                _ => "another fault",
            },
        };
        (took, answer)
    }

    /// Whether a genuine frame opens when the time of those that waited is over.
    fn works(&mut self) -> bool {
        let now = Time::ZERO + Duration::from_secs(8);
        self.pair.ann.handle_timeout(now);
        drain(&mut self.pair.ann, now);
        while self.opener.released().is_some() {}
        let frame = self.seal(100);
        self.open(&frame).1 == "opened"
    }
}

fn genuine(len: usize) -> Duration {
    let mut media = Media::new();
    median(1_000, |_| {
        let frame = media.seal(len);
        media.open(&frame).0
    })
}

fn with_kid(frame: &[u8], kid: u64, counter: u64) -> Vec<u8> {
    let (_, header_len) = Header::decode(frame).expect("a frame");
    let mut header = [0; MAX_HEADER_LEN];
    let len = Header { kid: KeyId(kid), counter }.encode(&mut header);
    [&header[..len], &frame[header_len..]].concat()
}

fn forged(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(last) = frame.last_mut() {
        *last ^= 1;
    }
    frame
}

pub fn measure(report: &mut Report) {
    let row = |what, answer, bound| Row {
        what,
        who: "server",
        answer,
        bound,
        count: FLOOD,
        genuine: Some(genuine(LEN)),
    };

    let send = |media: &mut Media, _| media.open(&[0xFF; 5]);
    let cut = row("frame: its header cut off", "`Malformed`", "nothing is looked at behind the header");
    report.add(cut, Media::new(), send, Media::works);

    let mut media = Media::new();
    let (heard, next) = (media.seal(LEN), forged(media.seal(LEN)));
    assert_eq!(media.open(&heard).1, "opened");
    let of_heard = row("frame: forged, of a track that was heard", "`Unauthentic`", "one AEAD call");
    report.add(of_heard, media, move |media, _| media.open(&next), Media::works);

    let mut media = Media::new();
    let first = forged(media.seal(LEN));
    let of_unheard = row(
        "frame: forged, of a track never heard",
        "`Unauthentic`",
        "one key derivation, one AEAD call; nothing is kept",
    );
    report.add(of_unheard, media, move |media, _| media.open(&first), Media::works);

    let mut media = Media::new();
    let heard = media.seal(LEN);
    assert_eq!(media.open(&heard).1, "opened");
    let replayed = row("frame: replayed", "`Replayed`", "the window, before the tag");
    report.add(replayed, media, move |media, _| media.open(&heard), Media::works);

    let mut media = Media::new();
    let frame = media.seal(LEN);
    let kid = Header::decode(&frame).expect("a frame").0.kid.0;
    let of_nobody =
        row("frame: of tracks that nobody can have", "`UnknownTrack`", "a look at the KID's layout");
    let send = move |media: &mut Media, n: u32| {
        media.open(&with_kid(&frame, kid + (u64::from(n % 1_000 + 5) << 20), 0))
    };
    report.add(of_nobody, media, send, Media::works);

    // Of the KID the lowest bits are the epoch's: some of them have not come yet.
    let mut media = Media::new();
    let frame = media.seal(LEN);
    let kid = Header::decode(&frame).expect("a frame").0.kid.0;
    let mut to_come = (0..16).map(|epoch| kid & !15 | epoch).filter(|kid| {
        let mut other = Media::new();
        other.open(&with_kid(&frame, *kid, 0)).1 == "held"
    });
    let to_come = to_come.next_back().expect("a future");
    let held = row(
        "frame: of an epoch to come, of a thousand tracks",
        "held",
        "R18: 256 of a track, 16,384 or 8 MiB in all, 5 s",
    );
    let send = move |media: &mut Media, n: u32| {
        media.open(&with_kid(&frame, to_come + (u64::from(n % 1_000) << 4), u64::from(n)))
    };
    report.add(held, media, send, Media::works);

    let mut media = Media::new();
    let long = forged(media.seal(100_000));
    let long_row = Row {
        count: FLOOD / 10,
        genuine: Some(genuine(100_000)),
        ..row("frame: forged, 100 kB", "`Unauthentic`", "one AEAD call")
    };
    report.add(long_row, media, move |media, _| media.open(&long), Media::works);
}
