//! Integration tests: they start the binary as users do. All of them are in one test binary.
//!
//! Each module tests one feature. Every server listens on 127.0.0.1 and ends with the test that
//! started it. No test needs a network, a cluster, Python, or a fixed port, except those marked `ignore`.

// the tests start Unix programs and send signals
#![cfg(unix)]
#![allow(unreachable_pub, reason = "no other crate uses a test binary")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown with --nocapture")]

mod harness;

mod action;
mod architecture;
mod bad_input;
mod cluster;
mod compare;
mod completion;
mod console;
mod controls;
mod demo;
mod demo_app;
mod docs;
mod doctor;
mod durability;
mod effects;
mod embedded;
mod engine;
mod env_filtering;
mod examples;
mod field_values;
mod functions;
mod fuzz;
mod github;
mod golden;
mod hints;
mod http;
mod image;
mod init;
mod kubeconfigs;
mod kubernetes;
mod method_tolerance;
mod notifications;
mod outputs;
mod planted_secrets;
mod process;
mod read_back;
mod readme;
mod reports;
mod run_order;
mod sampling;
mod schemas;
mod secrets;
mod services;
mod signals;
mod snapshots;
mod source;
mod style;
mod trial;
mod vault;
