//! A report for a person: one screen of 80 columns.

use std::fmt::{self, Write};

use crate::conformance::{
    check::Level,
    options::Format,
    report::{CheckResult, Finding, Outcome, Report},
};

const WIDTH: usize = 80;

/// Checks by what they lack.
type Groups<'a> = Vec<(&'a str, Vec<u8>)>;

/// Broken promises that are told in full; the others in two lines each, to stay on a screen.
const IN_FULL: usize = 3;

/// A report as text, made by [`Report::text`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Text<'a> {
    report: &'a Report,
    colour: bool,
    in_full: bool,
}

impl Report {
    /// The report as text of at most 80 columns; `curl` commands stay on one line.
    pub fn text(&self) -> Text<'_> {
        Text { report: self, colour: false, in_full: false }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl Text<'_> {
    /// Whether it has colours, as terminals read them (ANSI).
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// Whether every broken promise is told in full, not the first three alone.
    pub fn in_full(mut self, in_full: bool) -> Self {
        self.in_full = in_full;
        self
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            return format!("\u{1b}[{code}m{text}\u{1b}[0m");
        }
        text.to_owned()
    }

    fn heading(self, out: &mut String, text: &str) {
        let _ = writeln!(out, "\n{}", self.paint("1", text));
    }

    /// `name`, then `text` in the lines that it needs.
    fn entry(self, out: &mut String, indent: usize, name: &str, text: &str) {
        let column = indent + 10;
        let start = format!("{:indent$}{name:<10}", "");
        let lines = wrapped(text, WIDTH.saturating_sub(column + 1));
        let mut lines = lines.iter();
        let first = lines.next().map_or("", String::as_str);
        let _ = writeln!(out, "{} {first}", self.paint("2", &start));
        for line in lines {
            let _ = writeln!(out, "{:column$} {line}", "");
        }
    }

    fn profile(self, out: &mut String) {
        let profile = &self.report.profile;
        let front_end = match (&profile.front_end, profile.public, profile.front_end_is_guessed) {
            (_, true, _) => "every page (*), without credentials".to_owned(),
            (Some(origin), _, true) => {
                format!("{origin} (as an answer names it; --origin says another)")
            }
            (Some(origin), _, false) => origin.clone(),
            (None, _, _) => "unknown: name it with --origin".to_owned(),
        };
        self.entry(out, 2, "front end", &front_end);
        let errors = match profile.format {
            Some(Format::Envelope) => "the envelope, application/json",
            Some(Format::Wrapped) => "the envelope in a member `error`, application/json",
            Some(Format::Problem) => "problem details, application/problem+json",
            None => "no known shape",
        };
        self.entry(out, 2, "errors", errors);
        let versions: Vec<_> = profile.versions.iter().map(ToString::to_string).collect();
        let mut speaks = versions.join(", ");
        for said in [&profile.server, &profile.powered_by].into_iter().flatten() {
            let _ = write!(speaks, ", says it is {said}");
        }
        self.entry(out, 2, "speaks", &speaks);
        if let Some(path) = &profile.existing {
            self.entry(out, 2, "exists", path);
        }
    }

    fn broken(self, out: &mut String) {
        let broken: Vec<_> = self.report.broken().collect();
        if broken.is_empty() {
            return;
        }
        let count = broken.len();
        self.heading(out, &format!("broken: {count} {}", plural(count, "promise")));
        for (place, result) in broken.iter().enumerate() {
            let full = self.in_full || place < IN_FULL;
            self.one_broken(out, result, full);
        }
    }

    fn one_broken(self, out: &mut String, result: &CheckResult, full: bool) {
        let counted: Vec<_> = result.findings.iter().filter(|f| f.level != Level::Advice).collect();
        let Some(first) = counted.first() else { return };
        let level = first.level.to_string();
        let title = format!("{:02} {level:<8} {}", result.id, result.title);
        for (place, line) in wrapped(&title, WIDTH - 4).iter().enumerate() {
            let indent = if place == 0 { "" } else { "            " };
            let _ = writeln!(out, "{}", self.paint("1;31", &format!("{indent}{line}")));
        }
        if !full {
            // One line is enough to know it again.
            self.entry(out, 2, "seen", &cut(&self.seen(first), WIDTH - 13));
            return;
        }
        let shown = if self.in_full { counted.len() } else { 1 };
        let mut request = "";
        for finding in counted.iter().take(shown) {
            self.one_finding(out, finding, request);
            request = &finding.request;
        }
        if counted.len() > shown {
            self.entry(out, 2, "", &format!("and {} more: --details", counted.len() - shown));
        }
        // What only the contract wants, a page sees nothing of.
        if !result.page_sees.is_empty() && first.level == result.level {
            self.entry(out, 2, "page sees", result.page_sees);
        }
        self.entry(out, 2, "fix", result.fix);
        for (name, words) in result.fixes.iter().filter(|(name, _)| self.is_made_with(name)) {
            self.entry(out, 2, name, words);
        }
        self.entry(out, 2, "clause", result.clause);
    }

    fn one_finding(self, out: &mut String, finding: &Finding, before: &str) {
        if !finding.request.is_empty() && finding.request != before {
            let name = self.paint("2", "  sent      ");
            let _ = writeln!(out, "{name} {}", finding.request);
        }
        self.entry(out, 2, "seen", &self.seen(finding));
        self.entry(out, 2, "expected", &finding.expected);
    }

    /// What was seen, and over which version where the other one is better.
    fn seen(self, finding: &Finding) -> String {
        match finding.versions.as_slice() {
            [version] if self.report.profile.versions.len() > 1 && finding.judges_one_of_two() => {
                format!("{} ({version} alone)", finding.seen)
            }
            _ => finding.seen.clone(),
        }
    }

    /// Whether the answers say that the service is made with this.
    fn is_made_with(self, name: &str) -> bool {
        let profile = &self.report.profile;
        let said = [&profile.server, &profile.powered_by].into_iter().flatten();
        let mut said = said.map(|said| said.to_ascii_lowercase());
        said.any(|said| said.contains(name))
    }

    fn told(self, out: &mut String) {
        let results = self.report.results.iter();
        let told: Vec<_> = results
            .filter(|result| matches!(result.outcome, Outcome::Advised | Outcome::Flaky))
            .collect();
        if told.is_empty() {
            return;
        }
        self.heading(out, "good to know");
        for result in told {
            for finding in result.findings.iter().take(1) {
                let text = format!("{}; expected {}", self.seen(finding), finding.expected);
                let flaky = if result.outcome == Outcome::Flaky { "sometimes: " } else { "" };
                self.entry(out, 0, &format!("{:02}", result.id), &format!("{flaky}{text}"));
            }
        }
    }

    fn not_checked(self, out: &mut String) {
        // By what would check them, in the order in which they come.
        let (mut by_option, mut by_reason): (Groups, Groups) = (Vec::new(), Vec::new());
        for result in &self.report.results {
            let Outcome::NotChecked { why, option } = &result.outcome else { continue };
            let (groups, key) = if option.is_empty() {
                (&mut by_reason, why.as_str())
            } else {
                (&mut by_option, *option)
            };
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, ids)) => ids.push(result.id),
                None => groups.push((key, vec![result.id])),
            }
        }
        let all =
            [(by_option, "not checked, and the options that would"), (by_reason, "not checked")];
        for (groups, heading) in all {
            if groups.is_empty() {
                continue;
            }
            self.heading(out, heading);
            let shown = groups.iter().map(|(key, ids)| format!("{key} ({})", ranges(ids)));
            for line in wrapped(&shown.collect::<Vec<_>>().join(", "), WIDTH - 2) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }

    fn summary(self, out: &mut String) {
        let (kept, all) = self.report.kept();
        let code = if self.report.is_kept() { "1;32" } else { "1;31" };
        let seconds = std::time::Duration::from_millis(self.report.milliseconds).as_secs_f32();
        let line = self.paint(code, &format!("kept {kept} of {all}"));
        let _ = writeln!(out, "\n{line} in {seconds:.1} s");
        if !self.report.is_kept() {
            let _ = writeln!(
                out,
                "{}",
                self.paint(
                    "2",
                    "all of it: --details; more of one: tower-contract check --explain ID"
                )
            );
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.paint("1", &self.report.target);
        out.push('\n');
        self.profile(&mut out);
        self.broken(&mut out);
        self.told(&mut out);
        self.not_checked(&mut out);
        self.summary(&mut out);
        f.write_str(out.trim_end())
    }
}

/// At most `width` characters.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// `05 08-10` of 5, 8, 9, 10.
fn ranges(ids: &[u8]) -> String {
    let mut all: Vec<(u8, u8)> = Vec::new();
    for id in ids {
        match all.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => all.push((*id, *id)),
        }
    }
    let shown = all.into_iter().map(|(first, last)| match last - first {
        0 => format!("{first:02}"),
        1 => format!("{first:02} {last:02}"),
        _ => format!("{first:02}-{last:02}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// `text` in lines of at most `width` characters, cut between words.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += word_length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_one_range() {
        assert_eq!(ranges(&[5, 8, 9, 10, 12, 13]), "05 08-10 12 13");
    }

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-word-that-is-too-long b", 7), ["a-word-that-is-too-long", "b"]);
        assert_eq!(wrapped("", 7), [""]);
    }
}
