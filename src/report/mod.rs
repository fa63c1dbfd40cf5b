//! Reports of runs and comparisons, for people and for CI servers.
//!
//! ```text
//!  Record, RunComparison ─► summary   selects the content and formats it, once for all reports
//!                           │   decision  the first sentence; key_rows: the short table; strips: runs over time
//!                           ├─► junit     for CI servers
//!                           ├─► markdown  for pull requests
//!                           ├─► html      for a browser, with all details
//!                           └─► text      for a terminal
//! ```
//!
//! Each renderer is a pure function: journals alone are enough to render a report again. Journals are untrusted: each
//! renderer escapes and bounds their text as its format requires.

mod buckets;
pub mod decision;
#[cfg(test)]
mod fixture;
pub mod html;
pub mod junit;
pub mod key_rows;
pub mod markdown;
pub mod phrase;
mod strips;
pub mod summary;
pub mod text;

pub use summary::ReportSummary;
