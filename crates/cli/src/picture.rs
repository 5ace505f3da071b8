//! A plan as a picture: stacked shares over the run, and passes over each source.

use std::fmt::Write as _;

use temper_mix::{Forecast, Plan};

use crate::tables::percent;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 60.0;
const SHARES: f64 = 240.0;
const BAR: f64 = 22.0;

/// Told apart by people who see few colours (Okabe and Ito 2008), then by their order.
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"];

/// The plan as SVG.
pub(crate) fn svg(plan: &Plan, forecast: &Forecast) -> String {
    let n = plan.sources().len() as f64;
    let own = forecast.sources.iter().zip(plan.own_sources());
    let units: u64 = own.map(|(source, _)| source.units).sum();
    let epochs_at = SHARES + 90.0;
    let height = epochs_at + n * BAR + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">shares of the mix over {} {}</text>\n",
        WIDTH + LEFT + 320.0,
        crate::print::thousands(units),
        plan.unit_name()
    );
    shares(&mut svg, plan, units.max(1));
    for (text, part) in [("100 %", 0.0), ("50 %", 0.5), ("0 %", 1.0)] {
        text_at(&mut svg, LEFT - 8.0, 40.0 + SHARES * part + 4.0, "end", text);
    }
    for (text, part, anchor) in [("0", 0.0, "start"), ("half", 0.5, "middle"), ("end", 1.0, "end")]
    {
        text_at(&mut svg, LEFT + WIDTH * part, SHARES + 58.0, anchor, text);
    }
    text_at(&mut svg, LEFT, epochs_at - 2.0, "start", "passes over each source");
    epochs(&mut svg, forecast, epochs_at + 8.0);
    svg.push_str("</svg>\n");
    svg
}

/// A band per source, on top of those before it.
fn shares(svg: &mut String, plan: &Plan, units: u64) {
    let phases = plan.phases();
    let x = |at: u64| LEFT + WIDTH * at.min(units) as f64 / units as f64;
    let ends = phases.iter().skip(1).map(|phase| phase.start).chain([units]);
    let spans: Vec<_> = phases.iter().zip(ends).filter(|(phase, _)| phase.start < units).collect();
    for (source, spec) in plan.own_sources().iter().enumerate() {
        let below = |shares: &[temper_recipe::Share], n: usize| -> f64 {
            shares[..n].iter().map(|share| share.as_f64()).sum()
        };
        let mut points = Vec::new();
        for (phase, end) in &spans {
            let y = 40.0 + SHARES * below(&phase.shares, source);
            points.push((x(phase.start), y));
            points.push((x(*end), y));
        }
        for (phase, end) in spans.iter().rev() {
            let y = 40.0 + SHARES * below(&phase.shares, source + 1);
            points.push((x(*end), y));
            points.push((x(phase.start), y));
        }
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (points, colour) = (points.join(" "), COLOURS[source % COLOURS.len()]);
        writeln!(svg, "<polygon points=\"{points}\" fill=\"{colour}\" stroke=\"#ffffff\"/>")
            .expect("writing to a string never fails");
        let shares = phases.iter().map(|phase| phase.shares[source].as_f64());
        let (least, most) = shares.fold((1.0_f64, 0.0_f64), |(a, b), x| (a.min(x), b.max(x)));
        let span = if least == most {
            percent(most)
        } else {
            format!("{} to {}", percent(least), percent(most))
        };
        let y = 46.0 + 18.0 * source as f64;
        writeln!(
            svg,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
            LEFT + WIDTH + 14.0,
            y - 9.0
        )
        .expect("writing to a string never fails");
        text_at(svg, LEFT + WIDTH + 30.0, y, "start", &format!("{} {span}", spec.name));
    }
}

/// A bar per source.
fn epochs(svg: &mut String, forecast: &Forecast, top: f64) {
    let most = forecast.sources.iter().map(|source| source.epochs).fold(1e-9, f64::max);
    for (i, source) in forecast.sources.iter().enumerate() {
        let y = top + i as f64 * BAR;
        let width = (WIDTH - 120.0) * source.epochs / most;
        let colour = COLOURS[i % COLOURS.len()];
        writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.0}\" fill=\"{colour}\"/>",
            width.max(1.0),
            BAR - 6.0
        )
        .expect("writing to a string never fails");
        let text = format!("{} {:.2}", source.name, source.epochs);
        text_at(svg, LEFT + width + 8.0, y + 12.0, "start", &text);
    }
}

fn text_at(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    // Names of corpora hold no character that XML would read.
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
        .expect("writing to a string never fails");
}
