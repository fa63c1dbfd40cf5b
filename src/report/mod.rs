//! Reports: what runs came to, for people and for machines. Floor 1.
//!
//! ```text
//!  Record, Comparison ─► summary   the one place that decides what is said, and in which words
//!                        ├─► junit     for CI servers
//!                        ├─► markdown  for pull requests
//!                        ├─► html      for a browser, with everything
//!                        └─► text      for a terminal
//! ```
//!
//! Each is a pure function to bytes: it can be done again years later from the journals alone. What stands in journals
//! is anybody's: each renderer escapes it in the way of its format, and bounds it.

#[cfg(test)]
mod fixture;
pub mod html;
mod invisible;
pub mod junit;
pub mod markdown;
pub mod summary;
pub mod text;

pub use summary::ReportSummary;
