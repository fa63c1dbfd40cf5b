//! Reports of runs and comparisons, for people and for CI servers.
//!
//! ```text
//!  Record, RunComparison ─► summary   selects the content and formats it, once for all reports
//!                           ├─► junit     for CI servers
//!                           ├─► markdown  for pull requests
//!                           ├─► html      for a browser, with all details
//!                           └─► text      for a terminal
//! ```
//!
//! Each renderer is a pure function: journals alone are enough to render a report again. Journals are untrusted: each
//! renderer escapes and bounds their text as its format requires.

#[cfg(test)]
mod fixture;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod summary;
pub mod text;

pub use summary::ReportSummary;
