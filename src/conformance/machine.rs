//! A report for other programs: `JUnit` and Markdown. JSON is what serde makes of it.

use std::fmt::Write;

use crate::conformance::{
    report::{CheckResult, Outcome, Report},
    text::wrapped,
};

impl Report {
    /// The report as `JUnit` XML: a test case for each check, what was not checked as skipped.
    pub fn junit(&self) -> String {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.results.iter().filter(|result| wanted(&result.outcome)).count()
        };
        let failures = count(|outcome| *outcome == Outcome::Broken);
        let skipped = count(|outcome| matches!(outcome, Outcome::NotChecked { .. }));
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let seconds = std::time::Duration::from_millis(self.milliseconds).as_secs_f64();
        let _ = writeln!(
            out,
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\">",
            xml(&self.target),
            self.results.len(),
        );
        for result in &self.results {
            let _ = write!(
                out,
                "  <testcase classname=\"contract.{}\" name=\"{:02} {}\"",
                result.level,
                result.id,
                xml(result.title)
            );
            match &result.outcome {
                Outcome::Broken => {
                    let _ = writeln!(
                        out,
                        ">\n    <failure message=\"{}\">{}</failure>\n  </testcase>",
                        xml(result.findings.first().map_or("", |finding| finding.seen.as_str())),
                        xml(&told(result))
                    );
                }
                Outcome::NotChecked { why, option } => {
                    let message = xml(&format!("{why} {option}"));
                    let _ = writeln!(
                        out,
                        ">\n    <skipped message=\"{}\"/>\n  </testcase>",
                        message.trim_end()
                    );
                }
                Outcome::Kept | Outcome::Advised | Outcome::Flaky => out.push_str("/>\n"),
            }
        }
        out.push_str("</testsuite>\n");
        out
    }

    /// The report as Markdown: what is broken, and a table of all checks.
    pub fn markdown(&self) -> String {
        let (kept, all) = self.kept();
        let mut out = format!("# {}\n\nkept {kept} of {all}\n", self.target);
        for result in self.broken() {
            let _ = write!(out, "\n## {:02} {}\n\n", result.id, result.title);
            for line in told(result).lines() {
                let _ = writeln!(out, "{line}  ");
            }
        }
        out.push_str("\n| check | level | promise | outcome |\n|---|---|---|---|\n");
        for result in &self.results {
            let outcome = match &result.outcome {
                Outcome::Kept => "kept".to_owned(),
                Outcome::Advised => "kept, with advice".to_owned(),
                Outcome::Broken => "**broken**".to_owned(),
                Outcome::Flaky => "sometimes".to_owned(),
                Outcome::NotChecked { why, option } => format!("not checked: {why} {option}"),
            };
            let _ = writeln!(
                out,
                "| {:02} | {} | {} | {} |",
                result.id,
                result.level,
                result.title,
                outcome.trim_end().replace('|', "\\|")
            );
        }
        out
    }
}

/// The findings of a check, a line for each thing.
fn told(result: &CheckResult) -> String {
    let mut out = String::new();
    for finding in &result.findings {
        if !finding.request.is_empty() {
            let _ = writeln!(out, "sent: {}", finding.request);
        }
        let _ = writeln!(out, "seen: {}", finding.seen);
        let _ = writeln!(out, "expected: {}", finding.expected);
    }
    for line in wrapped(&format!("fix: {}", result.fix), 100) {
        let _ = writeln!(out, "{line}");
    }
    for (name, words) in result.fixes {
        let _ = writeln!(out, "{name}: {words}");
    }
    let _ = write!(out, "clause: {}", result.clause);
    out
}

/// Text as XML 1.0 takes it, in an element and in an attribute.
fn xml(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::xml;

    #[test]
    fn what_xml_does_not_take_is_replaced() {
        assert_eq!(xml("a<b>&\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;\u{fffd}\n");
    }
}
