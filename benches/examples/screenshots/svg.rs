//! Owns a screen as a picture: cells of one size, in the colours of one palette.
//! Uses SVG 1.1 with the viewer's own monospaced font; every run of text is fitted to its cells.
//! Never shows what differs from one day to the next.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// Of a cell, in units of the picture: a usual font of 14 is so wide.
const WIDE: f64 = 8.4;
const HIGH: f64 = 18.0;
const AROUND: f64 = 14.0;

const GROUND: &str = "#16181d";
const TEXT: &str = "#d7dae0";

/// The sixteen colours, on a dark ground.
const SIXTEEN: [&str; 16] = [
    "#3b4048", "#f07178", "#8fce7e", "#e5c07b", "#7aa8f7", "#d292e8", "#5cc8d7", "#c8ccd4", "#7f8693",
    "#ff8b92", "#a5e08f", "#ffd68a", "#95bdff", "#e3abf5", "#7fdbe6", "#eceff4",
];

/// A session of nobody, as long as any.
const SESSION: &str = "01980000-0000-7000-8000-000000000001";

#[derive(Clone, PartialEq)]
struct Look {
    colour: String,
    ground: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underlined: bool,
}

/// One cell: what stands in it, how many columns it takes, how it looks.
type Shown = (String, usize, Look);

/// The picture of a screen.
pub(super) fn drawn(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (f64::from(columns) * WIDE + 2.0 * AROUND, f64::from(rows) * HIGH + 2.0 * AROUND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" font-size=\"14\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows {
        let cells: Vec<Shown> = (0..columns)
            .filter_map(|column| screen.cell(row, column))
            .filter(|cell| !cell.is_wide_continuation())
            .map(shown)
            .collect();
        draw_row(&mut out, &timeless(cells), AROUND + f64::from(row) * HIGH);
    }
    out.push_str("</svg>\n");
    out
}

fn shown(cell: &Cell) -> Shown {
    let text = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
    let name = |colour: Color, otherwise: Option<&str>| match colour {
        Color::Default => otherwise.map(str::to_owned),
        Color::Idx(index) => Some(indexed(index)),
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    };
    let colour = name(cell.fgcolor(), Some(TEXT)).unwrap_or_default();
    let ground = name(cell.bgcolor(), None);
    let (colour, ground) = if cell.inverse() {
        (ground.unwrap_or_else(|| GROUND.to_owned()), Some(colour))
    } else {
        (colour, ground)
    };
    let look = Look {
        colour,
        ground,
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underlined: cell.underline(),
    };
    (text, if cell.is_wide() { 2 } else { 1 }, look)
}

/// A colour of the 256: sixteen, a cube of six levels, greys.
fn indexed(index: u8) -> String {
    let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
    match index {
        0..16 => SIXTEEN[usize::from(index)].to_owned(),
        16..232 => {
            let index = index - 16;
            let [red, green, blue] = [index / 36, index / 6 % 6, index % 6].map(level);
            format!("#{red:02x}{green:02x}{blue:02x}")
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

/// The row without times, speeds and what is free on the disk, and with the session of nobody.
fn timeless(mut cells: Vec<Shown>) -> Vec<Shown> {
    // One character for each cell, so that places are the same.
    let letters = |cells: &[Shown]| -> Vec<char> {
        cells.iter().map(|(text, ..)| text.chars().next().unwrap_or(' ')).collect()
    };
    let row = letters(&cells);
    for start in 0..row.len() {
        let Some(part) = row.get(start..start + SESSION.len()) else { break };
        let same = part.iter().zip(SESSION.chars()).all(|(found, sign)| {
            (sign == '-') == (*found == '-') && (*found == '-' || found.is_ascii_hexdigit())
        });
        if same {
            for (cell, sign) in cells[start..].iter_mut().zip(SESSION.chars()) {
                cell.0 = sign.to_string();
            }
        }
    }
    let row = letters(&cells);
    let mut out = Vec::with_capacity(cells.len());
    let mut at = 0;
    while at < row.len() {
        match time(&row[at..]) {
            0 => {
                out.push(cells[at].clone());
                at += 1;
            }
            taken => at += taken,
        }
    }
    out
}

/// How many characters at the beginning are a sign that parts and what differs from day to day behind it.
fn time(row: &[char]) -> usize {
    let begins = |text: &str| {
        let length = text.chars().count();
        (row.len() >= length && row.iter().zip(text.chars()).all(|(found, sign)| *found == sign))
            .then_some(length)
    };
    let Some(part) = begins(" · ").or_else(|| begins(", ")) else { return 0 };
    let digits = row[part..].iter().take_while(|sign| sign.is_ascii_digit() || **sign == '.').count();
    if digits == 0 {
        return 0;
    }
    let rest: String = row[part + digits..].iter().take(9).collect();
    let ends = |unit: &str| {
        rest.strip_prefix(unit).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    let unit = [" ms", " s", " min", " tok/s", " GB free", " TB free"].into_iter().find(|unit| ends(unit));
    unit.map_or(0, |unit| part + digits + unit.chars().count())
}

fn draw_row(out: &mut String, cells: &[Shown], top: f64) {
    let mut column = 0;
    let mut at = 0;
    while at < cells.len() {
        let (_, wide, look) = &cells[at];
        // Cells of one look and one width are one run.
        let count = cells[at..].iter().take_while(|cell| cell.1 == *wide && cell.2 == *look).count();
        let text: String = cells[at..at + count].iter().map(|cell| cell.0.as_str()).collect();
        let taken = count * wide;
        let (left, width) = (AROUND + column as f64 * WIDE, taken as f64 * WIDE);
        if let Some(ground) = &look.ground {
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HIGH:.1}\" fill=\"{ground}\"/>"
            );
        }
        draw_text(out, &text, look, *wide, left, top);
        column += taken;
        at += count;
    }
}

fn draw_text(out: &mut String, text: &str, look: &Look, wide: usize, left: f64, top: f64) {
    let words = text.trim_end();
    // Blanks in front are a distance.
    let inner = words.trim_start();
    if inner.is_empty() {
        return;
    }
    let before = words.chars().count() - inner.chars().count();
    let left = left + (before * wide) as f64 * WIDE;
    let width = (inner.chars().count() * wide) as f64 * WIDE;
    let mut marks = String::new();
    for (holds, mark) in [
        (look.bold, " font-weight=\"bold\""),
        (look.italic, " font-style=\"italic\""),
        (look.underlined, " text-decoration=\"underline\""),
        (look.dim, " opacity=\"0.62\""),
    ] {
        if holds {
            marks.push_str(mark);
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" fill=\"{}\"{marks}>{}</text>",
        top + HIGH * 0.74,
        look.colour,
        escaped(inner)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
