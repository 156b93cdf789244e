//! Plots: lines over logarithmic axes.

use std::error::Error;
use std::path::Path;

use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use crate::medians::Medians;
use crate::text::makes_sense;
use crate::wire::{SIZES, Wire};

pub(crate) const FRAMES: [u32; 5] = [20, 100, 1_200, 10_000, 100_000];
const COLOURS: [RGBColor; 6] = [
    RGBColor(0xB0, 0x1E, 0x3C),
    RGBColor(0x1F, 0x5F, 0xA8),
    RGBColor(0x2E, 0x8B, 0x57),
    RGBColor(0xD9, 0x8A, 0x00),
    RGBColor(0x77, 0x4A, 0x9E),
    RGBColor(0x77, 0x77, 0x77),
];

pub(crate) struct Plot {
    title: String,
    across: &'static str,
    up: &'static str,
    /// Ratios are small, and need no logarithm.
    is_ratio: bool,
    lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

impl Plot {
    pub(crate) fn draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let mut across =
            points().map(|(x, _)| *x).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
        let mut up = points().map(|(_, y)| *y).fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(y), b.max(y)));
        if points().next().is_none() {
            (across, up) = ((1.0, 10.0), (1.0, 10.0)); // axes, and a legend that says so
        }
        let area = SVGBackend::new(path, (760, 440)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area);
        chart.caption(&self.title, ("sans-serif", 18)).margin(12).x_label_area_size(42).y_label_area_size(64);
        let across = (across.0 * 0.9..across.1 * 1.1).log_scale();
        if self.is_ratio {
            let chart = chart.build_cartesian_2d(across, 0.9..up.1.max(1.3) * 1.05)?;
            self.draw_lines(chart)?;
        } else {
            let chart = chart.build_cartesian_2d(across, (up.0 * 0.7..up.1 * 1.4).log_scale())?;
            self.draw_lines(chart)?;
        }
        area.present()?;
        Ok(())
    }

    fn draw_lines<'a, X, Y>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    ) -> Result<(), Box<dyn Error>>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.up)
            .light_line_style(WHITE)
            .label_style(("sans-serif", 13))
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| if self.is_ratio { format!("{y:.1}") } else { short(*y) })
            .draw()?;
        for ((name, points), colour) in self.lines.iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?
                .label(if points.is_empty() { format!("{name} (not run)") } else { (*name).to_owned() })
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(match self.is_ratio {
                true => SeriesLabelPosition::UpperRight, // these lines fall, the others rise
                false => SeriesLabelPosition::UpperLeft,
            })
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(0xCC, 0xCC, 0xCC))
            .label_font(("sans-serif", 13))
            .draw()?;
        Ok(())
    }
}

fn short(value: f64) -> String {
    match value {
        1_000_000.0.. => format!("{} M", value / 1_000_000.0),
        1_000.0.. => format!("{} k", value / 1_000.0),
        _ => format!("{value}"),
    }
}

pub(crate) fn all(medians: &Medians, wire: &[Wire]) -> Vec<(&'static str, Plot)> {
    let frame = |what: &str, lines: &[(&'static str, &str)]| {
        let points = |function: &str| {
            let point = |size: &u32| {
                Some((f64::from(*size), medians.ns(&format!("{what}/AES-128/{size}/{function}"))?))
            };
            FRAMES.iter().filter_map(point).collect()
        };
        lines.iter().map(|(name, function)| (*name, points(function))).collect()
    };
    let frames = |what: &'static str, title: &str| Plot {
        title: title.to_owned(),
        across: "bytes of a frame",
        up: "ns",
        is_ratio: false,
        lines: frame(
            what,
            &[
                ("Subrosa on ring", "in place"),
                ("ring alone", "ring"),
                ("Subrosa on aws-lc-rs", "in place, aws-lc-rs"),
                ("crate sframe on ring", "crate sframe"),
                ("a copy", "copy"),
            ],
        ),
    };
    let ratio_of = |what: &str, function: &str| {
        let point = |size: &u32| {
            let group = format!("{what}/AES-128/{size}");
            Some((f64::from(*size), medians.ratio(&format!("{group}/{function}"), &format!("{group}/ring"))?))
        };
        FRAMES.iter().filter_map(point).collect::<Vec<_>>()
    };
    let ratio = Plot {
        title: "How many times the bare AEAD call".to_owned(),
        across: "bytes of a frame",
        up: "ratio",
        is_ratio: true,
        lines: vec![
            ("seal", ratio_of("seal", "in place")),
            ("open", ratio_of("open", "in place")),
            ("seal, crate sframe", ratio_of("seal", "crate sframe")),
            ("open, crate sframe", ratio_of("open", "crate sframe")),
        ],
    };
    let call = |operation: &str, who: &str| {
        let point = |n: &usize| Some((*n as f64, medians.ns(&format!("call/{operation}/{n}/{who}"))? / 1e3));
        SIZES.iter().filter(|n| makes_sense(operation, **n)).filter_map(point).collect::<Vec<_>>()
    };
    let calls = Plot {
        title: "What a change costs those who make and follow it".to_owned(),
        across: "participants",
        up: "µs",
        is_ratio: false,
        lines: vec![
            ("a member applies a join", call("process_join", "subrosa")),
            ("the same, openmls alone", call("process_join", "openmls")),
            ("the host admits one", call("admit_one", "subrosa")),
            ("the host removes one", call("remove", "subrosa")),
            ("a guest joins", call("join", "subrosa")),
            ("a sender switches keys", call("switch", "subrosa")),
        ],
    };
    let bytes = |of: fn(&Wire) -> usize| {
        wire.iter().map(|wire| (wire.participants as f64, of(wire) as f64)).collect()
    };
    let wires = Plot {
        title: "Bytes of messages".to_owned(),
        across: "participants",
        up: "bytes",
        is_ratio: false,
        lines: vec![
            ("the commit of a join", bytes(|wire| wire.join)),
            ("the answer to the guest", bytes(|wire| wire.answer)),
            ("a removal right after all joined at once", bytes(|wire| wire.removal)),
        ],
    };
    vec![
        ("seal.svg", frames("seal", "Sealing a frame, AES-128-GCM")),
        ("open.svg", frames("open", "Opening a frame, AES-128-GCM")),
        ("ratio.svg", ratio),
        ("call.svg", calls),
        ("bytes.svg", wires),
    ]
}
