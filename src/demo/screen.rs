//! Where the demo is seen: a terminal with a part at the bottom that is drawn anew, or plain lines.

use std::io;

use console::{Term, measure_text_width, truncate_str};

use crate::cli::render::Style;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    term: Term,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A terminal, with this many lines of the last picture at its bottom.
    Live { drawn: usize },
    /// A pipe, a file, or a terminal that cannot move its cursor.
    Plain,
}

impl Screen {
    /// Standard output, drawn on where it is a terminal.
    pub(crate) fn stdout() -> Self {
        let term = Term::buffered_stdout();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let kind = if term.is_term() && !dumb { Kind::Live { drawn: 0 } } else { Kind::Plain };
        if matches!(kind, Kind::Live { .. }) {
            let _ = term.hide_cursor();
        }
        Self { term, kind }
    }

    /// Whether [`Screen::draw`] shows anything.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.kind, Kind::Live { .. })
    }

    /// Writes lines that stay, in place of the picture; the next [`Screen::draw`] puts it below them.
    pub(crate) fn say(&mut self, lines: &[String]) -> io::Result<()> {
        self.erase()?;
        for line in lines {
            self.term.write_line(line)?;
        }
        match self.kind {
            Kind::Live { .. } => Ok(()),
            Kind::Plain => self.term.flush(),
        }
    }

    /// Draws the picture in place of the last one, in one write, so that nothing flickers. Does nothing on plain output.
    ///
    /// What the terminal has no room for is cut off: a line that wraps or scrolls could not be drawn over.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let Kind::Live { drawn } = &mut self.kind else { return Ok(()) };
        let (rows, columns) = self.term.size();
        let room = usize::from(rows).saturating_sub(1);
        self.term.move_cursor_up(*drawn)?;
        for line in lines.iter().take(room) {
            self.term.clear_line()?;
            self.term.write_line(&truncate_str(line, usize::from(columns), ""))?;
        }
        self.term.clear_to_end_of_screen()?;
        *drawn = lines.len().min(room);
        self.term.flush()
    }

    /// Takes the picture away; what was said stays.
    fn erase(&mut self) -> io::Result<()> {
        if let Kind::Live { drawn } = &mut self.kind {
            self.term.move_cursor_up(*drawn)?;
            self.term.clear_to_end_of_screen()?;
            *drawn = 0;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_live() {
            let _ = self.term.show_cursor();
        }
        let _ = self.term.flush();
    }
}

/// `text` behind `head`, wrapped to the width that `style` has, the further lines as far in as the first.
pub(crate) fn hanging(head: &str, text: &str, style: &Style) -> Vec<String> {
    let indent = measure_text_width(head);
    let mut lines = style.wrap(indent, text);
    match lines.first_mut() {
        Some(first) => *first = format!("{head}{}", first.trim_start()),
        None => lines.push(head.trim_end().to_owned()),
    }
    lines
}
