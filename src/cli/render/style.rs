//! How text may look on its way to a person: colours, characters, width, and the moment it is read.

use std::env;
use std::io::IsTerminal;

use console::{Style as Ansi, measure_text_width};

use crate::types::Timestamp;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI colours.
    On,
    /// Plain text.
    Off,
}

/// Which characters draw bars and arrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Block elements and arrows.
    Unicode,
    /// ASCII alone.
    Ascii,
}

/// How text is drawn. Plain data, so that the same call gives the same lines anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether it is coloured.
    pub colour: Colour,
    /// The characters for bars and arrows.
    pub charset: Charset,
    /// The columns to keep within. Sentences are wrapped; tables are as wide as what they say.
    pub width: usize,
    /// The present moment: ages count up to it.
    pub now: Timestamp,
}

/// What a piece of text means, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A name or number to find first.
    Strong,
    /// Headings and what is over.
    Faint,
    /// Under way.
    Active,
    /// It went well.
    Good,
    /// Somebody should look.
    Warn,
    /// It went wrong.
    Bad,
}

impl Style {
    /// Without colour, in ASCII, 100 columns: for pipes and tests.
    pub const fn plain(now: Timestamp) -> Self {
        Self { colour: Colour::Off, charset: Charset::Ascii, width: 100, now }
    }

    /// What suits standard output: colours only on a terminal and without `NO_COLOR`, block characters only where the
    /// locale is UTF-8, and the terminal's width up to 120.
    pub fn stdout(now: Timestamp) -> Self {
        let terminal = console::Term::stdout();
        let colour = if allows_colour(std::io::stdout().is_terminal()) { Colour::On } else { Colour::Off };
        let width = terminal.size_checked().map_or(100, |(_, columns)| usize::from(columns).clamp(40, 120));
        Self { colour, charset: locale_charset(), width, now }
    }

    /// The same at another moment.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// `text` in the colour of `tone`.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let ansi = match (self.colour, tone) {
            (Colour::Off, _) | (Colour::On, Tone::Plain) => return text.to_owned(),
            (Colour::On, Tone::Strong) => Ansi::new().bold(),
            (Colour::On, Tone::Faint) => Ansi::new().dim(),
            (Colour::On, Tone::Active) => Ansi::new().cyan(),
            (Colour::On, Tone::Good) => Ansi::new().green(),
            (Colour::On, Tone::Warn) => Ansi::new().yellow(),
            (Colour::On, Tone::Bad) => Ansi::new().red(),
        };
        ansi.force_styling(true).apply_to(text).to_string()
    }

    /// An arrow from one value to the next.
    pub const fn arrow(&self) -> &'static str {
        match self.charset {
            Charset::Unicode => "→",
            Charset::Ascii => "->",
        }
    }

    /// A bar of `width` columns of which `fraction` (held to 0..=1, NaN is 0) is full.
    ///
    /// Full only at 1 and empty only at 0: what is almost there never looks as if it were.
    pub fn bar(&self, tone: Tone, fraction: f64, width: usize) -> String {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        let mut full = (fraction * width as f64).round() as usize;
        if fraction < 1.0 {
            full = full.min(width.saturating_sub(1));
        }
        if fraction > 0.0 {
            full = full.max(1);
        }
        let (on, off) = match self.charset {
            Charset::Unicode => ("█", "░"),
            Charset::Ascii => ("#", "."),
        };
        let empty = self.paint(Tone::Faint, &off.repeat(width.saturating_sub(full)));
        format!("{}{empty}", self.paint(tone, &on.repeat(full)))
    }

    /// `text` broken at spaces into lines of at most [`Style::width`] columns, each behind `indent` spaces. A longer word
    /// stays whole.
    pub fn wrap(&self, indent: usize, text: &str) -> Vec<String> {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && measure_text_width(&line) + 1 + measure_text_width(word) > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines.into_iter().map(|line| format!("{:indent$}{line}", "")).collect()
    }
}

/// Whether a stream may be coloured: never with `NO_COLOR` (any text but the empty one) or on a dumb terminal.
pub fn allows_colour(is_terminal: bool) -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_terminal && !refused && !dumb
}

/// The characters that the locale can show; the first variable that is set decides, as in C.
fn locale_charset() -> Charset {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| env::var(name).ok()).find(|it| !it.is_empty());
    let text = locale.unwrap_or_default().to_ascii_lowercase();
    if text.contains("utf-8") || text.contains("utf8") { Charset::Unicode } else { Charset::Ascii }
}
