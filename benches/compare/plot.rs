//! Figures as pictures.

use std::fmt::Write;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::table::Table;
use crate::unit::Unit;

const WIDTH: u32 = 800;
/// A contestant's bar, with the room around it.
const BAR: i32 = 34;
const NAMES: u32 = 300;
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const OTHERS: [RGBColor; 4] = [
    RGBColor(0x9a, 0x9a, 0x9a),
    RGBColor(0xc0, 0x6c, 0x2b),
    RGBColor(0x4f, 0x8a, 0x3c),
    RGBColor(0x8a, 0x4f, 0x9e),
];

#[derive(Debug)]
pub(crate) struct Plot {
    /// Of its file.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Bars { unit: Unit, bars: Vec<Bar> },
    Lines { unit: Unit, lines: Vec<Line> },
}

#[derive(Debug)]
struct Bar {
    name: String,
    median: f64,
    lowest: f64,
    highest: f64,
}

/// How a figure grows with a number.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Plot {
    /// A bar for the median of each contestant, and a line from the lowest to
    /// the highest value.
    pub(crate) fn bars(name: &'static str, table: &Table) -> Self {
        let bar = |one: &crate::table::Series| Bar {
            name: one.contestant.clone(),
            median: one.median(),
            lowest: one.lowest(),
            highest: one.highest(),
        };
        Self {
            name,
            title: table.figure.clone(),
            shape: Shape::Bars {
                unit: table.unit,
                bars: table.series.iter().map(bar).collect(),
            },
        }
    }

    /// Both axes are logarithmic: what is linear is a straight line of slope 1.
    pub(crate) fn lines(name: &'static str, title: &str, unit: Unit, lines: Vec<Line>) -> Self {
        Self {
            name,
            title: title.to_owned(),
            shape: Shape::Lines { unit, lines },
        }
    }

    pub(crate) fn svg(&self) -> String {
        let mut svg = String::new();
        let drawn = match &self.shape {
            Shape::Bars { unit, bars } => {
                let rows = i32::try_from(bars.len()).expect("there are few contestants");
                let height = u32::try_from(rows * BAR + 90).expect("it is positive");
                let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
                draw_bars(&root, &self.title, *unit, bars)
            }
            Shape::Lines { unit, lines } => {
                let root = SVGBackend::with_string(&mut svg, (WIDTH, 420)).into_drawing_area();
                draw_lines(&root, &self.title, *unit, lines)
            }
        };
        drawn.expect("a string takes everything");
        if !svg.ends_with('\n') {
            let _ = writeln!(svg);
        }
        svg
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), Box<dyn std::error::Error + 'a>>;

fn draw_bars<'a>(root: &Area<'a>, title: &str, unit: Unit, bars: &[Bar]) -> Drawn<'a> {
    root.fill(&WHITE)?;
    let below = root.titled(title, ("sans-serif", 18))?;
    let most = bars.iter().map(|bar| bar.highest).fold(0.0, f64::max);
    let rows = bars.iter().fold(0.0, |rows, _| rows + 1.0);
    let mut chart = ChartBuilder::on(&below)
        .margin(10)
        .margin_right(90)
        .x_label_area_size(35)
        .y_label_area_size(NAMES)
        // A bar that is level with the axis is no bar.
        .build_cartesian_2d(0.0..most.max(f64::MIN_POSITIVE), rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(WHITE)
        .x_labels(6)
        .x_desc(unit.axis())
        .x_label_formatter(&|value| short(*value))
        .draw()?;
    let names = TextStyle::from(("sans-serif", 14)).pos(Pos::new(HPos::Right, VPos::Center));
    let values = TextStyle::from(("sans-serif", 13)).pos(Pos::new(HPos::Left, VPos::Center));
    let mut row = 0.0;
    for (place, bar) in bars.iter().enumerate() {
        let color = if place == 0 { OURS } else { OTHERS[0] };
        let middle = row + 0.5;
        chart.draw_series([Rectangle::new(
            [(0.0, row + 0.2), (bar.median, row + 0.8)],
            color.filled(),
        )])?;
        chart.draw_series([PathElement::new(
            vec![(bar.lowest, middle), (bar.highest, middle)],
            BLACK.stroke_width(1),
        )])?;
        // Coordinates of the chart count from the corner of the picture.
        let left = chart.backend_coord(&(0.0, middle));
        root.draw(&Text::new(
            bar.name.clone(),
            (left.0 - 8, left.1),
            names.clone(),
        ))?;
        let right = chart.backend_coord(&(bar.highest.max(bar.median), middle));
        let value = unit.show(bar.median);
        root.draw(&Text::new(value, (right.0 + 6, right.1), values.clone()))?;
        row += 1.0;
    }
    root.present()?;
    Ok(())
}

fn draw_lines<'a>(root: &Area<'a>, title: &str, unit: Unit, lines: &[Line]) -> Drawn<'a> {
    root.fill(&WHITE)?;
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = |values: &dyn Fn(&(f64, f64)) -> f64| points().map(values).fold(f64::MAX, f64::min);
    let most = |values: &dyn Fn(&(f64, f64)) -> f64| points().map(values).fold(0.0, f64::max);
    // What was too little to be measured has no place on such an axis.
    let floor = (most(&|point| point.1) / 10_000.0).max(0.01);
    let low = least(&|point| point.1).max(floor) / 1.5;
    let mut chart = ChartBuilder::on(root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(30)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (least(&|point| point.0)..most(&|point| point.0)).log_scale(),
            (low..most(&|point| point.1).max(low) * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("dependencies")
        .y_desc(unit.axis())
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for (place, line) in lines.iter().enumerate() {
        let color = if place == 0 {
            OURS
        } else {
            OTHERS[(place - 1) % OTHERS.len()]
        };
        let points = line.points.iter().map(|(x, y)| (*x, y.max(floor)));
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)).point_size(3))?
            .label(line.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(OTHERS[0])
        .draw()?;
    root.present()?;
    Ok(())
}

fn short(value: f64) -> String {
    match value.abs() {
        1_000_000.0.. => format!("{}M", value / 1_000_000.0),
        1_000.0.. => format!("{}k", value / 1_000.0),
        _ => format!("{value}"),
    }
}
