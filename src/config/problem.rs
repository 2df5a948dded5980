//! What is wrong with a configuration, told so that the reader can go there and repair it.

use std::fmt;

use serde::Serialize;

use super::tree::{At, Mark};

/// Whether a problem stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but hardly says what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Whether it stands in the way.
    pub severity: Severity,
    /// Where in the configuration, such as `releases.shop.canary`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where in the text; `None` when it does not come from a text.
    pub place: Option<Place>,
}

impl Problem {
    /// Says what to do about it.
    pub(crate) fn help(&mut self, text: impl Into<String>) {
        self.help = Some(text.into());
    }

    /// Says what to do about it, when there is something to say.
    pub(crate) fn maybe_help(&mut self, text: Option<String>) {
        self.help = text.or(self.help.take());
    }
}

/// A place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters that are meant, at least 1.
    pub length: usize,
    /// The line.
    pub text: String,
}

/// Everything that is wrong, in the order of the text. Display shows each with its place, its line and a hint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Problems {
    /// The file's name as it was given.
    pub file: String,
    /// The problems.
    pub list: Vec<Problem>,
}

impl Problems {
    /// One problem with the file as a whole.
    pub(crate) fn of_file(file: &str, message: String, help: Option<&str>) -> Self {
        let help = help.map(str::to_owned);
        let problem = Problem { severity: Severity::Error, path: String::new(), message, help, place: None };
        Self { file: file.to_owned(), list: vec![problem] }
    }

    /// Whether nothing at all is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many problems stand in the way.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many do not.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    /// The last line of a report: `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let counted = [(self.errors(), "error"), (self.warnings(), "warning")];
        let parts: Vec<_> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count(*n, noun)).collect();
        if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
    }

    fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|problem| problem.severity == severity).count()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{}\n", Shown { file: &self.file, problem })?;
        }
        f.write_str(&self.summary())
    }
}

/// One problem with its file's name.
struct Shown<'a> {
    file: &'a str,
    problem: &'a Problem,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { severity, path, message, help, place } = self.problem;
        let kind = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Some(Place { line, column, length, text }) = place else {
            let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
            write!(f, "{}: {kind}: {path}{message}", self.file)?;
            return help.as_ref().map_or(Ok(()), |help| write!(f, "\n  = {help}"));
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}:{line}:{column}: {kind}: {message}", self.file)?;
        let (shown, skipped) = window(text, *column);
        writeln!(f, "{margin} |\n{number} | {shown}")?;
        let (indent, caret) = (" ".repeat(column - 1 - skipped), "^".repeat((*length).min(WINDOW)));
        write!(f, "{margin} | {indent}{caret}")?;
        help.as_ref().map_or(Ok(()), |help| write!(f, "\n{margin} = {help}"))
    }
}

/// The part of a long line around `column`, and how many characters are left out before it.
fn window(text: &str, column: usize) -> (String, usize) {
    let skipped = if column > WINDOW { column - WINDOW / 2 } else { 0 };
    (text.chars().skip(skipped).take(WINDOW).collect(), skipped)
}

/// Characters of a line that are shown.
const WINDOW: usize = 120;

/// `1 error`, `2 errors`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<(Option<Mark>, Problem)>,
}

impl Report {
    /// Something that stands in the way.
    pub(crate) fn error(&mut self, at: &At<'_>, message: impl Into<String>) -> &mut Problem {
        self.push(Severity::Error, at.mark(), at.path(), message.into())
    }

    /// Something that does not.
    pub(crate) fn warn(&mut self, at: &At<'_>, message: impl Into<String>) -> &mut Problem {
        self.push(Severity::Warning, at.mark(), at.path(), message.into())
    }

    /// An error at a place of the text that is not in the tree.
    pub(crate) fn error_at(&mut self, mark: Mark, message: impl Into<String>) -> &mut Problem {
        self.push(Severity::Error, Some(mark), "", message.into())
    }

    fn push(&mut self, severity: Severity, mark: Option<Mark>, path: &str, message: String) -> &mut Problem {
        let problem = Problem { severity, path: path.to_owned(), message, help: None, place: None };
        self.problems.push((mark, problem));
        let last = self.problems.len() - 1;
        &mut self.problems[last].1
    }

    /// Adds what another report has.
    pub(crate) fn append(&mut self, other: Self) {
        self.problems.extend(other.problems);
    }

    /// The line of the latest problem.
    pub(crate) fn last_line(&self) -> Option<usize> {
        self.problems.last()?.0.map(|mark| mark.line)
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether something stands in the way.
    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|(_, problem)| problem.severity == Severity::Error)
    }

    /// All problems in the order of `text`, each once.
    pub(crate) fn finish(mut self, file: &str, text: &str) -> Problems {
        self.problems.sort_by_key(|(mark, _)| mark.map(|mark| (mark.line, mark.column)));
        let lines: Vec<&str> = text.lines().collect();
        let mut list: Vec<Problem> = Vec::with_capacity(self.problems.len());
        for (mark, mut problem) in self.problems {
            problem.place = mark.map(|mark| place(mark, &lines));
            if !list.contains(&problem) {
                list.push(problem);
            }
        }
        Problems { file: file.to_owned(), list }
    }
}

/// Looks a mark up. Control characters are shown as blanks: the text may be anything, and goes to a terminal.
fn place(mark: Mark, lines: &[&str]) -> Place {
    let line = lines.get(mark.line.saturating_sub(1)).unwrap_or(&"");
    let text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Place { line: mark.line, column: mark.column.max(1), length: mark.length.max(1), text }
}
