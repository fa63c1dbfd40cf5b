//! Renders a report as one HTML file without scripts or external resources.
//!
//! ```text
//!  layout           the structure of the page, the tables of a run
//!  comparison       the short table, the statistics, the runs
//!  timeline         phases, actions, and each probe's latency and outcomes over time
//!  latency_chart    the latency of good samples by phase
//!  run_strips       the runs of both arms over time, on one axis
//!  latency_overlay  the latency of both arms in each phase, one over the other
//!  svg              elements that several charts share
//!  axis             scales and their ticks
//! ```
//!
//! The template engine escapes every text. The content security policy prevents loading and execution in any case.

mod axis;
mod comparison;
mod latency_chart;
mod latency_overlay;
mod layout;
mod run_strips;
mod svg;
mod timeline;

use super::ReportSummary;

/// Renders the report.
pub fn render(summary: &ReportSummary) -> String {
    layout::render_page(summary).into_string()
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::report::fixture::{comparison_with_confounder, summary_with_numbers, summary_with_text};
    use proptest::prelude::*;

    #[test]
    fn confounders_precede_verdict() {
        let page = render(&comparison_with_confounder("x"));
        let (label, verdict) = (page.find("Confounder: "), page.find(r#"<p class="verdict">"#));
        assert!(label.is_some() && label < verdict, "{page}");
        assert!(!page.contains("fewer than 3 valid runs"), "{page}");
    }

    /// Counts the tags, and the closing tags.
    fn elements(page: &str) -> (usize, usize) {
        let body = page.split_once("</style>").unwrap().1;
        (body.matches('<').count(), body.matches("</").count())
    }

    #[test]
    fn page_has_the_content_of_other_reports() {
        let page = render(&summary_with_text("deviated"));
        for part in [
            "<title>deviated: deviated</title>",
            "✗</span> not met: <span class=\"seen\">status 500: deviated",
            "took effect",
            "1 of 2 ok, 1 refused, 1 not taken in time",
            "detected after 0.1 s.",
            "p95",
            "jq .experiment deviated &gt; again.json",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for part in ["<script", "http://", "https://", "url("] {
            assert!(!page.contains(part), "{part} is there");
        }
    }

    proptest! {
        #[test]
        fn untrusted_text_adds_no_html_element(text in r#".*|[<>&"'`/=-]{0,20}(<script>|</pre>|<!--|]]>|" onload="x)?\PC{0,10}"#) {
            // an empty text has no element
            let page = render(&summary_with_text(&format!("x{text}")));
            prop_assert_eq!(elements(&page), elements(&render(&summary_with_text("x"))));
            prop_assert!(!page.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }

        #[test]
        fn extreme_numbers_render_without_nan(period: f64, from: f64, to: f64, latency: f64) {
            // JSON has finite numbers only
            prop_assume!([period, from, to, latency * 3.0].iter().all(|number| number.is_finite()));
            let page = render(&summary_with_numbers("x", period, [from, to], latency));
            prop_assert!(page.len() < 200_000);
            prop_assert!(!page.contains("NaN") && !page.contains("inf"));
        }
    }
}
